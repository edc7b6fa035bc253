"""Fabric and paramiko, loaded without what nobody here uses; no other module imports them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

__all__ = ["Config", "FabricConnection", "paramiko"]


@contextlib.contextmanager
def _spared(name: str, **contents: object) -> Iterator[None]:
    """Let what is imported in the block find an empty module `name`, unless that is loaded already.

    Parameters:
        name: of the module that is imported, and needed by nothing that is used here.
        contents: what is imported from it by name.
    """
    if name in sys.modules:
        yield
        return
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


# Invoke, below Fabric, has a class for tests, and for it imports unittest.mock and with that all of
# asyncio: a fifth of what connecting costs on this side.
with _spared("unittest.mock", Mock=object):
    import paramiko
    from fabric import Config
    from fabric import Connection as FabricConnection
