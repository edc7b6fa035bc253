"""The words for a node that does not answer."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from paramiko.ssh_exception import NoValidConnectionsError

from labctl.remote import connect_errors
from labctl.remote.target import Target


@pytest.mark.parametrize(
    ("existing", "hint"), [(False, "`labctl up` starts a machine"), (True, "its sshd run")]
)
def test_the_hint_fits_the_kind_of_machine(existing: bool, hint: str) -> None:
    target = Target("docker-node1", "10.0.0.1", existing=existing)
    places = (("10.0.0.1", 22), ("fe80::1", 22))
    refused: dict[Any, OSError] = {
        place: ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused") for place in places
    }
    error = connect_errors.failed(NoValidConnectionsError(refused), None, target)
    assert error.message == "10.0.0.1:22 does not answer"
    assert hint in error.hint
    assert error.details == "Connection refused"
