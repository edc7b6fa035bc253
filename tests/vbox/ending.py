"""The end of a double: nothing of it may run on, whatever happened before."""

from __future__ import annotations

from tests.vbox import process
from tests.vbox.home import Home
from tests.vbox.network import Interfaces
from tests.vbox.registry import Registry


def end_all(home: Home) -> None:
    """Stop every machine, and remove the host-only interfaces."""
    registry = Registry(home)
    for machine in registry.all():
        process.stop(machine, registry.folder(machine))
    interfaces = Interfaces(home)
    for interface in interfaces.all():
        interfaces.remove(interface.name)
