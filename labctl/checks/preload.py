"""Imports for every worker process, done once by the server that they are forked from."""

import pytest  # noqa: F401
import testinfra.backend.base
import testinfra.plugin  # noqa: F401
