"""Failed checks in plain words: one line for each cause, with the nodes and the command to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.cli.i18n.locale import _
from labctl.cli.output.grouping import NodeMessage, grouped, wrapped
from labctl.cli.output.terminal import printable, say, screen_width
from labctl.cli.output.text_width import fill

if TYPE_CHECKING:
    from labctl.checks.report import Check, NodeReport

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class _Line:
    """A problem on a node."""

    node: str
    text: str
    fix: str
    checks: int


def print_failures(reports: Iterable[NodeReport], *, verbose: bool = False) -> None:
    """Print what is wrong on each node, why, and the command that fixes it.

    Checks that one cause breaks share a line, and so do nodes with the same problem.

    Parameters:
        reports: of the nodes.
        verbose: print the failed checks and pytest's words too.
    """
    found = [line for report in reports for line in _lines(report)]
    by_key: dict[tuple[str, str], _Line] = {(line.node, line.text): line for line in found}
    messages = [NodeMessage(line.node, line.text, (line.fix,)) for line in found]
    if found:
        say()
    for group in grouped(messages):
        heads: dict[str, list[_Line]] = {}
        for one in group:
            heads.setdefault(one.head, []).append(by_key[one.node, one.head])
        for lines in heads.values():
            _print(lines)
    if verbose:
        for report in reports:
            for check in report.failed:
                _print_check(report.node, check)


def _lines(report: NodeReport) -> list[_Line]:
    """Return the lines of a node, in the order in which its checks failed."""
    texts = [(printable(_(check.explanation)), check.fix) for check in report.failed]
    counts = Counter(texts)
    return [_Line(report.node, text, fix, counts[text, fix]) for text, fix in dict.fromkeys(texts)]


def _print(lines: Sequence[_Line]) -> None:
    """Print a problem that several nodes have with the same words."""
    nodes = [line.node for line in lines]
    first = lines[0]
    text = f"{', '.join(nodes)}{_(': ')}{first.text}"
    most = max(line.checks for line in lines)
    if most > 1:
        text += _(" ({count} checks)", count=most)
    text += _(".")
    if first.fix:
        fix = first.fix
        if len(nodes) > 1 and nodes[0] in fix:
            run = _("Run `{command}` for each of them.", command=fix.replace(nodes[0], "NODE"))
        else:
            run = _("Run `{command}`.", command=fix)
        text += run if text.endswith("。") else f" {run}"
    columns = screen_width()
    say(text if columns is None else fill(text, columns, others=_INDENT), fg="red")


def _print_check(node: str, check: Check) -> None:
    title = f"{check.section}: {_(check.title)}: {_(check.outcome.words)}"
    say(f"\n{node}: {title}")
    if check.name:
        say(_("  in {check}", check=check.name))
    for line in _(check.details).splitlines():
        say(f"  | {printable(line)}")


def print_skipped(reports: Sequence[NodeReport]) -> None:
    """Print the checks that do not apply and why. Nodes with the same reason share a line."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for report in reports:
        for check in report.skipped:
            key = (check.section, check.title, check.message)
            seen.setdefault(key, []).append(report.node)
    if seen:
        say("\n" + _("not applicable:"))
    columns = screen_width()
    for (section, title, message), nodes in seen.items():
        where = "" if len(nodes) == len(reports) else f" ({', '.join(nodes)})"
        head = f"  {section}{_(': ')}{printable(_(title))}"
        text = f"{head}{where}{_(': ')}{printable(_(message))}"
        say(wrapped(text, columns))
