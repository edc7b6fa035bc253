"""The contract of every resource, in a real sh: probe, plan, script, probe, nothing left to do.

The shell here treats a script as `labctl.remote.connection` has a node's shell treat it, byte for
byte, on this machine and in a temporary folder. What systemd, yum and the user database would do is
done by small scripts of this file, first on PATH, that keep their state in files.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ChangeFailed, DidNotConverge, ProtocolError
from labctl.playbook import (
    Absent,
    Block,
    Command,
    DaemonJson,
    Directory,
    Download,
    File,
    FileContent,
    Folder,
    GroupMember,
    Link,
    LoadedBy,
    Package,
    Packages,
    RepositorySection,
    Service,
    SigningKey,
    SupportedDaemonKeys,
    repository_file,
)
from labctl.provision.converge import Outcome, converge
from labctl.provision.facts import PROBE, Facts
from labctl.provision.resources.base import Change, Resource, quote
from labctl.remote.exchange import Observed, exchange
from labctl.remote.shell import LOOP
from tests.unit.fakes import planner, playbook

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the scripts are for Linux, with GNU's stat"
)


def _shells() -> list[str]:
    """Return the shells that there are, each once: sh is often dash by another name."""
    found = {name: shutil.which(name) for name in ("sh", "bash", "dash", "busybox")}
    places = {os.path.realpath(path): name for name, path in reversed(found.items()) if path}
    return sorted(places.values())


def _me() -> str:
    """Return the owner and the group that a new file has."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        return f"{path.owner()}:{path.group()}"


SHELLS = _shells()
ME = _me() if os.name == "posix" else ""
HOSTILE = ["it's", 'say "no"', "$(touch canary) `touch canary`", "two\nlines", "; touch canary #"]


@dataclass
class LocalShell:
    """A shell on this machine. It is fed as `labctl.remote.connection` feeds a node's."""

    folder: Path
    program: str = "sh"
    name: str = "here"
    exchanges: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, script: str) -> bytes:
        self.exchanges += 1
        words = [self.program, "sh"] if self.program == "busybox" else [self.program]
        text = script.encode("utf-8", "surrogateescape")
        done = subprocess.run(
            [*words, "-c", LOOP],
            input=b'eval "$(head -c %d)" </dev/null\n' % len(text) + text,
            capture_output=True,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            timeout=60,
            check=False,
        )
        return done.stdout

    def apply(self, *resources: Resource, check: bool = False) -> Outcome:
        facts = Facts.read(exchange(self, [PROBE])[0])
        return converge(
            self,
            [playbook("test", resources)],
            planner(),
            emit=lambda _: None,
            facts=facts,
            check=check,
        )


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> LocalShell:
    return LocalShell(tmp_path, request.param)


@pytest.fixture
def here(tmp_path: Path) -> LocalShell:
    return LocalShell(tmp_path)


def settles(shell: LocalShell, *resources: Resource) -> Outcome:
    """Apply resources that all need a change: it takes one exchange each, and then none is left."""
    looked = shell.apply(*resources, check=True)
    assert [c.resource for c in looked.changes] == [resource.id for resource in resources]
    outcome = shell.apply(*resources)
    assert outcome.changes == looked.changes
    assert outcome.exchanges == 1 + len(resources)
    again = shell.apply(*resources)
    assert (again.changes, again.exchanges) == ((), 1)
    return outcome


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def file(path: Path, content: str, **options: Any) -> File:
    return File(str(path), content, owner=ME, **options)


# -- the wire


def test_snippets_are_kept_apart(shell: LocalShell) -> None:
    snippets = [
        "cd /; X=1; export X; set -eu",
        'echo "$PWD ${X-unset}"; false; echo on',
        "exit 3",
        "if true; then",
        ") ; echo out; (",
        "printf 'no end'",
        "printf '\\351\\000\\377'",
        "cat",
        "echo to stderr >&2",
        "false",
        "",
        "trap 'echo trapped' EXIT",
        "kill -KILL $(exec sh -c 'echo $PPID')",
    ]
    seen = exchange(shell, snippets)
    assert [o.exit_code == 0 for o in seen] == [
        *(True, True, False, False, False, True, True, True, True, False, True, True, False)
    ]
    assert seen[1].output == f"{shell.folder} unset\non\n"
    assert seen[2].exit_code == 3
    assert seen[5].output == "no end"
    assert seen[6].output.encode("utf-8", "surrogateescape") == b"\xe9\0\xff"
    assert (seen[7].output, seen[8].output) == ("", "to stderr\n")
    assert seen[11].output == "trapped\n"


@pytest.mark.parametrize("shut", ["false", "exit 3", "set -e; false; true", "if true; then"])
def test_behind_a_gate_that_is_shut_nothing_runs(shell: LocalShell, shut: str) -> None:
    (seen,) = exchange(shell, [shut, "touch canary", "touch canary"], gate=True)
    assert not seen.ok
    assert names(shell.folder) == []


def test_behind_a_gate_that_is_open_all_is_run(shell: LocalShell) -> None:
    seen = exchange(shell, ["echo open", "exit 3", "echo on"], gate=True)
    assert [(o.exit_code, o.output) for o in seen] == [(0, "open\n"), (3, ""), (0, "on\n")]


def test_a_large_script_goes_through(shell: LocalShell) -> None:
    """Longer than any argument of a program may be."""
    text = "0123456789abcde\n" * 200_000
    (seen,) = exchange(shell, [f"printf %s '{text}' | cksum; printf %s '{text}' | wc -c"])
    assert seen.output.split()[-1] == str(len(text))


def test_facts_of_this_machine(shell: LocalShell) -> None:
    facts = Facts.read(exchange(shell, [PROBE])[0])
    assert facts.architecture == os.uname().machine
    assert facts.machine_id
    assert facts.machine_id != facts.architecture


def test_facts_keep_their_places_without_a_machine_id(here: LocalShell) -> None:
    """Images are shipped with an empty one."""
    empty = here.folder / "machine-id"
    empty.touch()
    for path in (str(empty), "/nonexistent"):
        (seen,) = exchange(here, [PROBE.replace("/etc/machine-id", path)])
        facts = Facts.read(seen)
        assert (facts.machine_id, facts.architecture) == ("unknown", os.uname().machine)


def test_a_shell_that_dies_is_no_result(here: LocalShell) -> None:
    with pytest.raises(ProtocolError, match="only 1 of 3"):
        exchange(here, ["true", "kill -KILL $$", "true"])


# -- files


@pytest.mark.parametrize(
    "content",
    [
        "",
        "plain\n",
        "no end",
        "\n\n",
        "-n\n",
        "%s %d \\n \\\\\n",
        *HOSTILE,
        "ü 🐳\r\n",
        "x" * 300_000,
    ],
)
def test_file(shell: LocalShell, content: str) -> None:
    path = shell.folder / "new folder" / "it's a $file"
    settles(shell, file(path, content, mode="0640"))
    assert path.read_bytes() == content.encode()
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(path.parent) == [path.name]
    assert not (shell.folder / "canary").exists()


@pytest.mark.parametrize("mode", ["0000", "0044", "0600", "0755", "1777", "4755"])
def test_modes(here: LocalShell, mode: str) -> None:
    if mode == "0000" and os.getuid() != 0:
        pytest.skip("only root reads a file that nobody may read")
    settles(here, file(here.folder / "a", "x\n", mode=mode))
    folder = here.folder / "folder"
    settles(here, Directory(str(folder), mode=mode, owner=ME))
    for path in (here.folder / "a", folder):
        assert path.stat().st_mode & 0o7777 == int(mode, 8)
        path.chmod(0o700)


def test_owner(here: LocalShell) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    path, folder = here.folder / "a", here.folder / "folder"
    path.write_text("x\n")
    settles(
        here,
        File(str(path), "x\n", owner="daemon:mail"),
        Directory(str(folder), owner="mail:daemon"),
    )
    assert (path.owner(), path.group()) == ("daemon", "mail")
    assert (folder.owner(), folder.group()) == ("mail", "daemon")


def test_file_replaces_one_of_any_bytes(here: LocalShell) -> None:
    path = here.folder / "a"
    path.write_bytes(b"caf\xe9\0\xff\n")
    outcome = settles(here, file(path, "text\n"))
    assert path.read_bytes() == b"text\n"
    assert "caf\\xe9" in outcome.changes[0].diff


def test_file_keeps_a_link_and_writes_what_it_leads_to(here: LocalShell) -> None:
    real, link = here.folder / "real", here.folder / "link"
    real.write_text("old\n")
    link.symlink_to("real")
    settles(here, file(link, "new\n"))
    assert link.is_symlink()
    assert real.read_text() == "new\n"


def test_file_never_moves_into_a_folder(here: LocalShell) -> None:
    folder = here.folder / "a"
    folder.mkdir()
    with pytest.raises(ChangeFailed):
        here.apply(file(folder, "new\n"))
    assert names(folder) == []
    assert names(here.folder) == ["a"]


@pytest.mark.parametrize("check", ["false", "exit 3", 'grep -q old "$new"', "set -e; false; true"])
def test_a_refused_file_leaves_the_old_one(shell: LocalShell, check: str) -> None:
    path = shell.folder / "a"
    path.write_text("old\n")
    path.chmod(0o640)
    with pytest.raises(ChangeFailed) as caught:
        shell.apply(file(path, "new\n", check=check))
    assert "refused by its check" in caught.value.details
    assert path.read_text() == "old\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(shell.folder) == ["a"]


def test_a_check_sees_the_new_file(shell: LocalShell) -> None:
    path = shell.folder / "a"
    path.write_text("old\n")
    settles(shell, file(path, "new\n", check='[ "$(cat "$new")" = new ]'))


def test_backup_is_kept_once(here: LocalShell) -> None:
    path, kept = here.folder / "a", here.folder / "a.before-labctl"
    path.write_text("first\n")
    for content in ("second\n", "third\n"):
        settles(here, file(path, content, backup=True))
    assert kept.read_text() == "first\n"
    path.unlink()
    kept.unlink()
    settles(here, file(path, "new\n", backup=True))
    assert not kept.exists()


def test_repository_file(here: LocalShell) -> None:
    key = SigningKey("k", "https://a", "0" * 40)
    made = repository_file("a", (RepositorySection("s", "name", "https://a/$basearch/"),), key)
    path = here.folder / "a.repo"
    settles(here, file(path, made.content, backup=made.backup))
    assert "baseurl=https://a/$basearch/\n" in path.read_text()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root on Linux mounts a small file system")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_leaves_the_old_file(shell: LocalShell, full_disk: Path) -> None:
    path, hosts = full_disk / "a", full_disk / "hosts"
    path.write_text("old\n")
    hosts.write_text("127.0.0.1 localhost\n")
    big = ("0123456789abcde\n" * 100_000).splitlines()
    for resource in (
        file(path, "\n".join(big)),
        Block(str(hosts), "nodes", tuple(big)),
        file(full_disk / "new", "\n".join(big)),
    ):
        with pytest.raises(ChangeFailed) as caught:
            shell.apply(resource)
        # dash calls it an I/O error.
        assert re.search("No space left|I/O error", caught.value.details)
    assert path.read_text() == "old\n"
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert names(full_disk) == ["a", "hosts"]


# -- a project's files


def project(path: Path, **files: str) -> Folder:
    """Return a folder with these files; two underscores stand for a slash."""
    found = [FileContent(n.replace("__", "/"), text.encode()) for n, text in sorted(files.items())]
    return Folder(str(path), tuple(found), ME.partition(":")[0])


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where it is remembered which files came from labctl."""
    monkeypatch.setattr("labctl.provision.resources.folder.KEPT", str(tmp_path / "kept"))
    return tmp_path / "kept"


def below(path: Path) -> dict[str, str]:
    """Return the files below a folder with what they hold; a folder without any, too."""
    return {
        found.relative_to(path).as_posix(): found.read_text() if found.is_file() else "/"
        for found in path.rglob("*")
        if found.is_file() or not any(found.iterdir())
    }


def test_a_file_becomes_a_folder_and_a_folder_a_file(shell: LocalShell, kept: Path) -> None:
    app = shell.folder / "it's an app"
    settles(shell, project(app, conf="one\n", data__deep__a="a\n", data__deep__b="b\n"))
    settles(shell, project(app, conf__a="two\n", data="three\n"))
    assert below(app) == {"conf/a": "two\n", "data": "three\n"}
    settles(shell, project(app, conf="one\n", data__deep="b\n"))
    assert below(app) == {"conf": "one\n", "data/deep": "b\n"}


def test_a_run_that_broke_off_while_a_file_became_a_folder_goes_on(
    here: LocalShell, kept: Path
) -> None:
    app = here.folder / "app"
    settles(here, project(app, conf="one\n", data__a="a\n"))
    (app / "conf").unlink()
    (app / "conf").mkdir()
    (app / "data/a").unlink()
    (app / "data").rmdir()
    (app / "data").write_text("three\n")
    settles(here, project(app, conf__a="two\n", data="three\n"))
    assert below(app) == {"conf/a": "two\n", "data": "three\n"}


def test_folders_that_are_in_nobody_s_way_stay(here: LocalShell, kept: Path) -> None:
    """A container that has one mounted would not see what comes into a new one of its name."""
    app = here.folder / "app"
    settles(here, project(app, a="a\n", site__index="page\n", logs__old="x\n"))
    (app / "logs/of-a-container").write_text("data\n")
    settles(here, project(app, a="a\n"))
    assert below(app) == {"a": "a\n", "site": "/", "logs/of-a-container": "data\n"}
    with pytest.raises(ChangeFailed):
        here.apply(project(app, logs="a file\n"))
    assert below(app)["logs/of-a-container"] == "data\n"


# -- folders, links, nothing


def test_directory(shell: LocalShell) -> None:
    path = shell.folder / "a b" / "it's"
    settles(shell, Directory(str(path), mode="0750", owner=ME))
    (path / "kept").touch()
    path.chmod(0o700)
    settles(shell, Directory(str(path), mode="0750", owner=ME))
    assert names(path) == ["kept"]


def test_directory_behind_a_link(here: LocalShell) -> None:
    (here.folder / "real").mkdir(mode=0o700)
    (here.folder / "link").symlink_to("real")
    settles(here, Directory(str(here.folder / "link"), mode="0755", owner=ME))
    assert (here.folder / "real").stat().st_mode & 0o777 == 0o755


def test_directory_never_replaces_a_file(here: LocalShell) -> None:
    path = here.folder / "a"
    path.write_text("kept\n")
    with pytest.raises(ChangeFailed):
        here.apply(Directory(str(path), owner=ME))
    assert path.read_text() == "kept\n"


@pytest.mark.parametrize("target", ["/nowhere", "relative/x", "it's a $(touch canary)"])
def test_link(shell: LocalShell, target: str) -> None:
    path = shell.folder / "a link"
    settles(shell, Link(str(path), target))
    assert str(path.readlink()) == target
    path.unlink()
    path.symlink_to(shell.folder)
    settles(shell, Link(str(path), target))
    assert names(shell.folder) == ["a link"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_link_never_replaces(here: LocalShell, kind: str) -> None:
    path = here.folder / "a"
    path.mkdir() if kind == "folder" else path.write_text("kept\n")
    with pytest.raises(ChangeFailed, match="is there and is no link"):
        here.apply(Link(str(path), "/x"))
    assert path.exists()
    assert not path.is_symlink()


@pytest.mark.parametrize("to", ["nowhere", "file", "folder"])
def test_absent_takes_links_and_files(shell: LocalShell, to: str) -> None:
    path, kept = shell.folder / "it's", shell.folder / "folder"
    kept.mkdir()
    (kept / "kept").touch()
    (shell.folder / "file").touch()
    path.symlink_to(to)
    settles(shell, Absent(str(path)))
    path.touch()
    settles(shell, Absent(str(path)))
    assert names(shell.folder) == ["file", "folder"]
    assert names(kept) == ["kept"]
    with pytest.raises(ChangeFailed, match="is a folder"):
        shell.apply(Absent(str(kept)))
    assert names(kept) == ["kept"]


# -- blocks


@pytest.mark.parametrize(
    "before",
    [
        b"127.0.0.1 localhost\n",
        b"no end",
        b"dos\r\n",
        b"caf\xe9 \xff\xfe\x80\n",
        b"\\n %s '\"$HOME\n",
    ],
)
def test_block_leaves_every_other_byte(shell: LocalShell, before: bytes) -> None:
    path = shell.folder / "it's hosts"
    path.write_bytes(before)
    path.chmod(0o604)
    block = Block(str(path), "nodes", ("192.168.56.11 docker-node1", "ü $(touch canary)"))
    settles(shell, block)
    text = path.read_bytes()
    end = b"" if before.endswith(b"\n") else b"\n"
    body = "\n".join([block.begin, *block.lines, block.end]).encode() + b"\n"
    assert text == before + end + body
    after = b"after caf\xe9, no end"
    path.write_bytes(text + after)
    settles(shell, Block(str(path), "nodes", ("other",)))
    settles(shell, Block(str(path), "nodes", ()))
    assert path.read_bytes() == before + end + after
    assert path.stat().st_mode & 0o7777 == 0o604
    assert names(shell.folder) == [path.name]


def test_block_makes_a_file(here: LocalShell) -> None:
    path = here.folder / "new" / "hosts"
    settles(here, Block(str(path), "nodes", ("a",)))
    assert path.stat().st_mode & 0o7777 == 0o644


def test_block_keeps_the_mode_of_an_empty_file(here: LocalShell) -> None:
    path = here.folder / "secret"
    path.touch(mode=0o600)
    settles(here, Block(str(path), "nodes", ("a",)))
    assert path.stat().st_mode & 0o7777 == 0o600


def test_block_refuses_what_a_shell_cannot_carry(here: LocalShell) -> None:
    path = here.folder / "hosts"
    path.write_bytes(b"a\0b\n")
    with pytest.raises(ChangeFailed, match="NUL"):
        here.apply(Block(str(path), "nodes", ("a",)))
    assert path.read_bytes() == b"a\0b\n"


@pytest.mark.parametrize("edited", [b"somebody was here\n", b"", None])
def test_block_refuses_a_file_that_was_edited_meanwhile(
    shell: LocalShell, edited: bytes | None
) -> None:
    path = shell.folder / "it's hosts"
    path.write_bytes(b"127.0.0.1 localhost\n")
    block = Block(str(path), "nodes", ("a",))
    change = block.plan(exchange(shell, [block.probe()])[0])
    assert change is not None
    path.unlink() if edited is None else path.write_bytes(edited)
    (seen,) = exchange(shell, [change.script])
    assert not seen.ok
    assert "was edited meanwhile" in seen.output
    assert (path.read_bytes() if path.exists() else None) == edited


# -- commands


def test_command(shell: LocalShell) -> None:
    path = shell.folder / "done"
    settles(shell, Command("make it", f"[ -e '{path}' ]", f"set -e; : >'{path}'"))
    with pytest.raises(DidNotConverge):
        shell.apply(Command("never", "false", "echo tried"))
    with pytest.raises(ChangeFailed, match="exit code 9"):
        shell.apply(Command("fails", "false", "exit 9"))


# -- downloads


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL under which it is served on this machine."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    folder = tmp_path_factory.mktemp("served")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_download(shell: LocalShell, served: tuple[Path, str]) -> None:
    folder, url = served
    content = bytes(range(256)) * 1000
    (folder / "tool").write_bytes(content)
    path = shell.folder / "new" / "it's a tool"
    wanted = Download(f"{url}/tool", str(path), hashlib.sha256(content).hexdigest())
    settles(shell, wanted)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o7777 == 0o755
    path.chmod(0o600)
    settles(shell, wanted)
    path.write_text("another")
    settles(shell, wanted)
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("stood", [None, "old\n"])
@pytest.mark.parametrize("url", ["/tool", "/missing", ":1/refused"])
def test_a_wrong_download_leaves_nothing_behind(
    here: LocalShell, served: tuple[Path, str], stood: str | None, url: str
) -> None:
    folder, base = served
    (folder / "tool").write_text("not what was expected")
    path = here.folder / "a" / "tool"
    path.parent.mkdir()
    if stood is not None:
        path.write_text(stood)
    address = f"http://127.0.0.1{url}" if url.startswith(":") else f"{base}{url}"
    with pytest.raises(ChangeFailed) as caught:
        here.apply(_Impatient(Download(address, str(path), "0" * 64)))
    if url == "/tool":
        seen = hashlib.sha256(b"not what was expected").hexdigest()
        assert f"expected sha256 {'0' * 64}\nreceived sha256 {seen}" in caught.value.details
    assert names(path.parent) == ([] if stood is None else ["tool"])
    assert stood is None or path.read_text() == stood


@dataclass(frozen=True)
class _Impatient:
    """A download that tries once: the real one waits for seconds before it tries again."""

    real: Download

    @property
    def id(self) -> str:
        return self.real.id

    def probe(self) -> str:
        return self.real.probe()

    def plan(self, observed: Observed) -> Change:
        change = self.real.plan(observed)
        assert change is not None
        return replace(change, script=change.script.replace("--retry 3", "--retry 0"))


# -- keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Two throw-away keys as files, and their fingerprints; the second has a subkey."""
    if shutil.which("gpg") is None:
        pytest.skip("there is no gpg here")
    folder = tmp_path_factory.mktemp("keys")
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    prints: dict[str, str] = {}
    try:
        for name in ("one", "two"):
            subprocess.run(
                [*base, "--quick-generate-key", name, "ed25519", "sign", "never"], check=True
            )
            listed = subprocess.check_output([*base, "--with-colons", "-k", name], text=True)
            found = [row.split(":")[9] for row in listed.splitlines() if row.startswith("fpr")]
            prints[name] = found[0]
        subprocess.run(
            [*base, "--quick-add-key", prints["two"], "cv25519", "encr", "never"], check=True
        )
        for name, chosen in (("one", ["one"]), ("two", ["two"]), ("both", ["one", "two"])):
            exported = subprocess.check_output([*base, "--armor", "--export", *chosen])
            (folder / name).write_bytes(exported)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    return folder, prints


def key_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.provision.resources.repository.KEY_FOLDER", str(folder / "rpm-gpg"))


@pytest.mark.parametrize("name", ["one", "two"])
def test_signing_key(
    shell: LocalShell,
    keys: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    folder, prints = keys
    key_into(shell.folder, monkeypatch)
    key = SigningKey("it's a key", f"file://{folder / name}", prints[name])
    settles(shell, key)
    path = shell.folder / "rpm-gpg" / "it's a key"
    assert path.read_bytes() == (folder / name).read_bytes()
    assert path.stat().st_mode & 0o7777 == 0o644
    path.write_bytes((folder / "both").read_bytes())
    settles(shell, key)


def test_a_signing_key_is_read_once(
    shell: LocalShell, keys: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, prints = keys
    key_into(shell.folder, monkeypatch)
    key = SigningKey("k", f"file://{folder / 'one'}", prints["one"])
    settles(shell, key)
    gpg = shell.folder / "bin" / "gpg"  # stands for gpg: says that it was asked
    gpg.parent.mkdir()
    gpg.write_text("#!/bin/sh\necho pub:::::::::\necho fpr:::::::::GPG:\n")
    gpg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gpg.parent}:{os.environ['PATH']}")
    assert exchange(shell, [key.probe()])[0].output == f"{prints['one']}\n"
    (shell.folder / "rpm-gpg" / "k").write_bytes((folder / "two").read_bytes())
    assert exchange(shell, [key.probe()])[0].output == "GPG\n"


def test_signing_key_over_http(
    here: LocalShell,
    keys: tuple[Path, dict[str, str]],
    served: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key_into(here.folder, monkeypatch)
    shutil.copy(keys[0] / "two", served[0] / "key")
    settles(here, SigningKey("k", f"{served[1]}/key", keys[1]["two"]))


@pytest.mark.parametrize("source", ["two", "both", "missing", "no key"])
def test_another_key_is_refused(
    here: LocalShell,
    keys: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    folder, prints = keys
    (folder / "no key").write_text("<html>captive portal</html>")
    key_into(here.folder, monkeypatch)
    with pytest.raises(ChangeFailed) as caught:
        here.apply(SigningKey("k", f"file://{folder / source}", prints["one"]))
    if source in ("two", "both"):
        assert prints["two"] in caught.value.details
    assert names(here.folder / "rpm-gpg") == []


# -- services, packages, members: with stand-ins


SYSTEMCTL = """\
#!/bin/sh
# Stands for systemctl: keeps enabled/active/failures of units in files, logs what it is told.
# A unit fails to start while $STATE/UNIT.wants names a file whose text is not the wanted one.
unit=; for word; do case $word in *.service) unit=${word%.service};; esac; done
echo "$1 $unit" >>"$STATE/log"
starts() {
  [ -e "$STATE/$unit.needs" ] || return 0
  . "$STATE/$unit.needs"
  [ "$(cat "$file" 2>/dev/null)" = "$text" ]
}
case $1 in
show)
  cat "$STATE/$unit.enabled" 2>/dev/null || echo UnitFileState=disabled
  cat "$STATE/$unit.active" 2>/dev/null || echo ActiveState=inactive
  echo NeedDaemonReload=no;;
enable) echo UnitFileState=enabled >"$STATE/$unit.enabled";;
restart)
  if starts; then echo ActiveState=active >"$STATE/$unit.active"
  else echo ActiveState=failed >"$STATE/$unit.active"; exit 1; fi;;
reload) starts;;
status) echo "status of $unit"; exit 3;;
esac
"""

YUM = """\
#!/bin/sh
# Stands for yum: "installs" NAME-VERSION into the file that the rpm below reads. It knows only the
# packages in $STATE/known, and refuses a downgrade that is none, as yum does by doing nothing.
echo "$*" >>"$STATE/log"
while :; do case $1 in -*) shift;; *) break;; esac; done
one() {
  while read -r name version; do
    case $2 in "$name"|"$name-$version"|"$name-${version%%-*}")
      grep -v "^$name " "$STATE/installed" >"$STATE/new"
      echo "$name $version" >>"$STATE/new"
      mv "$STATE/new" "$STATE/installed"; return 0;; esac
  done <"$STATE/known"
  echo "No package $2 available."; exit 1
}
touch "$STATE/installed"
if [ "$1" = shell ]; then
  while read -r verb rest; do for word in $rest; do one "$verb" "$word"; done; done
else
  verb=$1; shift; for word; do one "$verb" "$word"; done
fi
"""

RPM = """\
#!/bin/sh
# Stands for `rpm -q --qf FORMAT NAME…`; its exit code is the number of packages that are missing.
shift 3; missing=0
for name; do
  grep "^$name " "$STATE/installed" 2>/dev/null || {
    echo "package $name is not installed"; missing=$((missing + 1)); }
done
exit $missing
"""

USERS = {
    "id": '#!/bin/sh\n# Stands for `id -nG USER`.\ncat "$STATE/user.$2" 2>/dev/null'
    ' || { echo "id: $2: no such user" >&2; exit 1; }\n',
    "getent": '#!/bin/sh\n# Stands for `getent group NAME`.\ngrep "^$2$" "$STATE/groups"\n',
    "groupadd": '#!/bin/sh\n# Stands for `groupadd --system NAME`.\necho "$2" >>"$STATE/groups"\n',
    "usermod": "#!/bin/sh\n# Stands for `usermod -aG GROUP USER`, which wants the group to be"
    ' there.\ngrep -q "^$2$" "$STATE/groups" || exit 6\necho "$2" >>"$STATE/user.$3"\n',
}


@dataclass
class StandIns:
    """The stand-ins, and where they keep their state."""

    state: Path
    shell: LocalShell

    @property
    def log(self) -> list[str]:
        path = self.state / "log"
        return path.read_text().splitlines() if path.exists() else []

    def needs(self, unit: str, file: Path, text: str) -> None:
        """Let the unit start only while the file has this text."""
        (self.state / f"{unit}.needs").write_text(f"file={quote(str(file))} text={quote(text)}\n")

    def runs(self, unit: str) -> None:
        (self.state / f"{unit}.enabled").write_text("UnitFileState=enabled\n")
        (self.state / f"{unit}.active").write_text("ActiveState=active\n")

    def told(self) -> list[str]:
        """Return what changed something, and forget it."""
        lines = [line for line in self.log if line.split()[0] in ("restart", "reload", "enable")]
        (self.state / "log").unlink(missing_ok=True)
        return lines


@pytest.fixture
def stand_ins(shell: LocalShell, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    if shell.program == "busybox":
        pytest.skip("busybox runs its own programs instead of those on PATH")
    programs, state = shell.folder / "bin", shell.folder / "state"
    programs.mkdir()
    state.mkdir()
    for name, text in {"systemctl": SYSTEMCTL, "yum": YUM, "rpm": RPM, **USERS}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    shell.environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "STATE": str(state),
    }
    for place in ("base", "atomic_write", "service"):
        monkeypatch.setattr(
            f"labctl.provision.resources.{place}.PENDING", str(shell.folder / "pending")
        )
    return StandIns(state, shell)


def test_service_is_enabled_and_started(stand_ins: StandIns) -> None:
    settles(stand_ins.shell, Service("docker"))
    assert stand_ins.told() == ["enable docker", "restart docker"]


@pytest.mark.parametrize("how", ["restart", "reload"])
def test_a_file_is_loaded_once(stand_ins: StandIns, how: Any) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "it's daemon.json"
    resources = file(path, "{}\n", loaded_by=LoadedBy("docker", how)), Service("docker")
    outcome = stand_ins.shell.apply(*resources)
    assert [change.resource for change in outcome.changes] == [r.id for r in resources]
    assert stand_ins.told() == [f"{how} docker"]
    assert stand_ins.shell.apply(*resources).changes == ()
    assert names(stand_ins.shell.folder / "pending") == []


def test_a_run_that_dies_in_between_loses_no_restart(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    written = file(path, "new\n", loaded_by=LoadedBy("docker"))
    stand_ins.shell.apply(written)
    assert stand_ins.told() == []
    outcome = stand_ins.shell.apply(written, Service("docker"))
    assert [change.summary for change in outcome.changes] == ["restart docker"]
    assert stand_ins.told() == ["restart docker"]


def test_one_restart_for_many_files(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    folder = stand_ins.shell.folder
    stand_ins.shell.apply(
        file(folder / "a", "1\n", loaded_by=LoadedBy("docker", "reload")),
        file(folder / "b", "1\n", loaded_by=LoadedBy("docker", "restart")),
        file(folder / "c", "1\n", loaded_by=LoadedBy("other")),
        Service("docker"),
    )
    assert stand_ins.told() == ["restart docker"]
    assert names(folder / "pending") == ["other.old", "other.restart"]


def test_a_service_that_does_not_come_back_gets_its_old_files(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    folder = stand_ins.shell.folder / "it's etc"
    folder.mkdir()
    old, new = folder / "daemon.json", folder / "drop in"
    old.write_text("good")
    old.chmod(0o640)
    stand_ins.needs("docker", old, "good")
    mark = LoadedBy("docker", "restart")
    resources: list[Resource] = [
        file(old, "bad\n", loaded_by=mark),
        file(new, "bad\n", loaded_by=mark),
        Service("docker"),
    ]
    with pytest.raises(ChangeFailed) as caught:
        stand_ins.shell.apply(*resources)
    for text in ("status of docker", "its former files were put back", "it runs again"):
        assert text in caught.value.details
    assert old.read_text() == "good"
    assert old.stat().st_mode & 0o7777 == 0o640
    assert names(folder) == ["daemon.json"]
    assert names(stand_ins.shell.folder / "pending") == []
    assert stand_ins.told() == ["restart docker", "restart docker"]
    # The next run tries again, rather than to believe that all is well.
    outcome = stand_ins.shell.apply(*resources, check=True)
    assert [c.resource for c in outcome.changes] == [r.id for r in resources[:2]]


def test_the_first_state_comes_back_though_two_runs_wrote(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    stand_ins.needs("docker", path, "")
    mark = LoadedBy("docker")
    stand_ins.shell.apply(file(path, "bad\n", loaded_by=mark))
    with pytest.raises(ChangeFailed):
        stand_ins.shell.apply(file(path, "worse\n", loaded_by=mark), Service("docker"))
    assert not path.exists()


def test_a_service_without_old_files_keeps_its_mark(stand_ins: StandIns) -> None:
    """A restart that failed has still to be done."""
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    pending = stand_ins.shell.folder / "pending"
    pending.mkdir()
    (pending / "docker.restart").touch()
    stand_ins.needs("docker", path, "good")
    with pytest.raises(ChangeFailed):
        stand_ins.shell.apply(Service("docker"))
    assert names(pending) == ["docker.restart"]
    path.write_text("good")
    settles(stand_ins.shell, Service("docker"))


def test_engine_config(stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_ins.shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    if os.getuid() != 0:
        pytest.skip("the engine's configuration belongs to root")
    stand_ins.runs("docker")
    for content, told in (
        ('{"registry-mirrors": ["https://a"]}\n', "reload docker"),
        ('{"mtu": 1400, "registry-mirrors": ["https://a"]}\n', "restart docker"),
        ('{"mtu": 1400, "registry-mirrors": []}\n', "reload docker"),
        ('{"mtu": 1400}\n', "restart docker"),
    ):
        outcome = stand_ins.shell.apply(DaemonJson(content), Service("docker"))
        assert len(outcome.changes) == 2
        assert stand_ins.told() == [told]
        assert path.read_text() == content
        assert stand_ins.shell.apply(DaemonJson(content), Service("docker")).changes == ()


@pytest.mark.parametrize("active", ["failed", "active"])
def test_an_engine_starts_though_daemon_json_is_of_another(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, active: str
) -> None:
    """The new package starts the engine too, which fails over what the former engine was told."""
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    old = '{"data-root": "/it\'s", "cluster-store": "etcd://a", "cluster-advertise": "b"}\n'
    path.write_text(old)
    path.chmod(0o640)
    (stand_ins.state / "installed").write_text("docker-ce 19.03.9-3.el7\n")
    (stand_ins.state / "known").write_text("docker-ce 26.1.4-1.el7\n")
    stand_ins.runs("docker")
    (stand_ins.state / "docker.active").write_text(f"ActiveState={active}\n")
    stand_ins.needs("docker", path, '{\n  "data-root": "/it\'s"\n}')
    wanted = Packages((Package("docker-ce", "26.1.4"),)), SupportedDaemonKeys(26), Service("docker")
    outcome = shell.apply(*wanted)
    assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
    assert "take cluster-store, cluster-advertise out of" in outcome.changes[1].summary
    assert stand_ins.told() == ["restart docker"]
    assert path.read_text() == '{\n  "data-root": "/it\'s"\n}\n'
    assert path.stat().st_mode & 0o7777 == 0o640
    assert (shell.folder / "daemon.json.before-labctl").read_text() == old
    assert names(shell.folder / "pending") == []
    again = shell.apply(*wanted)
    assert (again.changes, again.exchanges) == ((), 1)


def test_an_engine_starts_though_daemon_json_has_a_slip(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file with a slip is kept: the second one does not cost the first."""
    shell = stand_ins.shell
    path, aside = shell.folder / "daemon.json", shell.folder / "daemon.json.no-json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.runs("docker")
    stand_ins.needs("docker", path, "{}")
    for slip in ('{"it\'s": 1\n', '{"mtu": 1400 "debug": true}\n'):
        path.write_text(slip)
        path.chmod(0o640)
        (stand_ins.state / "docker.active").write_text("ActiveState=failed\n")
        wanted = SupportedDaemonKeys(19), Service("docker")
        outcome = shell.apply(*wanted)
        assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
        assert stand_ins.told() == ["restart docker"]
        assert (path.read_text(), aside.read_text()) == ("{}\n", slip)
        assert path.stat().st_mode & 0o7777 == aside.stat().st_mode & 0o7777 == 0o640
        assert shell.apply(*wanted).changes == ()
    numbered = shell.folder / "daemon.json.no-json.~1~"
    assert numbered.read_text() == '{"it\'s": 1\n'


def test_a_daemon_json_with_a_slip_is_kept_once(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that does not start for another reason gets its former file back each time."""
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.needs("docker", path, "never")
    path.write_text("{slip")
    for _ in range(3):
        with pytest.raises(ChangeFailed, match="docker"):
            shell.apply(SupportedDaemonKeys(19), Service("docker"))
        assert path.read_text() == "{slip"
    assert [name for name in names(shell.folder) if "no-json" in name] == ["daemon.json.no-json"]


def test_a_daemon_json_with_a_slip_is_kept_where_the_whole_file_is_written(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0:
        pytest.skip("the engine's configuration belongs to root")
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.runs("docker")
    path.write_text('{"mtu": 1400')
    shell.apply(DaemonJson('{"mtu": 1400}\n'), Service("docker"))
    assert stand_ins.told() == ["restart docker"]
    assert path.read_text() == '{"mtu": 1400}\n'
    assert (shell.folder / "daemon.json.no-json").read_text() == '{"mtu": 1400'


def test_an_engine_without_daemon_json_has_no_key_of_another(
    here: LocalShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "labctl.provision.resources.daemon_json.PATH", str(here.folder / "daemon.json")
    )
    assert here.apply(SupportedDaemonKeys(26)).changes == ()
    assert names(here.folder) == []


def test_packages(stand_ins: StandIns) -> None:
    known, shell = stand_ins.state / "known", stand_ins.shell
    known.write_text("a 1.0-1.el7\nb 2.0-1.el7\nc 3.0-2.el7\n")
    settles(shell, Packages((Package("a", "1.0"), Package("b", "2.0-1.el7"), Package("c"))))
    known.write_text("a 0.9-1.el7\nb 2.1-1.el7\nc 3.0-2.el7\n")
    wanted = Packages((Package("a", "0.9"), Package("b", "2.1"), Package("c")))
    outcome = settles(shell, wanted)
    assert outcome.changes[0].summary == "install b 2.1, downgrade a 0.9"
    assert (stand_ins.state / "installed").read_text().split("\n")[:-1] == [
        "c 3.0-2.el7",
        "b 2.1-1.el7",
        "a 0.9-1.el7",
    ]
    calls = [line.split()[-1] for line in stand_ins.log]
    assert calls == ["c", "shell"]
    with pytest.raises(ChangeFailed) as caught:
        shell.apply(Packages((Package("a"), Package("d", "1"))))
    assert "No package d-1 available" in caught.value.details


def test_member(stand_ins: StandIns) -> None:
    (stand_ins.state / "user.it's me").write_text("wheel\n")
    (stand_ins.state / "groups").write_text("wheel\n")
    settles(stand_ins.shell, GroupMember("it's me", "docker"))
    settles(stand_ins.shell, GroupMember("it's me", "other"))
    assert (stand_ins.state / "groups").read_text() == "wheel\ndocker\nother\n"
    assert (stand_ins.state / "user.it's me").read_text() == "wheel\ndocker\nother\n"
    with pytest.raises(ChangeFailed, match="no user nobody-here"):
        stand_ins.shell.apply(GroupMember("nobody-here", "docker"))


# -- hostile values


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_becomes_a_command(stand_ins: StandIns, text: str) -> None:
    """Every probe and every script, with the text in every place where a text can be."""
    shell = stand_ins.shell
    path = f"{shell.folder}/x/{text}"
    resources: list[Resource] = [
        File(path, text, owner=text, loaded_by=LoadedBy(text), backup=True),
        Directory(path, mode="0755", owner=text),
        Link(path, text),
        Absent(path),
        Block(path, "b", (text,)),
        Service(text),
        Download(f"file:///{text}", path, "0" * 64),
        GroupMember(text, text),
        Packages((Package(text, text), Package("a"))),
        SigningKey(text, f"file:///{text}", "0" * 40),
    ]
    seen = exchange(shell, [resource.probe() for resource in resources])
    scripts = []
    for resource, observed in zip(resources, seen, strict=True):
        try:
            change = resource.plan(observed)
        except ValueError:
            continue
        scripts += [change.script] if change else []
    assert len(scripts) >= 7
    exchange(shell, [script.replace("/etc/pki", str(shell.folder)) for script in scripts])
    assert not list(shell.folder.rglob("canary"))


# -- the loop, over a real shell


def test_a_run_on_a_real_shell_counts_as_on_a_fake_one(here: LocalShell) -> None:
    resources = [file(here.folder / name, f"{name}\n") for name in "abc"]
    assert here.apply(*resources).exchanges == 4
    (here.folder / "b").write_text("drift\n")
    drift = here.apply(*resources)
    assert [change.summary for change in drift.changes] == [f"update {here.folder / 'b'}"]
    assert drift.exchanges == 2
    assert here.apply(*resources).exchanges == 1
