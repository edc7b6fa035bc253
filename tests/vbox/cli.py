"""The command line: which verb is what, how failures are told, and the log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module

from tests.vbox import log
from tests.vbox.double import Double, Verb
from tests.vbox.errors import BadSyntax, Refused
from tests.vbox.home import Home

# Modules and functions, loaded when they are wanted: bringing one machine up takes a hundred calls.
VERBS: Mapping[str, tuple[str, str]] = {
    "--version": ("verbs", "version"),
    "-v": ("verbs", "version"),
    "clonemedium": ("disks", "clonemedium"),
    "clonevm": ("making", "clonevm"),
    "closemedium": ("disks", "closemedium"),
    "controlvm": ("power", "controlvm"),
    "dhcpserver": ("verbs", "dhcpserver"),
    "discardstate": ("power", "discardstate"),
    "export": ("making", "export"),
    "guestproperty": ("verbs", "guestproperty"),
    "hostonlyif": ("verbs", "hostonlyif"),
    "import": ("making", "import_"),
    "list": ("lists", "list_"),
    "modifymedium": ("disks", "modifymedium"),
    "modifyvm": ("modify", "modifyvm"),
    "setextradata": ("verbs", "setextradata"),
    "sharedfolder": ("verbs", "sharedfolder"),
    "showvminfo": ("showvminfo", "showvminfo"),
    "snapshot": ("snapshots", "snapshot"),
    "startvm": ("power", "startvm"),
    "storageattach": ("disks", "storageattach"),
    "unregistervm": ("making", "unregistervm"),
}


def verb(name: str) -> Verb:
    """The function for a verb."""
    if name not in VERBS:
        raise BadSyntax(f"Invalid command '{name}'")
    module, function = VERBS[name]
    found: Verb = getattr(import_module(f"tests.vbox.{module}"), function)
    return found


def run(home: Home, argv: Sequence[str]) -> int:
    """Run a command line, log it, and return the exit code."""
    began, start = time.time(), time.monotonic()
    code, error = 0, ""
    try:
        verb(argv[0] if argv else "")(Double(home), list(argv[1:]))
    except Refused as refusal:
        code, error = refusal.exit_code, refusal.text
        for line in refusal.lines():
            print(line, file=sys.stderr)
    except BaseException as problem:
        code, error = 70, f"{type(problem).__name__}: {problem}"
        raise
    finally:
        log.append(home.log, argv, code, time.monotonic() - start, began, error)
    return code


def main() -> int:
    """Be VBoxManage."""
    try:
        home = Home.of(os.environ)
    except Refused as refusal:
        print("\n".join(refusal.lines()), file=sys.stderr)
        return refusal.exit_code
    return run(home, sys.argv[1:])
