"""Asking another node of the lab for what a change of this one needs, such as a join token."""

from __future__ import annotations

import time

from labctl.errors import DependencyFailed, Interrupted, RemoteError
from labctl.events import Phase, PhaseEntered
from labctl.lab.lab import Lab
from labctl.provision.apply import AskPeer
from labctl.provision.resources.base import PeerQuery
from labctl.provision.scheduler import Scheduler
from labctl.remote.exchange import exchange

ANSWER_SECONDS = 60.0
"""How long the other node may take to have an answer, once it has come as far as it will."""
_PAUSE = 2.0


def peer_queries(lab: Lab, node: str, scheduler: Scheduler) -> AskPeer:
    """Return what asks the other nodes on behalf of `node`.

    Parameters:
        lab: the lab.
        node: who needs the answers.
        meeting: the nodes of this run, which are waited for.
    """

    def ask(question: PeerQuery) -> str:
        other = question.node
        lab.emit(PhaseEntered(node, Phase.WAITING, f"for {other}: {question.playbook}"))
        try:
            came = scheduler.wait_for(other, question.playbook)
            # What came through in this run was seen to be so; a node outside it has to be asked.
            if came and not question.script:
                return ""
            return _told(lab, node, question)
        except (RemoteError, DependencyFailed):
            if question.instead is None:
                raise
            return ask(question.instead)
        finally:
            lab.emit(PhaseEntered(node, Phase.PROVISIONING))

    return ask


def _told(lab: Lab, node: str, question: PeerQuery) -> str:
    """Run the question's script on the other node until it succeeds, for a minute at most."""
    what = f"{node} needs {question.playbook} of {question.node}"
    end = time.monotonic() + ANSWER_SECONDS
    try:
        with lab.remote(question.node) as remote:
            while True:
                seen = exchange(remote, [question.script or ":"])[0]
                if seen.ok:
                    return seen.output.strip()
                if time.monotonic() > end:
                    break
                if lab.stop.requested.wait(_PAUSE):
                    raise Interrupted("interrupted while it waited", node=node)
    except RemoteError as error:
        error.node = node
        error.message = f"{what}: {error.message}"
        raise
    raise DependencyFailed(
        f"{what}, and has no answer",
        hint=f"look at that node with `labctl provision --limit {question.node}`",
        details="" if question.secret else seen.text[-2000:],
    )
