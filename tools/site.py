"""Hook of mkdocs: the pages of the documentation that are generated from the code.

`lab-yaml.md` comes from the JSON Schema of lab.yaml, `commands.md` from the help of each command.
The marks ``<!-- generated: NAME -->`` in other pages become tables of what the code defines.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/labctl/labctl/blob/main"
FROM_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the repository's root, where GitHub's users look for them."""

_MARK = re.compile(r"<!-- generated: (\w+) -->")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation."""
    pages = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    (development,) = (part["Development"] for part in config.nav or () if "Development" in part)
    development[-1] = {"Decisions": [f"adr/{name}" for name in [pages.pop(), *pages]]}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/, and the schema of `--json`."""
    from labctl.cli.output.records import json_schema

    pages = {"lab-yaml.md": lab_yaml(schema()), "commands.md": commands()}
    pages["events.schema.json"] = json.dumps(json_schema(), indent=2)
    for name, page in FROM_ROOT.items():
        pages[page] = from_root((ROOT / name).read_text("utf-8"))
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put tables in place of the marks."""
    tables = {"resources": resources, "events": events, "results": results}
    return _MARK.sub(lambda mark: tables[mark[1]](), markdown)


def from_root(text: str) -> str:
    """Return a page of the repository's root with its links as the site needs them."""

    def moved(link: re.Match[str]) -> str:
        target = link[1]
        if target.startswith("docs/"):
            return f"]({target.removeprefix('docs/')})"
        return f"]({REPOSITORY}/{target})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", moved, text)


# -- lab.yaml


@dataclass(frozen=True)
class Key:
    """A key that lab.yaml may have; `path` is as people write it, such as ``nodes[].memory``."""

    path: str
    kind: str
    default: str
    description: str
    example: Any


def schema() -> dict[str, Any]:
    """Return the JSON Schema of lab.yaml, with the keys of playbooks after all others."""
    from labctl.config.model import LabSpec
    from labctl.config.schema import json_schema

    found = json_schema()
    places = found["properties"]
    fields = [*inspect.get_annotations(LabSpec), *LabSpec.model_fields]
    own = [name for name in dict.fromkeys(fields) if name in places]
    found["properties"] = {name: places[name] for name in (*own, *places)}
    return found


def keys(root: dict[str, Any]) -> Iterator[Key]:
    """Yield every key of a lab.yaml schema, each mapping before its own keys."""
    yield from _keys(root, root, "")


def _keys(root: dict[str, Any], model: dict[str, Any], before: str) -> Iterator[Key]:
    for name, place in model["properties"].items():
        path = f"{before}{name}"
        required = name in model.get("required", ())
        yield Key(
            path,
            _kind(root, place),
            "required" if required else _default(place),
            place.get("description", ""),
            next(iter(place.get("examples", ())), None),
        )
        inner, listed = _mapping(root, place)
        if path.startswith("nodes[].") and name in root["properties"]:
            continue  # explained with the lab's key of that name
        if inner:
            yield from _keys(root, inner, f"{path}[]." if listed else f"{path}.")


def _branches(place: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in place.get("anyOf", place.get("oneOf", [place])) if part != _NULL]


_NULL = {"type": "null"}


def _mapping(root: dict[str, Any], place: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Return the model in a place, and True if it belongs to the items of a list."""
    for part in _branches(place):
        listed = part.get("type") == "array"
        target = part["items"] if listed else part
        if "$ref" in target:
            return root["$defs"][target["$ref"].rpartition("/")[2]], listed
    return None, False


def _kind(root: dict[str, Any], place: dict[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_one_kind(root, part) for part in _branches(place)))


def _one_kind(root: dict[str, Any], part: dict[str, Any]) -> str:
    if "$ref" in part:
        return "mapping"
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    match part.get("type"):
        case "integer" if "minimum" in part:
            return f"number, {part['minimum']} to {part['maximum']}"
        case "integer":
            return "number"
        case "boolean":
            return "`true` or `false`"
        case "array":
            return f"list of {_kind(root, part['items'])}s"
        case "object":
            return "mapping"
    return {"ipv4": "IPv4 address"}.get(part.get("format", ""), "text")


def _default(place: dict[str, Any]) -> str:
    """Return the default as code; empty if there is none, or if the description explains it."""
    default = place.get("default")
    explained = "Default:" in place.get("description", "")
    return "" if explained or default is None or default == {} else f"`{_flow(default)}`"


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        value = [value]
        return _flow(value)[1:-1]
    yaml = YAML(typ="safe")
    yaml.default_flow_style, yaml.width = True, 10_000
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue().removesuffix("\n").removesuffix("\n...").strip()


def lab_yaml(root: dict[str, Any]) -> str:
    """Return the page on lab.yaml."""
    lines = [
        "# lab.yaml",
        "",
        "Every key of lab.yaml. The file is optional, every key has a default, and flags override",
        "it. `labctl init` writes a commented file to start from. `labctl schema` prints the JSON",
        "Schema, from which this page is generated; editors use it to complete and check the file.",
        "",
    ]
    inner: list[Key] = []
    for key in [*keys(root), None]:
        if key is not None and re.search(r"[.\[]", key.path):
            inner.append(key)
            continue
        if inner:
            lines += [
                "| key | type | default | meaning | example |",
                "| --- | --- | --- | --- | --- |",
            ]
            lines += [_row(one) for one in inner]
            lines.append("")
            inner = []
        if key is not None:
            about = f"Type: {key.kind}." + (f" Default: {key.default}." if key.default else "")
            lines += [f"## `{key.path}` {{ #{key.path} }}", "", key.description, "", about, ""]
            lines += ["```yaml", f"{key.path}: {_flow(key.example)}", "```", ""]
    return "\n".join(lines)


def _row(key: Key) -> str:
    example = "" if key.example is None else f"`{_flow(key.example)}`"
    cells = (f"`{key.path}`", key.kind, key.default, key.description, example)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


# -- commands


def commands() -> str:
    """Return the page on the commands, from their own help."""
    from labctl.cli.groups import PANELS
    from labctl.cli.main import build

    root: Any = typer.main.get_command(build())
    context = root.make_context("labctl", [], resilient_parsing=True)
    lines = ["# Commands", "", "This page is generated from `labctl COMMAND --help`.", ""]
    lines += ["## Options of every command", "", "| option | meaning |", "| --- | --- |"]
    common = [param for param in root.get_params(context) if param.name in COMMON]
    lines += [*(_option(one, context) for one in common), ""]
    for title, names in PANELS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _command(root.get_command(context, name), f"labctl {name}", context, 3)
    return "\n".join(lines)


def _command(command: Any, path: str, parent: Any, level: int) -> list[str]:
    context = command.context_class(command, info_name=path.rpartition(" ")[2], parent=parent)
    lines = [f"{'#' * level} `{path}`", "", _help(command.help or ""), ""]
    if hasattr(command, "commands"):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            lines += _command(inner, f"{path} {name}", context, level + 1)
        return lines
    lines += ["```text", command.get_usage(context), "```", ""]
    params = [param for param in command.get_params(context) if param.name not in COMMON]
    rows = [_option(param, context) for param in params]
    if any(rows):
        lines += ["| option or argument | meaning |", "| --- | --- |", *filter(None, rows), ""]
    return lines


COMMON = ("as_json", "lab", "verbose", "help")
"""Options that every command takes; they are explained once."""


def _option(parameter: Any, context: Any) -> str:
    """Return the row of a parameter; empty for a hidden one."""
    record = parameter.get_help_record(context)
    names, text = (cell.replace("|", "&#124;") for cell in record or ("", ""))
    return f"| `{names}` | {text} |" if record else ""


def _help(text: str) -> str:
    """Return a command's help as Markdown: its examples are paragraphs that start with "labctl"."""
    parts = [" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n")]
    lines: list[str] = []
    for part in parts:
        example = part.startswith("labctl ")
        if example and lines and lines[-1] == "```":
            lines[-1:] = [part, "```"]
        elif example:
            lines += ["", "```sh", part, "```"]
        else:
            lines += ["", part]
    return "\n".join(lines).strip()


# -- tables


def resources() -> str:
    """Return a table of the resources that a playbook may yield."""
    from labctl import playbook

    found = [(name, getattr(playbook, name)) for name in playbook.__all__]
    rows = [
        f"| `{name}` | {', '.join(f'`{f}`' for f in _fields(value))} | {_first(value)} |"
        for name, value in found
        if hasattr(value, "probe") and hasattr(value, "plan") and value is not playbook.Resource
    ]
    return "\n".join(["| resource | arguments | what it ensures |", "| --- | --- | --- |", *rows])


def events() -> str:
    """Return a table of the events that `--json` prints."""
    from typing import get_args

    from labctl.events import Event

    rows = [
        f"| `{kind.__name__}` | {', '.join(f'`{f}`' for f in _fields(kind))} | {_first(kind)} |"
        for kind in get_args(Event)
    ]
    return "\n".join(["| event | fields | when |", "| --- | --- | --- |", *rows])


def results() -> str:
    """Return a table of the results that `--json` prints."""
    from labctl.cli.output import records

    rows = [
        f"| `{event}` | {', '.join(f'`{name}`' for name in fields)} | {about} |"
        for event, about, fields in records.results()
    ]
    return "\n".join(["| event | fields | what |", "| --- | --- | --- |", *rows])


def _fields(kind: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(kind) if not f.name.startswith("_")]


def _first(kind: Any) -> str:
    """Return the first paragraph of a docstring, in one line, with its code marked for Markdown."""
    paragraph = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    return paragraph.replace("``", "`").replace("|", "&#124;")
