"""Folders that somebody else made: cloned, unpacked, or of another user of this computer.

Whatever lies in them, no command runs a program that they name, writes through their links, or ends
with anything but a clear error. A program that ran leaves a mark.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.lab import stamp
from labctl.lab.state import NodeRecord, State
from labctl.lab.workspace import Workspace
from labctl.remote.target import Target

NOBODY = 65534
COMMANDS: list[list[str]] = [
    ["status"],
    ["status", "--all"],
    ["ssh", "docker-node1", "--", "true"],
    ["exec", "true"],
    ["scp", "docker-node1:/etc/hosts", "."],
    ["ssh-config"],
    ["ssh-config", "--path"],
    ["logs"],
    ["halt"],
    ["destroy", "--yes"],
    ["checkpoint", "list"],
    ["verify"],
    ["provision", "--check"],
    ["rehearse", "--list"],
    ["heal", "docker-node1"],
    ["render", "--provider", "libvirt", "--diff"],
    ["doctor", "--offline"],
    ["up"],
]

VAGRANT = """\
#!/bin/sh
# Stands for Vagrant, which executes the Vagrantfile in its folder as Ruby.
[ -f Vagrantfile ] && sh Vagrantfile
exit 1
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that a stranger's program writes."""
    return tmp_path / "it ran"


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, and programs that a stranger's file could make labctl run."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("vagrant", "virsh", "VBoxManage"):
        (programs / name).write_text(VAGRANT)
        (programs / name).chmod(0o755)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "labctl"))
    monkeypatch.setenv("COLUMNS", "500")
    (tmp_path / "lab").mkdir()
    monkeypatch.chdir(tmp_path / "lab")


class Ended(Exception):
    """labctl would have become another program."""


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> tuple[int, str]:
    """Run labctl in this process; return its exit code and all that it printed."""

    def become(program: str, line: list[str]) -> None:
        subprocess.run(line, stdin=subprocess.DEVNULL, timeout=20, check=False)
        raise Ended(program)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setattr(sys, "argv", ["labctl", *command])
    with pytest.raises((SystemExit, Ended)) as ended:
        main()
    said = capsys.readouterr()
    code = ended.value.code if isinstance(ended.value, SystemExit) else 0
    return code if isinstance(code, int) else 0, said.out + said.err


def stranger_state(folder: Path, mark: Path) -> Path:
    """Write a state folder in which everything that can name a program names one."""
    state = folder / ".labctl"
    touch = f"touch '{mark}'"
    (state / "nodes").mkdir(parents=True)
    (state / "logs").mkdir()
    target = Target("docker-node1", "127.0.0.1", 9, "anna", proxy=f"sh -c {json.dumps(touch)}")
    record = {"target": target.as_json(), "facts": None, "choices": {}}
    (state / "nodes" / "docker-node1.json").write_text(json.dumps(record))
    (state / "Vagrantfile").write_text(touch + "\n")
    (state / "provider").write_text("libvirt\n")
    (state / "flags.json").write_text('{"nodes": 1, "provider": "libvirt"}')
    made = state / ".vagrant" / "machines" / "docker-node1" / "libvirt"
    made.mkdir(parents=True)
    (made / "id").write_text("4711")
    (state / "ssh_config").write_text(
        f'Match exec "{touch}"\n' + target.ssh_config(state / "known_hosts")
    )
    (state / "id").write_text("0" * 32 + "\n")
    return state


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("spec", ["nodes: 1\nprovider: libvirt\n", ""], ids=["lab.yaml", "none"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_cloned_folder_runs_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mark: Path,
    command: list[str],
    spec: str,
) -> None:
    state = stranger_state(Path.cwd(), mark)
    if spec:
        Path("lab.yaml").write_text(spec)
    before = everything(Path.cwd())
    code, said = run(monkeypatch, capsys, command)
    assert not mark.exists()
    assert everything(Path.cwd()) == before
    if command[-1] != "--all":
        assert code == 1
        assert "was not made by your labctl on this computer" in said
        assert f"rm -r {state}" in said


RUNS_ITS_CODE = ("up", "provision", "verify", "rehearse", "heal", "reload")
"""The commands that docs/security.md names."""


def stranger_code(folder: Path, mark: Path) -> None:
    """Write a lab in which each file of code leaves the mark."""
    touch = f"open({str(mark)!r}, 'w').close()\n"
    for name in (
        "playbooks/evil/play.py",
        "playbooks/evil/settings.py",
        "playbooks/evil/verify.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(touch)
    (folder / "course").mkdir()
    for name in ("evil.py", "conftest.py", "__init__.py"):
        (folder / "course" / name).write_text(touch)
    (folder / "conftest.py").write_text(touch)
    (folder / "sitecustomize.py").write_text(touch)
    (folder / "templates").mkdir()
    (folder / "templates" / "Vagrantfile.j2").write_text(
        "{{ cycler.__init__.__globals__.os.system(\"touch '" + str(mark) + "'\") }}"
    )
    (folder / "Vagrantfile").write_text(f"touch '{mark}'\n")
    (folder / "lab.yaml").write_text("nodes: 1\nprovider: libvirt\nplaybooks: [evil]\n")


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c[0] not in RUNS_ITS_CODE] + [["trust"]],
    ids=" ".join,
)
def test_a_cloned_lab_runs_no_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mark: Path,
    command: list[str],
) -> None:
    stranger_code(Path.cwd(), mark)
    code, said = run(monkeypatch, capsys, command)
    assert code in (0, 1, 2), said
    assert not mark.exists()


@pytest.mark.parametrize("text", ["-" * 100_000 + "1", "(" * 10_000, "\0", "x = [" * 500])
def test_settings_that_are_no_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """They are parsed, not run, to know which keys of lab.yaml are theirs."""
    Path("playbooks/evil").mkdir(parents=True)
    Path("playbooks/evil/settings.py").write_text(text)
    Path("lab.yaml").write_text("nodes: 1\n")
    code, said = run(monkeypatch, capsys, ["status"])
    assert code in (1, 2)
    assert "settings.py" in said


def test_a_cloned_lab_runs_its_code_with_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: Path
) -> None:
    """Else the test above would prove nothing."""
    stranger_code(Path.cwd(), mark)
    _, said = run(monkeypatch, capsys, ["up"])
    assert mark.exists(), said


def test_the_attack_works_where_it_is_let_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: Path
) -> None:
    """Else the test above would prove nothing."""
    stranger_state(Path.cwd(), mark)
    assert run(monkeypatch, capsys, ["trust", "--yes"])[0] == 0
    command = [sys.executable, "-m", "labctl.cli.main", "status"]
    subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert mark.exists()


LINKED = [
    ".",
    "logs",
    "private",
    "known_hosts",
    "known_hosts.lock",
    "ssh_config",
    "nodes.json",
    "lock",
    "lock.holder",
    "nodes/docker-node1.json",
    "logs/status.log",
    "logs/verify.log",
    "logs/docker-node1.verify.log",
    "wanted.docker-node1.json",
    "checkpoints.json",
]


def replace_by_link(path: Path, elsewhere: Path) -> None:
    """Put a link in place of a file or folder; what it was is then elsewhere."""
    victim = elsewhere / "precious"
    if path.is_dir():
        victim = elsewhere / "folder"
        path.rename(victim)
    elif path.exists():
        path.unlink()
    path.symlink_to(victim)


@pytest.mark.parametrize("name", LINKED)
def test_no_link_in_the_state_is_written_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    """As another user of a shared folder, or a program that a student left, could put it there."""
    (tmp_path / "elsewhere").mkdir()
    victim = tmp_path / "elsewhere" / "precious"
    victim.write_text("precious\n")
    Path("lab.yaml").write_text("machines: [{name: docker-node1, host: 127.0.0.1, port: 9}]\n")
    place = Workspace.find()
    place.make()
    State(place).save_flags({})
    replace_by_link(place.state / name, victim.parent)
    before = everything(victim.parent)
    for command in (
        ["status"],
        ["exec", "true"],
        ["verify"],
        ["provision"],
        ["ssh", "docker-node1"],
    ):
        code, _ = run(monkeypatch, capsys, command)
        assert code in (0, 1)
        assert everything(victim.parent) == before


# -- every state file, changed in every way


MUTATIONS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "binary": lambda data: bytes(range(256)) * 8,
    "NUL": lambda data: b"\0" * 64,
    "100,000 brackets": lambda data: b"[" * 100_000,
    "100,000 braces": lambda data: b'{"a":' * 100_000,
    "a list": lambda data: b"[]",
    "a number": lambda data: b"7",
    "null": lambda data: b"null",
    "a text": lambda data: b'"text"',
    "huge": lambda data: b" " * (17 << 20),
    "a huge number": lambda data: b"9" * 10_000,
    "values of other types": lambda data: _changed(data, lambda value: [value]),
    "numbers": lambda data: _changed(data, lambda value: 7),
    "nulls": lambda data: _changed(data, lambda value: None),
    "texts": lambda data: _changed(data, str),
    "escapes": lambda data: _changed(data, lambda value: "\x1b]0;owned\x07\ud800"),
    "more keys": lambda data: _with(data, {"colour": "red"}),
    "twice": lambda data: data + data,
}


def _changed(data: bytes, change: Callable[[object], object]) -> bytes:
    """Return JSON with each of its scalars changed; other data becomes a list."""

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return change(value)

    try:
        return json.dumps(walk(json.loads(data))).encode()
    except ValueError:
        return b"[1]"


def _with(data: bytes, more: dict[str, object]) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return data + b"\ncolour: red\n"
    return json.dumps({**value, **more} if isinstance(value, dict) else [value, more]).encode()


MUTATED = [
    "state/nodes/docker-node1.json",
    "state/nodes.json",
    "state/flags.json",
    "state/provider",
    "state/known_hosts",
    "state/ssh_config",
    "state/Vagrantfile",
    "state/lock.holder",
    "state/id",
    "state/checkpoints.json",
    "state/wanted.docker-node1.json",
    "state/at-work/docker-node1.json",
    "state/private/ca.pem",
    "state/private/registry.json",
    "state/logs/up.log",
    "home/labs.json",
]


def cases() -> Iterator[tuple[str, str, list[str]]]:
    """Yield (file, mutation, command)."""
    for file in MUTATED:
        for mutation in MUTATIONS:
            for command in COMMANDS:
                yield file, mutation, command


def whole_lab(tmp_path: Path) -> None:
    """Write a lab of this user's own with every file that labctl writes."""
    Path("lab.yaml").write_text("nodes: 1\nprovider: libvirt\n")
    place = Workspace.find()
    place.make()
    state = State(place)
    key = str(place.state / ".vagrant/machines/docker-node1/libvirt/private_key")
    target = Target("docker-node1", "127.0.0.1", 9, "anna", (key,))
    state.save("docker-node1", NodeRecord(target, choices={"a": {"script": "b", "answer": "c"}}))
    state.save_flags({"name": "lab", "network": "192.168.56.0/24"})
    state.save_provider("libvirt")
    (place.state / ".vagrant/machines/docker-node1/libvirt").mkdir(parents=True)
    (place.state / ".vagrant/machines/docker-node1/libvirt/id").write_text("4711")
    (place.state / "at-work").mkdir()
    work = {"node": "docker-node1", "command": "up", "pid": 2**22, "created": 1.0}
    (place.state / "at-work/docker-node1.json").write_text(json.dumps(work))
    place.private.mkdir()
    (place.private / "registry.json").write_text(
        json.dumps({"user": "a", "password": "b", "hash": "c", "address": "d:5000"})
    )
    for file in MUTATED:
        path = path_of(file, tmp_path)
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text("{}\n")


def path_of(file: str, tmp_path: Path) -> Path:
    place, _, name = file.partition("/")
    return (Path(".labctl") if place == "state" else tmp_path / "labctl") / name


def test_every_state_file_in_every_way(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    examples: int,
) -> None:
    """No exception but labctl's own errors, whatever is in a state file.

    A run takes longer than most examples, so five of them pay for one; `make fuzz` tries all.
    """
    monkeypatch.setattr(stamp, "_PATIENCE", 0.0)
    found = list(cases())
    step = 1 if examples >= len(found) else len(found) * 5 // examples
    while step > 1 and math.gcd(step, len(COMMANDS)) > 1:  # so that each command has its turn
        step += 1
    for file, mutation, command in found[::step]:
        whole_lab(tmp_path)
        path = path_of(file, tmp_path)
        path.write_bytes(MUTATIONS[mutation](path.read_bytes()))
        try:
            code, said = run(monkeypatch, capsys, command)
        except BaseException as error:
            raise AssertionError(f"{file}, {mutation}, labctl {' '.join(command)}") from error
        assert code in (0, 1, 2, 3), (file, mutation, command, said)
        assert "\x1b]" not in said, (file, mutation, command)
        shutil.rmtree(".labctl")
        shutil.rmtree(tmp_path / "labctl", ignore_errors=True)


# -- another user of this computer


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("place", ["lab", "lab/below"])
def test_another_users_lab_above(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    mark: Path,
    place: str,
) -> None:
    """Root, or a teacher, in a folder of a student, or in one below it."""
    Path("lab.yaml").write_text("playbooks: [evil]\n")
    Path("playbooks/evil").mkdir(parents=True)
    Path("playbooks/evil/play.py").write_text(f"open({str(mark)!r}, 'w')\n")
    for path in (Path.cwd(), *Path.cwd().rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    Path("below").mkdir()
    os.chdir(tmp_path / place)
    before = everything(tmp_path / "lab")
    for command in (["up"], ["provision"], ["verify"], ["status"], ["rehearse"], ["render"]):
        code, said = run(monkeypatch, capsys, command)
        assert code == 2
        assert "belongs to another user" in said
    assert not mark.exists()
    assert everything(tmp_path / "lab") == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_as_another_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A user who is not root, in a lab and a state folder of root's."""
    Path("lab.yaml").write_text("nodes: 1\n")
    Workspace.find().make()
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o711)
    named = str(Path.cwd())
    commands = [
        ["status"],
        ["logs"],
        ["logs", "--list"],
        ["open"],
        ["ssh-config"],
        ["exec", "true"],
    ]
    commands += [["render", "--provider", "libvirt"], ["destroy", "--yes"], ["trust", "--yes"]]
    for command in (*commands, *(["--lab", named, *words] for words in commands), ["list"]):
        run(monkeypatch, capsys, command)  # imports all that the other user may not read
    shutil.rmtree(".labctl")
    Workspace.find().make()
    (tmp_path / "user").mkdir()
    os.chown(tmp_path / "user", NOBODY, NOBODY)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "user"))
    before = everything(tmp_path / "lab")
    os.seteuid(NOBODY)
    try:
        above = [run(monkeypatch, capsys, words) for words in commands]
        by_name = [run(monkeypatch, capsys, ["--lab", named, *words]) for words in commands]
        listed = run(monkeypatch, capsys, ["list"])
    finally:
        os.seteuid(0)
    for code, said in above:
        assert code == 2
        assert "belongs to another user (root)" in said
    for code, said in by_name:
        assert code == 1
        assert f"{named}/.labctl belongs to another user (root)" in said
    assert listed[0] == 0
    assert named not in listed[1]
    assert everything(tmp_path / "lab") == before


# -- files of a lab that are none


def stuff(path: Path, kind: str) -> None:
    """Put something in the place of a file that blocks, or has no end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 40)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "huge"])
@pytest.mark.parametrize(
    "file",
    [
        *("lab.yaml", "playbooks/evil/settings.py", "templates/Vagrantfile.j2", "own.rb"),
        *("course/evil.py", ".git", ".git/index", ".labctl/id", ".labctl/nodes.json"),
    ],
)
@pytest.mark.timeout(120)
def test_what_is_no_regular_file_blocks_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, kind: str
) -> None:
    """An unpacked folder may hold pipes, links to devices, and files of a terabyte."""
    Path("lab.yaml").write_text("nodes: 1\nprovider: libvirt\nvagrantfile: own.rb\n")
    Path("own.rb").touch()
    stuff(Path(file), kind)
    for command in (["status"], ["render"], ["rehearse", "--list"], ["logs", "--list"], ["list"]):
        code, said = run(monkeypatch, capsys, command)
        assert code in (0, 1, 2), (command, said)
        assert "labctl failed" not in said, (command, said)


# -- names that a shell would run

SHELL_NAMES = ["\\$(touch ran)", "\\`touch ran`", "$(touch ran)", "`touch ran`", "';touch ran;'"]
SHELL_NAMES += [
    '";touch ran;"',
    "x\ntouch ran",
    "\x1b]0;x\x07",
    "-rf",
    "a b",
    "\\",
    "x)",
    "(x",
    "~",
]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", ["provision --with ", "rehearse ", "rehearse evil,"])
def test_completion_offers_no_name_that_a_shell_could_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, line: str
) -> None:
    """zsh evaluates what it is offered, and Typer does not quote all of it."""
    for name in (*SHELL_NAMES, "good-1.y"):
        (Path("playbooks") / name).mkdir(parents=True)
        (Path("playbooks") / name / "play.py").touch()
        Path("course").mkdir(exist_ok=True)
        (Path("course") / f"{name}.py").write_text('"""T"""\n')
    Path("lab.yaml").write_text("nodes: 1\n")
    monkeypatch.setenv("_LABCTL_COMPLETE", f"complete_{shell}")
    words = f"labctl {line}"
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", words)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    _, said = run(monkeypatch, capsys, [])
    if "rehearse" not in line:
        assert "good-1.y" in said
    assert "registry" in said or "engine" in said or line.endswith(",")
    assert not [name for name in ("touch", "$", "`", "\\", "\x1b", "-rf") if name in said], said


ZSH = """\
autoload -Uz compinit; compinit -u
PS1='ready> '
_labctl() { eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" \\
  _LABCTL_COMPLETE=complete_zsh labctl) }
compdef _labctl labctl
"""


@pytest.mark.needs("zsh")
def test_a_tab_in_a_cloned_folder_runs_nothing(tmp_path: Path) -> None:
    """In a real zsh, which runs `touch` if it is offered such a name."""
    import pty
    import select

    for name in ("\\$(touch ran)", "good"):
        (Path("playbooks") / name).mkdir(parents=True)
        (Path("playbooks") / name / "play.py").touch()
    Path("lab.yaml").write_text("nodes: 1\n")
    (tmp_path / "home" / ".zshrc").write_text(ZSH)
    program = tmp_path / "bin" / "labctl"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from labctl.cli.main import main\nmain()\n"
    )
    program.chmod(0o755)
    process, terminal = pty.fork()
    if process == 0:
        os.environ.pop("ZDOTDIR", None)
        os.environ["TERM"] = "dumb"
        os.execvp("zsh", ["zsh", "-i"])
    try:
        for sent, wanted in (("", "ready>"), ("labctl provision --with go\t", "good")):
            os.write(terminal, sent.encode())
            said = b""
            while wanted.encode() not in said.replace(b"\r", b""):
                assert select.select([terminal], [], [], 30)[0], said
                said += os.read(terminal, 65536)
        os.write(terminal, b"\x15labctl provision --with \t\t")
        said = b""
        while b"registry" not in said:
            assert select.select([terminal], [], [], 30)[0], said
            said += os.read(terminal, 65536)
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
    assert not Path("ran").exists()
