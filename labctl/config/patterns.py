"""The patterns that strings of lab.yaml must match.

A lab.yaml may come from a stranger. Its strings are written to a Vagrantfile (Ruby), to /etc/hosts,
to repo files and to shell scripts that run as root. Each of those writers quotes them. The patterns
are a second barrier: a string that is not a host name never reaches a place for host names.

This module imports no third-party library.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from labctl.messages import msg

LABEL_TEXT = msg("lower-case letters, digits and '-', starting with a letter, at most")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern for a whole string, and the words for it.

    `wanted` completes the sentence "must be …"; `hint` says what to do; `schema_format` is the
    JSON Schema format that editors check, if there is one.
    """

    pattern: str
    wanted: str
    hint: str = ""
    schema_format: str = ""

    def problem(self, text: str) -> str | None:
        """Return what is wrong with `text` as a sentence, None if nothing is."""
        if re.fullmatch(self.pattern, text):
            return None
        return msg("must be {wanted}, is {value}", wanted=self.wanted, value=shown(text))


def shown(value: object) -> str:
    """Return `value` as a message shows it: in quotes if it is a text, on one line, not long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return msg("empty")
    if isinstance(value, dict):
        return msg("a mapping")
    if isinstance(value, list | tuple):
        return msg("a list")
    text = str(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return repr(text) if isinstance(value, str) else text


def is_ipv4(text: str) -> bool:
    """Return True if `text` is an IPv4 address in dotted form."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_IPV6 = r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+"
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))"
_USER = r"[A-Za-z_][A-Za-z0-9._-]{0,63}"
# No quotes, spaces or ; | < > ` \ ( ), so no "$(" either: nothing that ends a word or starts a
# command in shell or Ruby. '$' stays for yum's $basearch, '{version}' for our own.
_URL_BODY = r"[A-Za-z0-9._~:/?#@!&*+,=%{}\[\]$-]+"

LABEL = Pattern(
    r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    msg("a host name: {allowed} 63 characters", allowed=LABEL_TEXT),
)
PREFIX = Pattern(
    r"[a-z][a-z0-9-]{0,59}",
    msg("a prefix of host names: {allowed} 60 characters", allowed=LABEL_TEXT),
)
# A machine in a room may be named with underscores, against the standards.
_MACHINE = _HOST.replace("[A-Za-z0-9-]", "[A-Za-z0-9_-]").replace("[A-Za-z0-9]", "[A-Za-z0-9_]")
HOST = Pattern(rf"{_MACHINE}|{_IPV6}", "a host name or an IP address")
IPV4 = Pattern(_IPV4, "an IPv4 address such as 192.168.56.11", schema_format="ipv4")
NETWORK = Pattern(rf"{_IPV4}/[0-9]{{1,2}}", "an IPv4 network such as 192.168.56.0/24")
JUMP = Pattern(rf"({_USER}@)?{_MACHINE}{_PORT}?", "user@host or user@host:port")
LOGIN = Pattern(_USER, "a user name")
LINUX_USER = Pattern(
    r"[a-z_][a-z0-9_-]{0,31}",
    "a Linux user name: lower-case letters, digits, '_' and '-', at most 32 characters",
)
PROVIDER = Pattern(r"[a-z][a-z0-9_]*", "a provider's name such as virtualbox or libvirt")
PLAYBOOK = Pattern(
    r"[a-z][a-z0-9_-]*", "a playbook's name: lower-case letters, digits, '_' and '-'"
)
VERSION = Pattern(r"[0-9A-Za-z._~+-]+", "a version such as 19.03.9-3.el7")
BOX_NAME = Pattern(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?", "a box name such as centos/7"
)
URL = Pattern(
    rf"(https?://|file:///){_URL_BODY}",
    "an http, https or file URL without spaces, quotes or brackets",
)
MIRROR = Pattern(
    rf"https?://({_HOST}|\[{_IPV6}\]){_PORT}?/?",
    "http(s)://host or http(s)://host:port, without path, query or password",
    hint="Docker rejects its whole configuration if a mirror's URL contains more",
)
REGISTRY = Pattern(
    rf"({_HOST}|\[{_IPV6}\]){_PORT}?|{_IPV4}/([0-9]|[12][0-9]|3[0-2])",
    "host, host:port or a network such as 10.0.0.0/8, without http://",
)
_IMAGE_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
# A first part is a registry's host only if it contains a dot or a port, or is localhost.
IMAGE = Pattern(
    rf"(([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+{_PORT}?|[A-Za-z0-9-]+{_PORT}|localhost)/)?"
    rf"{_IMAGE_PART}(/{_IMAGE_PART})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(@sha256:[0-9a-f]{64})?",
    "an image such as nginx, nginx:1.22 or nginx@sha256:… with 64 digits",
)
PASSWORD = Pattern(r"[!-~]{6,72}", "a password of 6 to 72 ASCII characters without spaces")
SHA256 = Pattern(r"[0-9A-Fa-f]{64}", "a SHA-256 checksum: 64 hexadecimal digits")
FINGERPRINT = Pattern(
    r"[0-9A-Fa-f]{40}", "an OpenPGP fingerprint: 40 hexadecimal digits, spaces allowed"
)
GUEST_PATH = Pattern(
    r"(/(?!\.\.?(/|$))[^/\x00-\x1f\x7f]+)+/?", "an absolute path on the node, without '..'"
)
# Free text that goes into files: no control characters, no line separators of any alphabet.
TEXT = Pattern(
    r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+",
    "a string on one line, without control characters",
)

SSH_PATH = Pattern(
    r"(?s)(?!.*\$\{)[^\"\x00-\x08\x0a-\x1f\x7f]*",
    msg('a path without ", ${ and control characters'),
    msg("rename it: ssh cannot read such a path in its configuration"),
)
"""A file that ssh_config names. ssh replaces ${NAME} with a variable, and nothing prevents that."""
