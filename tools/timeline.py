"""Processor seconds of a command: by world of the testbed, program and test.

    python -m tools.timeline --svg timeline.svg -- make test

It samples every process and its parent once a second. A process counts for the world that it runs
in, or for the step of `make test` that started it. A program that ended between two samples counts
for its parent, because the kernel adds its time there. The column "others" has the time of all
other programs of the computer, so a run on a busy computer is recognizable.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.testbed import state

Key = TypeVar("Key")
_TICK = os.sysconf("SC_CLK_TCK")
_PROGRAMS = {
    "emulation": "qemu-system",
    "engine": "dockerd docker-proxy containerd runc docker exe etcd",
    "yum": "yum dnf rpm platform-python gpg",
    "vagrant": "ruby vagrant",
    "libvirt": "libvirtd virsh dnsmasq",
    "compose": "docker-compose",
    "ssh": "ssh sshd ssh-keyscan ssh-keygen sudo rsync scp",
    "node": "systemd",
    "registry": "docker-registry registry",
    "building": "mmdebstrap dpkg apt apt-get tar zstd rpmbuild rpmsign createrepo_c skopeo pip "
    "qemu-img mke2fs mkfs.ext4",
    "browser": "chromium chromedriver chrome",
}
_PYTHON = (
    ("vbox", "VBoxManage"),
    ("testbed", "tests.testbed"),
    ("pytest", "pytest"),
    ("labctl", "labctl"),
)
_STEP = re.compile(
    r"tests/(unit|integration|attacks|differential)\b"
    r"|tests[.]testbed --world ([a-z0-9-]+)"
    r"|tests[.]testbed (install|build)\b"
)
_TEST = re.compile(r"PYTEST_CURRENT_TEST=\S*?/(\S+::.*?) \((?:setup|call|teardown)\)\x00")
_COLOURS = tuple(
    f"#{colour}"
    for colour in (
        *("4e79a7", "f28e2b", "e15759", "76b7b2", "59a14f", "edc948", "b07aa1", "ff9da7"),
        *("9c755f", "bab0ac", "86bcb6", "d37295", "499894", "8cd17d", "b6992d", "a0cbe8"),
    )
)


@dataclass
class Process:
    """A sample of a process: its own seconds, and those of its children that ended."""

    name: str
    parent: int
    own: float
    children: float


@dataclass
class Known:
    """Constant properties of a process: its program, its step, the test that started it."""

    kind: str
    step: str
    test: str


def _zeros() -> dict[tuple[str, str], float]:
    return defaultdict(float)


@dataclass
class Timeline:
    """Processor seconds by second of the run, place and kind; and by place and test."""

    seconds: list[dict[tuple[str, str], float]] = field(default_factory=list)
    tests: dict[tuple[str, str], float] = field(default_factory=_zeros)
    wall: dict[tuple[str, str], float] = field(default_factory=_zeros)
    idle: float = 0.0
    others: float = 0.0


class Watch:
    """Samples the processes of a command and of the worlds that started meanwhile."""

    def __init__(self, root: int) -> None:
        """Watch the process `root` and its descendants."""
        self.root = root
        self.timeline = Timeline()
        self._before: dict[tuple[int, str], Process] = {}
        self._known: dict[tuple[int, str, str], Known] = {}
        self._worlds_before = set(_worlds())
        self._test: dict[str, str] = {}
        self._machine = _machine()

    def look(self) -> None:
        """Count the time used since the last sample."""
        worlds = {pid: name for pid, name in _worlds().items() if pid not in self._worlds_before}
        now = dict(_processes())
        starts = dict(list(now))
        places: dict[int, str | None] = {}

        def place(pid: int) -> str | None:
            if pid not in places:
                places[pid] = None  # prevents endless recursion
                if pid in worlds:
                    places[pid] = worlds[pid]
                elif pid in starts:
                    known = self._know(pid, starts[pid], now[pid, starts[pid]].name)
                    above = place(now[pid, starts[pid]].parent)
                    if pid == self.root:
                        above = "make"
                    places[pid] = known.step if above == "make" and known.step else above
            return places[pid]

        second = _zeros()
        gone = self._gone(now)
        seen: set[str] = set()
        for (pid, start), process in now.items():
            where = place(pid)
            if where is None:
                continue
            known = self._know(pid, start, process.name)
            if known.test and (pid, start) not in self._before:
                self._test[where] = known.test
            before = self._before.get((pid, start), Process("", 0, 0.0, 0.0))
            # Children that were seen before are counted already, up to what was seen of them.
            used = process.own - before.own
            used += max(0.0, process.children - before.children - gone[pid])
            seen.add(where)
            second[where, known.kind] += used
            self.timeline.tests[where, self._test.get(where, "")] += used
        for where in seen:
            self.timeline.wall[where, self._test.get(where, "")] += 1
        busy, idle = _machine()
        self.timeline.idle += idle - self._machine[1]
        self.timeline.others += busy - self._machine[0] - sum(second.values())
        self._machine = busy, idle
        self.timeline.seconds.append(second)
        self._before = now

    def _gone(self, now: dict[tuple[int, str], Process]) -> dict[int, float]:
        """Return the time counted for ended processes, by their nearest living ancestor.

        It is now part of the children's seconds of that ancestor or of its parent.
        """
        before = {pid: (start, process) for (pid, start), process in self._before.items()}
        sums: dict[int, float] = defaultdict(float)
        for (pid, start), process in self._before.items():
            if (pid, start) in now:
                continue
            above = process.parent
            while above in before and (above, before[above][0]) not in now:
                above = before[above][1].parent
            sums[above] += process.own + process.children
        return sums

    def _know(self, pid: int, start: str, name: str) -> Known:
        key = (pid, start, name)
        if key not in self._known:
            line = _read(pid, "cmdline").replace("\0", " ")
            step = _STEP.search(line)
            test = _TEST.search(_read(pid, "environ"))
            self._known[key] = Known(
                _kind(name, line),
                next((part for part in step.groups() if part), "") if step else "",
                test[1] if test else "",
            )
        return self._known[key]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def _kind(name: str, line: str) -> str:
    if name.startswith(("python", "pytest", "labctl", "VBoxManage")):
        return next((kind for kind, word in _PYTHON if word in line), "python")
    for kind, names in _PROGRAMS.items():
        if any(name == one or (len(one) > 5 and name.startswith(one)) for one in names.split()):
            return kind
    return "shell"


def _processes() -> Iterator[tuple[tuple[int, str], Process]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        stat = _read(pid, "stat")
        if not stat:
            continue
        head, _, tail = stat.rpartition(")")
        fields = tail.split()
        own, children = (sum(map(int, fields[at : at + 2])) / _TICK for at in (11, 13))
        name = head.partition("(")[2]
        yield (pid, fields[19]), Process(name, int(fields[1]), own, children)


def _worlds() -> dict[int, str]:
    """Return the worlds by the process ids of their guardians."""
    found = {}
    for file in state.ROOT.glob("*/processes.json"):
        try:
            found[int(json.loads(file.read_text())["guardian"]["pid"])] = file.parent.name
        except (OSError, ValueError, KeyError):
            continue
    return found


def _machine() -> tuple[float, float]:
    """Return the busy and idle seconds of all processors."""
    numbers = [
        int(word) / _TICK for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    ]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, idle


def report(timeline: Timeline) -> str:
    """Return the tables: places by kind of program, and the most expensive tests."""
    total = _zeros()
    for second in timeline.seconds:
        for key, used in second.items():
            total[key] += used
    places = _summed((where, used) for (where, _), used in total.items())
    kinds = _summed((kind, used) for (_, kind), used in total.items())
    wall = dict(_summed((where, seconds) for (where, _), seconds in timeline.wall.items()))
    columns = [kind for kind, used in kinds if used >= 1]
    rows = [["processor seconds", "wall", "all", *columns]]
    for where, used in places:
        cells = (total.get((where, kind), 0.0) for kind in columns)
        rows.append([where, *map(_rounded, (wall[where], used, *cells))])
    whole = (len(timeline.seconds), sum(total.values()), *(dict(kinds)[kind] for kind in columns))
    rows.append(["all", *map(_rounded, whole)])
    text = _table(rows)
    text += f"\nidle {timeline.idle:.0f}, others {timeline.others:.0f}\n\n"
    rows = [["world: test", "wall", "processor seconds"]]
    for (where, test), used in _summed(timeline.tests.items())[:50]:
        if test and used >= 1:
            name = f"{where}: {test.rpartition('::')[2]}"
            rows.append([name, _rounded(timeline.wall[where, test]), _rounded(used)])
    return text + _table(rows)


def _summed(parts: Iterable[tuple[Key, float]]) -> list[tuple[Key, float]]:
    """Return the sum for each key, the largest first."""
    sums: dict[Key, float] = defaultdict(float)
    for key, used in parts:
        sums[key] += used
    return sorted(sums.items(), key=lambda item: -item[1])


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 0.5 else ""


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        + "\n"
        for row in rows
    )


def svg(timeline: Timeline) -> str:
    """Return a strip for each place in order of their start; the height is processors in use."""
    kinds = _summed(
        (kind, used) for second in timeline.seconds for (_, kind), used in second.items()
    )
    colour = {kind: _COLOURS[at % len(_COLOURS)] for at, (kind, _) in enumerate(kinds)}
    began = list(dict.fromkeys(where for second in timeline.seconds for where, _ in second))
    step = max(1, len(timeline.seconds) // 300)
    left, high, wide = 150, 44, 3
    columns = -(-len(timeline.seconds) // step)
    parts = []
    for row, where in enumerate(began):
        base = 40 + (row + 1) * (high + 8)
        parts.append(f'<text x="4" y="{base - 4}">{html.escape(where)}</text>')
        parts.append(f'<path d="M{left} {base}h{columns * wide}" stroke="#999"/>')
        for column in range(columns):
            some = timeline.seconds[column * step : (column + 1) * step]
            used: dict[str, float] = defaultdict(float)
            for second in some:
                for (place, kind), amount in second.items():
                    used[kind] += amount / len(some) if place == where else 0
            y = float(base)
            for kind, shade in colour.items():
                height = used[kind] * high / (os.cpu_count() or 1)
                if height < 0.3:
                    continue
                y -= height
                parts.append(
                    f'<rect x="{left + column * wide}" y="{y:.1f}" width="{wide}" '
                    f'height="{height:.1f}" fill="{shade}"/>'
                )
    x = 4.0
    for kind, shade in colour.items():
        parts.append(f'<rect x="{x}" y="6" width="10" height="10" fill="{shade}"/>')
        parts.append(f'<text x="{x + 14}" y="15">{kind}</text>')
        x += 24 + 7 * len(kind)
    bottom = 40 + len(began) * (high + 8)
    for minute in range(0, len(timeline.seconds) // 60 + 1, 2):
        at = left + minute * 60 / step * wide
        parts.append(f'<text x="{at:.0f}" y="{bottom + 16}">{minute} min</text>')
    width = max(left + columns * wide + 60, x)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 24}" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>\n'
    )


def main() -> int:
    """Run the command, print its report, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.timeline", description=__doc__)
    parser.add_argument("--svg", type=Path, help="draw the timeline into this file")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    with subprocess.Popen(arguments.command) as process:
        watch = Watch(process.pid)
        try:
            due = time.monotonic()
            while process.poll() is None:
                due += 1
                time.sleep(max(0.0, due - time.monotonic()))
                watch.look()
        except KeyboardInterrupt:
            process.wait()
    sys.stderr.write("\n" + report(watch.timeline))
    if arguments.svg:
        arguments.svg.write_text(svg(watch.timeline))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
