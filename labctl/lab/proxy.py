"""What is said about a lab's proxies before any machine is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.checks.redact import Secrets
from labctl.errors import LabctlError
from labctl.events import Notice
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.lab.lab import Lab


def announce(lab: Lab) -> None:
    """Check the lab's proxies, remember that there are some, and say if none can be inherited.

    Raises:
        UsageError, StateError: see `labctl.provision.proxies`.
    """
    wanted = lab.spec.proxy
    if lab.proxy is not None:
        lab.state.keep_proxied()
    elif wanted is not None and wanted.inherit:
        lab.emit(
            Notice(
                "",
                msg("this computer's environment names no proxy to inherit, so the nodes use none"),
            )
        )


def hide_passwords(lab: Lab, error: LabctlError) -> None:
    """Remove the passwords of proxies from an error: a program may have printed one."""
    if lab.proxy is not None:
        secrets = Secrets(lab.proxy.secrets)
        error.message = secrets.hide(error.message)
        error.details = secrets.hide(error.details)
