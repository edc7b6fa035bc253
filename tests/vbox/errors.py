"""VBoxManage's refusals: a message on stderr, a result code in it, and an exit code."""

from __future__ import annotations

# Result codes by which callers (Vagrant among them) tell failures apart.
NOT_FOUND = "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)"
INVALID_STATE = "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)"
FILE_ERROR = "VBOX_E_FILE_ERROR (0x80bb0004)"
IN_USE = "VBOX_E_OBJECT_IN_USE (0x80bb000c)"
NOT_SUPPORTED = "VBOX_E_NOT_SUPPORTED (0x80bb0009)"
DENIED = "E_ACCESSDENIED (0x80070005)"


class Refused(Exception):
    """A request that VirtualBox would refuse too.

    `text` is the whole message, `code` the result code for the line of details, if it has one.
    """

    exit_code = 1

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code

    def lines(self) -> list[str]:
        """The message as VBoxManage lays it out."""
        details = [f"Details: code {self.code}"] if self.code else []
        return [f"VBoxManage: error: {line}" for line in (*self.text.splitlines(), *details)]


class BadSyntax(Refused):
    """A command line that is wrong: VBoxManage ends with 2 then."""

    exit_code = 2


class NotInDouble(Refused):
    """Something that VirtualBox can do and this double cannot.

    It fails loudly, with an exit code of its own, so that no test passes because nothing happened.
    """

    exit_code = 64

    def __init__(self, what: str) -> None:
        super().__init__(f"the VirtualBox double of labctl's tests does not know {what}")
