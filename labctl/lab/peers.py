"""Read what a change needs from another node of the lab, such as a join token."""

from __future__ import annotations

import time

from labctl.errors import DependencyFailed, Interrupted, RemoteError
from labctl.events import Phase, PhaseEntered
from labctl.lab.lab import Lab
from labctl.messages import msg
from labctl.provision.apply import QueryPeer
from labctl.provision.resources.base import PeerQuery
from labctl.provision.scheduler import Scheduler
from labctl.remote.exchange import exchange

ANSWER_SECONDS = 60.0
"""Seconds within which the other node must answer, once it has finished the playbook."""
_PAUSE = 2.0


def peer_queries(lab: Lab, node: str, scheduler: Scheduler) -> QueryPeer:
    """Return a function that reads values from other nodes for a change of `node`.

    Parameters:
        lab: the lab.
        node: name of the node that needs the values.
        scheduler: the nodes of this run.
    """

    def answer(query: PeerQuery) -> str:
        other = query.node
        lab.emit(
            PhaseEntered(
                node,
                Phase.WAITING,
                msg("for {node}: {playbook}", node=other, playbook=query.playbook),
            )
        )
        try:
            finished = scheduler.wait_for(other, query.playbook)
            # A node that is not in this run must show that it answers, even without a script.
            if finished and not query.script:
                return ""
            return _answer(lab, node, query)
        except (RemoteError, DependencyFailed):
            if query.fallback is None:
                raise
            return answer(query.fallback)
        finally:
            lab.emit(PhaseEntered(node, Phase.PROVISIONING))

    return answer


def _answer(lab: Lab, node: str, query: PeerQuery) -> str:
    """Run the query's script on the other node until it succeeds, for a minute at most."""
    what = msg(
        "{node} needs {answer} from {other}", node=node, answer=query.playbook, other=query.node
    )
    end = time.monotonic() + ANSWER_SECONDS
    try:
        with lab.connection(query.node) as connection:
            while True:
                seen = exchange(connection, [query.script or ":"])[0]
                if seen.ok:
                    return seen.output.strip()
                if time.monotonic() > end:
                    break
                if lab.stop.requested.wait(_PAUSE):
                    raise Interrupted("interrupted while waiting", node=node)
    except RemoteError as error:
        error.node = node
        error.message = msg("{what}: {why}", what=what, why=error.message)
        raise
    raise DependencyFailed(
        msg("{what} and got no answer", what=what),
        hint=msg("check that node with `labctl provision --limit {node}`", node=query.node),
        details="" if query.secret else seen.text[-2000:],
    )
