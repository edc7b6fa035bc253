"""The proof that a contender did its work: the node's end state, looked at by plain shell.

And the proof that it looked at everything when it changed nothing: before it is measured, each
contender meets nodes on which everything is wrong, and has to repair it all.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from benchmarks.errors import BenchError
from benchmarks.work import Work


class Looked(Protocol):
    """A machine that a witness checks."""

    @property
    def name(self) -> str: ...

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]: ...


_FINGERPRINT = (
    "gpg --homedir $(mktemp -d) --batch --with-colons --with-fingerprint {path} 2>/dev/null"
    " | grep -m1 ^fpr | cut -d: -f10"
)


class Witness:
    """Checks the wanted state of a node.

    Parameters:
        work: what it should be.
        older: a release of docker-ce, older than the wanted one, to drift to; empty: none.
    """

    def __init__(self, work: Work, older: str = "") -> None:
        self._questions: list[tuple[str, str]] = []  # a command, and what it must print
        self._drifts: list[str] = []
        for key in work.keys:
            path = shlex.quote(key["path"])
            self._ask(_FINGERPRINT.format(path=path), key["fingerprint"], f"rm -f {path}")
        for file in (*work.files, *([work.engine] if work.engine else [])):
            path = shlex.quote(file["path"])
            digest = hashlib.sha256(file["content"].encode()).hexdigest()
            self._ask(
                f"stat -c '%04a %U:%G' {path}; sha256sum <{path}",
                f"{file['mode']} root:root\n{digest}  -",
                f"echo '# edited' >>{path}; chmod 0600 {path}",
            )
        for block in work.blocks:
            path = shlex.quote(block["path"])
            whole = f"sed -n {shlex.quote(f'/^{block_mark(block)}: begin/,/: end$/p')} {path}"
            if block["lines"]:
                wanted = "\n".join((block["begin"], *block["lines"], block["end"]))
                drift = f"sed -i {shlex.quote(f'/^{block_line(block)}$/d')} {path}"
            else:
                wanted = ""
                marks = f"{shlex.quote(block['begin'])} {shlex.quote(block['end'])}"
                drift = f"printf '%s\\n' {marks} >>{path}"
            self._ask(whole, wanted, drift)
        for package in work.packages:
            name = shlex.quote(package["name"])
            if package["version"]:
                self._ask(f"rpm -q --qf '%{{VERSION}}-%{{RELEASE}}' {name}", package["version"])
            else:
                self._ask(f"rpm -q {name} >/dev/null && echo there", "there")
        for service in work.services:
            unit = shlex.quote(service)
            self._ask(
                f"systemctl is-enabled {unit}; systemctl is-active {unit}",
                "enabled\nactive",
                f"systemctl disable --quiet {unit}; systemctl stop {unit}.socket {unit}",
            )
        for member in work.members:
            user, group = shlex.quote(member["user"]), shlex.quote(member["group"])
            self._ask(
                f"id -nG {user} | tr ' ' '\\n' | grep -Fx {group}",
                member["group"],
                f"gpasswd -d {user} {group}",
            )
        for download in work.downloads:
            path = shlex.quote(download["path"])
            self._ask(
                f"stat -c %04a {path}; sha256sum <{path}",
                f"{download['mode']}\n{download['sha256']}  -",
                f"echo >>{path}",
            )
        for link in work.links:
            path = shlex.quote(link["path"])
            self._ask(f"readlink {path}", link["target"], f"rm -f {path}")
        # The packages first: it takes working repositories to go back to an older release.
        if older:
            self._drifts.insert(0, f"yum -y -q downgrade docker-ce-{older}")

    def _ask(self, command: str, wanted: str, drift: str = "") -> None:
        self._questions.append((command, wanted))
        if drift:
            self._drifts.append(drift)

    def wrong(self, node: Looked) -> list[str]:
        """Return what is not as it should be on a node."""
        script = "".join(
            f"{{ {command}\n}} 2>/dev/null; printf '\\036'\n" for command, _ in self._questions
        )
        seen = node.sh(script, check=False).stdout.split("\x1e")[:-1]
        if len(seen) != len(self._questions):
            raise BenchError(f"{node.name} did not answer its witness")
        return [
            f"{command}\n  printed {found.strip()!r}, and should {wanted!r}"
            for (command, wanted), found in zip(self._questions, seen, strict=True)
            if found.strip() != wanted
        ]

    def testify(self, nodes: Sequence[Looked]) -> None:
        """Raise BenchError unless every node is as it should be."""
        with ThreadPoolExecutor(len(nodes)) as pool:
            found = list(pool.map(self.wrong, nodes))
        for node, wrong in zip(nodes, found, strict=True):
            if wrong:
                raise BenchError(f"{node.name} is not as it should be:\n" + "\n".join(wrong))

    def spoil(self, nodes: Sequence[Looked]) -> None:
        """Make every single thing wrong, on every node.

        Raises:
            BenchError: something is still right; then its repair would prove nothing.
        """
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(self._spoil, nodes))

    def _spoil(self, node: Looked) -> None:
        done = node.sh("\n".join(("exec 2>&1", *self._drifts)), check=False)
        wrong = self.wrong(node)
        if len(wrong) < len(self._drifts):
            raise BenchError(
                f"only {len(wrong)} of {len(self._drifts)} drifts took on {node.name}:\n"
                + "\n".join(wrong)
                + done.stdout[-2000:]
            )


def block_mark(block: dict[str, object]) -> str:
    """Return how the marks of a block begin."""
    return str(block["begin"]).partition(":")[0]


def block_line(block: dict[str, list[str]]) -> str:
    """Return the last line of a block, as a pattern of sed."""
    return block["lines"][-1].replace(".", "[.]")
