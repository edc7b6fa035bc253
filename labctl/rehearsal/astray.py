"""What a rehearsal of overlay networks leaves in engines with an external store, and its repair.

When the last container leaves a network that is kept in etcd, a thread of the engine stays behind
in the name space of that network (moby#39372, up to 20.10, the last engines with a store). From
then on some of the engine's own connections start from there, and pulls fail now and then. Nothing
but a restart helps; so a rehearsal, which is for class to go well, ends with one where it has to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labctl.errors import LabctlError
from labctl.events import Notice
from labctl.remote.exchange import exchange
from labctl.services import ENDED_BY_RESTART, overlay_mode

if TYPE_CHECKING:
    from labctl.lab import Lab

# A thread may be in the name space of a network that is in use: docker mounts those.
MEND = (
    ENDED_BY_RESTART
    + """\
pid=$(pidof dockerd) || exit 0
known=" $(stat -L -c %i /proc/1/ns/net /var/run/docker/netns/* 2>/dev/null | tr '\\n' ' ')"
astray=
for task in /proc/"$pid"/task/*; do
  seen=$(stat -L -c %i "$task/ns/net" 2>/dev/null) || continue
  case $known in *" $seen "*) ;; *) astray=1;; esac
done
[ -n "$astray" ] || exit 0
[ -z "$(ended_by_restart)" ] || { echo busy; exit 0; }
systemctl reset-failed docker
systemctl restart docker && echo restarted
"""
)
"""Restart an engine whose threads are astray, unless a container would end by it; say which.

Its unit allows three starts a minute, of which a provision may have used two: so the counter is
cleared.
"""


def mend(lab: Lab, nodes: Iterable[str]) -> None:
    """Restart the engines of a lab with a store whose threads are astray, and tell of it.

    An engine with a container that would not come back by itself is left alone, and the notice says
    what to do. A node that cannot be reached is passed over; the rehearsal has said so already.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that were rehearsed; their exercises are over.
    """
    if "overlay" not in lab.spec.playbooks or overlay_mode(lab.spec) != "etcd":
        return
    for node in nodes:
        try:
            with lab.remote(node) as remote:
                (seen,) = exchange(remote, [MEND])
        except LabctlError:
            continue
        if seen.output.strip() == "restarted":
            lab.emit(Notice(node, "restarted docker: an overlay network had left it astray"))
        elif seen.output.strip() == "busy":
            hint = "sudo systemctl restart docker, when no container is needed"
            lab.emit(Notice(node, f"pulls may fail now and then (moby#39372): {hint}"))
