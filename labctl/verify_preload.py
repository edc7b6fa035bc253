"""What every checking process needs; imported once, by the server that they are forked off."""

import pytest  # noqa: F401
import testinfra.backend.base
import testinfra.plugin  # noqa: F401

import labctl.remote.session
import labctl.remote.ssh
import labctl.testinfra_backend
import labctl.verify_plugin  # noqa: F401
