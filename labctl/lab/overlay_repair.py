"""Restart engines that overlay networks have damaged, after a rehearsal.

Up to 20.10 (the last engines with an external store), when the last container leaves an overlay
network that is kept in etcd, a thread of the engine can stay in the network namespace of that
network (moby#39372). Connections that the engine opens from this thread fail, so some pulls fail.
Only a restart of the engine repairs it.
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

# Docker mounts the namespaces of the networks in use, in which a thread may rightly be.
RESTART = (
    ENDED_BY_RESTART
    + """\
pid=$(pidof dockerd) || exit 0
known=" $(stat -L -c %i /proc/1/ns/net /var/run/docker/netns/* 2>/dev/null | tr '\\n' ' ')"
stale=
for task in /proc/"$pid"/task/*; do
  seen=$(stat -L -c %i "$task/ns/net" 2>/dev/null) || continue
  case $known in *" $seen "*) ;; *) stale=1;; esac
done
[ -n "$stale" ] || exit 0
[ -z "$(ended_by_restart)" ] || { echo busy; exit 0; }
systemctl reset-failed docker
systemctl restart docker && echo restarted
"""
)
"""Restarts an engine that has a thread in a stale network namespace, and prints ``restarted``.

If a container would not survive the restart, it prints ``busy`` and leaves the engine alone. The
unit of docker allows three starts a minute, two of which a provision may have used. So the script
resets the counter.
"""

_TIMEOUT = 10.0
"""Seconds for each step of connecting to a node, which may be off."""


@contextlib.contextmanager
def restart_engines(lab: Lab, nodes: Collection[str], playbooks: Collection[str]) -> Iterator[None]:
    """Wrap a rehearsal, and restart damaged engines when it ends.

    This happens after Ctrl-C too. A second Ctrl-C ends it at once.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that are rehearsed.
        playbooks: names of the playbooks that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C, during the rehearsal or during the restarts.
    """
    try:
        yield
    except Exception:  # also Interrupted; a second Ctrl-C is a KeyboardInterrupt
        restart_damaged(lab, nodes, playbooks)
        raise
    restart_damaged(lab, nodes, playbooks)


def restart_damaged(lab: Lab, nodes: Collection[str], playbooks: Collection[str]) -> None:
    """Restart the engines that have a thread in a stale network namespace, with a notice for each.

    This looks at all nodes that were ever provisioned, because exercises use other nodes too. It
    leaves an engine alone if a container would not survive; the notice has the command for later.
    Nodes that do not answer are ignored, because the rehearsal has reported them.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that were rehearsed.
        playbooks: names of the playbooks that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C.
    """
    if "overlay" not in playbooks or overlay_mode(lab.spec) != "etcd":
        return
    from labctl.remote.connection import Connection

    # Not the lab's own: once that is requested, its connections do not open any more.
    stop = Stop()

    def work(node: str) -> None:
        remote = Connection(
            lab.target(node), lab.hostkeys, sudo_password=lab.sudo_password, timeout=_TIMEOUT
        )
        stop.add(remote.end)
        with remote:
            (seen,) = exchange(remote, [RESTART])
        # Errors of docker may come before the last line, such as about a container that is gone.
        result = seen.output.strip().rpartition("\n")[2]
        if result == "restarted":
            lab.emit(Notice(node, "restarted docker: an overlay network had damaged it"))
        elif result == "busy":
            lab.emit(
                Notice(
                    node,
                    "some pulls may fail (moby#39372): run `sudo systemctl restart docker` on the"
                    " node when its containers may stop",
                )
            )

    names = [
        name for name in lab.node_names if name in nodes or lab.state.node(name).facts is not None
    ]
    try:
        each(names, work, cap=lab.parallel, stop=stop)
    except Interrupted as error:
        error.hint = (
            "if pulls fail on a node, run `sudo systemctl restart docker` there (moby#39372)"
        )
        raise
