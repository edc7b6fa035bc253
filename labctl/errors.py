"""Every error that labctl expects, as one tree.

::

    LabctlError                     exit code 1
    ├── UsageError              2   the command line or lab.yaml is invalid
    │   └── SpecError           2   lab.yaml or a flag; carries every problem
    ├── StateError              1   the lab's state folder
    │   └── LabLocked           1   another labctl process uses this lab
    ├── MachineError            1   Vagrant, its providers, its machines
    │   ├── VagrantMissing      1
    │   └── ProviderMissing     1
    ├── RemoteError             1   the connection to a node
    │   ├── ConnectFailed       1
    │   ├── AuthFailed          1
    │   ├── HostKeyChanged      1
    │   ├── SudoRefused         1
    │   └── ProtocolError       1   the answer was cut off or malformed
    │       └── NodeSilent      1   there was none in time
    ├── PlaybookError           1   a playbook that cannot be loaded or planned
    ├── ConvergeError           1   a resource of a node
    │   ├── NotReady            1   something on the node is in the way; nothing was changed
    │   ├── ChangeFailed        1   its change failed; carries the output
    │   └── DidNotConverge      1   its change ran without effect
    ├── DependencyFailed        1   a node that this one depends on failed
    ├── TransferError           1   copying files
    ├── KitError                1   a kit cannot be made, or is not what its manifest says
    ├── VerifyError             1   a check could not be run at all
    ├── ChecksFailed            1   a repaired node still fails its checks
    ├── Defect              1   labctl itself failed on a node
    └── Interrupted           130   the user pressed Ctrl-C

Code raises them where the cause is known; only the command line renders them. `message` says what
failed and `hint` what to do about it. `details` holds the last lines of output, and `log` names the
file with all of it. An exception outside this tree is a defect of labctl and is shown as one; on
one of several nodes it becomes a `Defect`, so that the results of the others are shown.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.messages import msg


class LabctlError(Exception):
    """An expected failure.

    Parameters:
        message: what failed, one sentence without a full stop.
        hint: what the user can do about it; may be empty.
        details: output that explains it, shown below the message.
        node: the node that it happened on; empty: none.
        log: file with the whole output.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: str = "",
        node: str = "",
        log: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.node = node
        self.log = log


class UsageError(LabctlError):
    """The command line or lab.yaml is invalid; no machine was touched."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with lab.yaml or a flag.

    `where` is its place in YAML terms (``nodes[1].address``) or the flag (``--nodes``); `line`
    counts from 1 and is None for a problem that belongs to no line.
    """

    where: str
    message: str
    line: int | None = None
    hint: str = ""


class SpecError(UsageError):
    """lab.yaml, or the flags, cannot be used. `problems` holds all of them, in the file's order."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        count = (
            msg("1 problem") if len(problems) == 1 else msg("{count} problems", count=len(problems))
        )
        super().__init__(msg("{source}: {count}, nothing was touched", source=source, count=count))
        self.source = source
        self.problems = tuple(problems)


class StateError(LabctlError):
    """The lab's state folder cannot be used."""


class LabLocked(StateError):
    """Another labctl process uses this lab."""


class MachineError(LabctlError):
    """Vagrant, a provider or a machine failed."""


class VagrantMissing(MachineError):
    """`vagrant` is not on PATH."""


class ProviderMissing(MachineError):
    """No usable provider is installed, or not the requested one."""


class RemoteError(LabctlError):
    """The connection to a node failed."""


class ConnectFailed(RemoteError):
    """No ssh connection was made in time."""


class AuthFailed(RemoteError):
    """The node refused every key and password that was offered."""


class HostKeyChanged(RemoteError):
    """The node's host key differs from the recorded one."""


class SudoRefused(RemoteError):
    """The login user may not become root."""


class ProtocolError(RemoteError):
    """The node's answer was cut off, or lacks labctl's framing."""


class NodeSilent(ProtocolError):
    """The node accepted a command, or a connection, and did not answer in time."""


class PlaybookError(LabctlError):
    """A playbook cannot be found, loaded or planned."""


class ConvergeError(LabctlError):
    """A resource did not reach the wanted state. `resource` is its id."""

    def __init__(
        self, message: str, *, resource: str, hint: str = "", details: str = "", node: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details, node=node)
        self.resource = resource


class NotReady(ConvergeError):
    """Something on the node is in the way. It was found before the first change."""


class ChangeFailed(ConvergeError):
    """The script of a change ended with a non-zero exit code."""


class DidNotConverge(ConvergeError):
    """The change ran without an error, but the resource is not in the wanted state."""


class DependencyFailed(LabctlError):
    """Another node, on which this one depends, failed or took too long."""


class TransferError(LabctlError):
    """A file could not be copied completely; no partial file was left."""


class KitError(LabctlError):
    """A kit cannot be made or read, or differs from its manifest."""


class VerifyError(LabctlError):
    """The checks of a node could not be run (a failing check is a result, not an error)."""


class ChecksFailed(LabctlError):
    """A repaired node still fails its checks."""


class Defect(LabctlError):
    """labctl failed on a node in a way that it should not."""

    @classmethod
    def of(cls, error: Exception, node: str) -> Defect:
        """Return the error for an exception outside this tree, with the place that raised it."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        kind = type(error).__name__
        defect = cls(
            msg("labctl failed: {kind}: {error}", kind=kind, error=str(error)[:300]),
            hint=msg("this is a bug in labctl; report it with the output of `labctl -v …`"),
            details=msg("raised in {place}", place=place),
            node=node,
        )
        defect.__cause__ = error
        return defect


class Interrupted(LabctlError):
    """The user interrupted the run."""

    exit_code = 130
