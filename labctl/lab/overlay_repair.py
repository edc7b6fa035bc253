"""What a rehearsal of overlay networks leaves in engines with an external store, and its repair.

When the last container leaves a network that is kept in etcd, a thread of the engine stays behind
in the name space of that network (moby#39372, up to 20.10, the last engines with a store). From
then on some of the engine's own connections start from there, and pulls fail now and then. Nothing
but a restart helps; so a rehearsal, which is for class to go well, ends with one where it has to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from labctl.errors import Interrupted
from labctl.events import Notice
from labctl.parallel import Stop, each
from labctl.provision.lab_services import ENDED_BY_RESTART, overlay_mode
from labctl.remote.exchange import exchange

if TYPE_CHECKING:
    from labctl.lab.lab import Lab

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


_PATIENCE = 10.0
"""Seconds for each step of an attempt to reach a node, which may be off."""


@contextlib.contextmanager
def restart_engines(lab: Lab, nodes: Collection[str], playbooks: Collection[str]) -> Iterator[None]:
    """Around a rehearsal: what it left in engines is mended, also after a Ctrl-C.

    A second one ends it, whether what is inside still cleans up or engines are restarted already.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that are rehearsed.
        playbooks: names of those that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C, inside or while engines were restarted.
    """
    try:
        yield
    except Exception:  # Interrupted is one; a second Ctrl-C, as KeyboardInterrupt, is none
        mend(lab, nodes, playbooks)
        raise
    mend(lab, nodes, playbooks)


def mend(lab: Lab, nodes: Collection[str], playbooks: Collection[str]) -> None:
    """Restart the engines of a lab with a store whose threads are astray, and tell of it.

    All nodes that were ever provisioned are looked at: exercises work on neighbours too. An engine
    with a container that would not come back by itself is left alone, and the notice says what to
    do. A node that cannot be reached is passed over; the rehearsal has said so if it needed it.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that were rehearsed; their exercises are over.
        playbooks: names of those that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C.
    """
    if "overlay" not in playbooks or overlay_mode(lab.spec) != "etcd":
        return
    from labctl.remote.connection import Connection

    # The lab's own may have been requested, and its connections do not open any more then.
    stop = Stop()

    def work(node: str) -> None:
        remote = Connection(
            lab.target(node), lab.hostkeys, sudo_password=lab.sudo_password, timeout=_PATIENCE
        )
        stop.add(remote.end)
        with remote:
            (seen,) = exchange(remote, [MEND])
        # What docker says on stderr may stand before it, as of a container that has just gone.
        said = seen.output.strip().rpartition("\n")[2]
        if said == "restarted":
            lab.emit(Notice(node, "restarted docker to repair it after an overlay network"))
        elif said == "busy":
            hint = "sudo systemctl restart docker, when no container is needed"
            lab.emit(Notice(node, f"pulls may fail now and then (moby#39372): {hint}"))

    names = [
        name
        for name in lab.spec.node_names
        if name in nodes or lab.state.node(name).facts is not None
    ]
    try:
        each(names, work, cap=lab.spec.parallel, stop=stop)
    except Interrupted as error:
        error.hint = (
            "where pulls fail now and then, `sudo systemctl restart docker` on that node helps"
            " (moby#39372)"
        )
        raise
