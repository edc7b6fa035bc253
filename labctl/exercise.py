"""The names for authors of exercises.

An exercise is a pytest function in ``course/SECTION.py``. Its fixtures:

- ``sandbox``: the `Sandbox` where it works, on one node.
- ``peer_sandbox``: the `Sandbox` on another node; without another node the exercise is skipped.
- ``host``: the node as testinfra's `Host`.
- ``peers``: the lab's other nodes, as `Peers`.
- ``wanted``: what the lab expects of the node, as `Wanted`.

`on_failure` gives an exercise, or a check in a playbook's ``verify.py``, the words that people read
if it fails.

Names outside this module may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labctl.checks.exercises.firewall import GATEWAY, firewall_hint
from labctl.checks.exercises.image_pulls import is_namespace_leak
from labctl.checks.exercises.sandbox import Sandbox
from labctl.checks.explanation import HEAL, PROVISION, Failure, on_failure
from labctl.checks.testinfra_backend import Host
from labctl.messages import joined, msg

Peers = Mapping[str, Host]
"""The lab's other nodes by name. The first use of a node connects to it."""

Wanted = dict[str, Any]
"""The settings of the lab and the values measured on the node, as plain values.

Always present: name, user, address, nodes, toolchain, compose_sha256, docker, sources, choices,
playbooks. A playbook may add a key of its own, such as ``registry``. A rehearsal adds
``rehearsal``, with its token.
"""

__all__ = [
    "GATEWAY",
    "HEAL",
    "PROVISION",
    "Failure",
    "Host",
    "Peers",
    "Sandbox",
    "Wanted",
    "firewall_hint",
    "is_namespace_leak",
    "joined",
    "msg",
    "on_failure",
]
