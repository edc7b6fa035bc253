"""Pulls of images by an engine that overlay networks may have damaged.

Up to 20.10, when the last container leaves an overlay network that is kept in etcd, a thread of the
engine can stay in the network namespace of that network (moby#39372). Connections that the engine
opens from this thread fail: it cannot reach a registry or its own store. Repeating helps, because
another thread may serve the next attempt.
"""

from __future__ import annotations

from labctl.checks.exercises.node_commands import NodeCommands, last_words
from labctl.checks.explanation import Failure, last_line
from labctl.messages import msg

_ATTEMPTS = 6
_SYMPTOMS = ("network is unreachable", "no such host")


def is_namespace_leak(error: str) -> bool:
    """Return True if an engine's error may come from a thread in a stale network namespace.

    An exercise on overlay networks repeats what failed with such an error (moby#39372).
    """
    return any(symptom in error for symptom in _SYMPTOMS)


def pull(node: NodeCommands, name: str) -> None:
    """Pull an image, even if the node has it.

    Raises:
        AssertionError: it could not be pulled.
    """
    for _ in range(_ATTEMPTS):
        result = node.run("docker pull --quiet %s", name, ok=False)
        if result.rc == 0:
            return
        if not is_namespace_leak(result.stderr):
            raise Failure(
                msg(
                    "{name} cannot be pulled on {node}: {output}",
                    name=name,
                    node=node.node,
                    output=last_words(result),
                ),
                wrong=msg("images cannot be pulled"),
                because=last_line(last_words(result)),
                fix="labctl provision --refresh",
            )
    raise Failure(
        msg(
            "{name} cannot be pulled on {node}: {output}. If the node itself reaches the "
            "registry, an overlay network has damaged the engine (moby#39372); `sudo "
            "systemctl restart docker` on the node repairs it",
            name=name,
            node=node.node,
            output=last_words(result),
        ),
        wrong=msg("images cannot be pulled"),
        because=msg(
            "{why}; an overlay network may have damaged the engine (moby#39372)",
            why=last_line(last_words(result)),
        ),
        fix=f"labctl ssh {node.node} -- sudo systemctl restart docker",
    )
