"""From a lab to the files that are written for it: Vagrantfile, daemon.json, and playbooks' own.

Pure: templates and values go in, text comes out, nothing is written. A Vagrantfile is a program, so
the values of a lab.yaml, perhaps a stranger's, must not become code in it: every one of them goes
through `ruby_literal`. Templates run in Jinja's sandbox, since a lab folder may bring its own.
This is the one module that knows Jinja.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2 import TemplateSyntaxError as JinjaSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from labctl import daemon, folders, guestadditions
from labctl.errors import UsageError
from labctl.spec import LabSpec, Node

# Folders that are searched for a template in this order: the lab's own first, then the packaged.
TemplateFolders = tuple[Path, ...]

_RUBY_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


def vagrantfile(
    spec: LabSpec,
    provider: str,
    templates: TemplateFolders,
    *,
    emulated: bool = False,
    additions: bool = True,
    left: Sequence[str] = (),
) -> str:
    """Return the Vagrantfile of a lab.

    Parameters:
        spec: the lab; one that Vagrant makes (`spec.uses_vagrant`).
        provider: "virtualbox" or "libvirt".
        templates: where to look for Vagrantfile.j2.
        emulated: the host's processor cannot virtualize; libvirt emulates one then.
        additions: vagrant-vbguest can install Guest Additions here.
        left: names of machines that left the lab and are there still. Vagrant looks at and destroys
            only what its file names; what they were made with, nobody knows any more.

    Raises:
        UsageError: the template is missing or wrong, with its file and line.
    """
    network = ipaddress.IPv4Network(spec.network)
    values = {
        "lab": spec.name,
        "provider": provider,
        "emulated": emulated,
        "box": {
            "name": spec.box.name,
            "version": spec.box.pinned_version,
            "url": spec.box.url,
            "sha256": spec.box.sha256,
        },
        "network": {
            "address": str(network.network_address),
            "prefix": network.prefixlen,
            "netmask": str(network.netmask),
        },
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "memory": node.memory,
                "cpus": node.cpus,
            }
            for node in (*spec.lab_nodes, *(_left(name, spec, network) for name in left))
        ],
        "folders": [
            {
                "host": folder.host,
                "guest": folder.guest,
                "type": (kind := folders.resolved(folder, spec, provider, additions=additions)),
                "options": folders.options(folder, kind),
            }
            for folder in spec.synced_folders
        ],
        "linked_clone": spec.linked_clone,
        "vbguest": spec.vbguest,
        "vbguest_commands": guestadditions.commands(spec.sources.vault),
        "dns_host_resolver": spec.dns_host_resolver,
        "boot_timeout": spec.boot_timeout,
    }
    return template("Vagrantfile.j2", templates, values)


def _left(name: str, spec: LabSpec, network: ipaddress.IPv4Network) -> Node:
    """Return a machine that left the lab, with values that Vagrant takes; it starts none of it."""
    return Node(name, str(network.broadcast_address - 1), spec.memory, spec.cpus)


def daemon_json(settings: Mapping[str, Any], templates: TemplateFolders) -> str:
    """Return the text of daemon.json, in the same bytes for the same settings.

    Parameters:
        settings: every key, registry mirrors included; see `labctl.daemon.merged`.
        templates: where to look for daemon.json.j2.

    Raises:
        UsageError: the template is missing or wrong, or what it makes is no daemon.json.
    """
    text = template("daemon.json.j2", templates, {"settings": dict(settings)})
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise UsageError(f"daemon.json.j2 does not make JSON: {error}", details=text) from error
    if not isinstance(parsed, dict):
        raise UsageError("daemon.json.j2 does not make a JSON object", details=text)
    for problem in daemon.file_problems(parsed):
        message = f"daemon.json.j2 makes a wrong {problem.where}: {problem.message}"
        raise UsageError(message, hint=problem.hint, details=text)
    return daemon.canonical(parsed)


def ruby_literal(value: object) -> str:
    """Return `value` as a Ruby literal that evaluates to it and to nothing else.

    Parameters:
        value: text, whole number, bool, None, or lists and mappings of these.

    Raises:
        TypeError: a value of another type, for which there is no literal.
        ValueError: a text that no UTF-8 file can hold.
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return '"' + "".join(map(_ruby_character, value)) + '"'
    if isinstance(value, Mapping):
        pairs = (f"{ruby_literal(key)} => {ruby_literal(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(ruby_literal, value)) + "]"
    raise TypeError(f"there is no Ruby literal for {type(value).__name__}")


def _ruby_character(character: str) -> str:
    """Return a character as it stands between double quotes in Ruby."""
    if character in _RUBY_ESCAPES:
        return _RUBY_ESCAPES[character]
    # '#' begins an interpolation before '{', '$' and '@'. Escaping it everywhere is simpler to
    # believe than looking ahead.
    if character == "#":
        return r"\#"
    if "\ud800" <= character <= "\udfff":
        raise ValueError("a lone surrogate cannot be written to a file")
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _ruby_filter(value: object) -> str:
    return ruby_literal(_defined(value))


def _json_filter(value: object) -> str:
    return daemon.canonical(_defined(value)).rstrip("\n")


def _sha256_filter(value: object) -> str:
    """Return the digest of a text as a Content-Security-Policy names it."""
    digest = hashlib.sha256(str(_defined(value)).encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _defined(value: object) -> object:
    """Return `value`; a filter may be given an undefined one, which raises when it is looked at."""
    if isinstance(value, StrictUndefined):
        str(value)
    return value


def template(
    name: str, templates: TemplateFolders, values: Mapping[str, Any], *, html: bool = False
) -> str:
    """Return what the first template called `name` makes of `values`.

    Parameters:
        name: file name of the template, such as ``daemon.json.j2``.
        templates: folders to look in, in order.
        values: the names that the template may use.
        html: it makes HTML: every value is escaped.

    Raises:
        UsageError: the template is missing or wrong, with its file and line.
    """
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(templates, encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\n",
    )
    environment.filters["ruby"] = _ruby_filter
    environment.filters["json"] = _json_filter
    environment.filters["sha256"] = _sha256_filter
    try:
        return environment.get_template(name).render(values)
    except TemplateNotFound as error:
        folders = ", ".join(map(str, templates)) or "no folder"
        raise UsageError(f"there is no template {error.name}", details=folders) from error
    except JinjaSyntaxError as error:
        place = f"{error.filename or name}:{error.lineno}"
        raise UsageError(f"{place}: {error.message}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: the template is not UTF-8") from error
    # What a template does wrong while it runs: undefined names, forbidden attributes, and whatever
    # its expressions raise.
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        message = f"{_place(error, templates) or name}: {error or type(error).__name__}"
        raise UsageError(message) from error


def _place(error: BaseException, templates: TemplateFolders) -> str:
    """Return "file:line" of the template's line that `error` comes from, or an empty text.

    Jinja rewrites tracebacks so that frames of a template carry its file and line.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(Path(frame.filename).is_relative_to(folder) for folder in templates):
            return f"{frame.filename}:{frame.lineno}"
    return ""
