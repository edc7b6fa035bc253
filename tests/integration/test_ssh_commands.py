"""`labctl ssh` and `labctl exec` as processes, with OpenSSH's client and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.errors import RemoteError
from tests.integration.sshd import Sshd
from tests.json_lines import lines_of

# The commands by themselves: which others there are is no matter here.
LABCTL = """
import sys
import typer
from labctl.cli.commands import doctor, exec, scp, ssh
from labctl.cli.options import Globals
from labctl.cli.output.errors import render_error
from labctl.errors import LabctlError

app = typer.Typer(pretty_exceptions_enable=False)
for command in (ssh, exec, scp, doctor):
    command.register(app)

@app.callback()
def start(context: typer.Context) -> None:
    context.obj = Globals(lab=sys.argv.pop())

arguments = sys.argv[1:-1]
try:
    app(args=arguments)
except LabctlError as error:
    render_error(error, Globals())
    sys.exit(error.exit_code)
"""


class Labctl:
    """Runs labctl in a lab."""

    def __init__(self, lab: Path) -> None:
        self.lab = lab
        self.environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run it; return stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "-c", LABCTL, *arguments, str(self.lab)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.environment,
        )
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr


@pytest.fixture
def labctl(sshd: Sshd, lab_folder: Path, tmp_path: Path) -> Labctl:
    """Runs labctl as a user who has logged in to the nodes before, so there is no first contact."""
    known = tmp_path / "home" / ".ssh" / "known_hosts"
    known.parent.mkdir(parents=True, mode=0o700)
    key = " ".join((sshd.folder / "host.pub").read_text().split()[:2])
    known.write_text("".join(f"[127.0.0.1]:{port} {key}\n" for port in sshd.ports))
    found = Labctl(lab_folder)
    found.environment["HOME"] = str(tmp_path / "home")
    return found


def one_node(lab: Path) -> None:
    spec = lab / "lab.yaml"
    machines = json.loads(spec.read_text())["machines"]
    spec.write_text(json.dumps({"machines": machines[:1]}))


needs_client = pytest.mark.needs("ssh")


@needs_client
def test_ssh_passes_on_words_streams_and_the_exit_code(labctl: Labctl) -> None:
    assert labctl("ssh", "docker-node2", "--", "echo", "a  b", "$HOME", "*")[0] == "a  b $HOME *\n"
    out, err = labctl("ssh", "docker-node1", "echo $((6*7)); echo err >&2; exit 9", code=9)
    assert (out, err) == ("42\n", "err\n")
    assert labctl("ssh", "docker-node1", "ls", "-d", "/")[0] == "/\n"
    config = (labctl.lab / ".labctl" / "ssh_config").read_text()
    assert "StrictHostKeyChecking yes" in config
    assert "Host docker-node3" in config


@needs_client
@pytest.mark.parametrize("name", ["~Kurs %h #1 it's\t课程", "-x", "*;=$HOME"])
def test_a_lab_in_a_folder_with_an_odd_name(labctl: Labctl, tmp_path: Path, name: str) -> None:
    """`exec`, `ssh`, `scp` and OpenSSH's own client read its files, whatever the name means."""
    labctl.lab = labctl.lab.rename(tmp_path / name)
    out = labctl("exec", "--limit", "docker-node1", "--", "echo", "hi")[0]
    assert out == "docker-node1 | hi\n"
    assert labctl("ssh", "docker-node1", "--", "echo", "hi")[0] == "hi\n"
    (labctl.lab / "a").write_text("a")
    labctl("scp", str(labctl.lab / "a"), f"docker-node1:{tmp_path}/copied")
    assert (tmp_path / "copied").read_text() == "a"
    plain = ["ssh", "-F", str(labctl.lab / ".labctl" / "ssh_config"), "docker-node1", "echo hi"]
    done = subprocess.run(plain, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("hi\n", "")


@pytest.mark.parametrize("name", ['Kurs "Docker"', "${HOME}", "back\\slash", "new\nline"])
def test_a_lab_in_a_folder_that_ssh_cannot_use(labctl: Labctl, tmp_path: Path, name: str) -> None:
    labctl.lab = labctl.lab.rename(tmp_path / name)
    for words in (("exec", "--", "true"), ("ssh", "docker-node1")):
        _, err = labctl(*words, code=2)
        assert "rename the folder" in err
    assert not (labctl.lab / ".labctl").exists()


@needs_client
def test_in_a_lab_with_one_node_its_name_may_be_left_out(labctl: Labctl) -> None:
    one_node(labctl.lab)
    assert labctl("ssh", "--", "echo", "hi")[0] == "hi\n"
    assert labctl("ssh", "docker-node1", "--", "echo", "hi")[0] == "hi\n"


def test_which_node_must_be_said_where_there_are_several(labctl: Labctl) -> None:
    assert "docker-node1, docker-node2, docker-node3" in labctl("ssh", code=2)[1]
    assert "no node 'echo'" in labctl("ssh", "--", "echo", "hi", code=2)[1]


def test_without_a_client_commands_work_and_a_shell_names_the_package(labctl: Labctl) -> None:
    labctl.environment["PATH"] = str(labctl.lab)
    assert labctl("ssh", "docker-node1", "echo hi; exit 4", code=4)[0] == "hi\n"
    assert "install the OpenSSH client" in labctl("ssh", "docker-node1", code=2)[1]


def test_exec_runs_everywhere_and_names_the_node_before_each_line(labctl: Labctl) -> None:
    out, err = labctl("exec", "--", "printf", "%s\n", "a  b", "$HOME")
    assert sorted(out.splitlines()) == sorted(
        f"docker-node{number} | {line}" for number in (1, 2, 3) for line in ("a  b", "$HOME")
    )
    assert err == ""
    out, err = labctl(
        "exec", "-l", "docker-node[12]", "echo $0 | wc -l; printf x >&2; exit 3", code=1
    )
    assert sorted(out.splitlines()) == ["docker-node1 | 1", "docker-node2 | 1"]
    assert "docker-node1 | x" in err
    assert "docker-node2: exit code 3" in err


def test_exec_on_one_node_ends_with_its_exit_code(labctl: Labctl) -> None:
    labctl("exec", "--limit", "docker-node3", "exit 5", code=5)


def process(labctl: Labctl, *words: str, stdout: int) -> subprocess.Popen[bytes]:
    """Start the whole of labctl."""
    return subprocess.Popen(
        [sys.executable, "-m", "labctl.cli.main", "-C", str(labctl.lab), *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=labctl.environment,
    )


@pytest.mark.parametrize("where", [[], ["--sudo"], ["--limit", "docker-node1"]])
def test_exec_ends_quietly_when_nobody_reads_on(labctl: Labctl, where: list[str]) -> None:
    line = "while echo line; do sleep 0.01; done"
    running = process(labctl, "exec", *where, line, stdout=subprocess.PIPE)
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().endswith(b"| line\n")
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
def test_exec_reports_once_that_its_output_cannot_be_written(labctl: Labctl) -> None:
    with Path("/dev/full").open("wb") as full:
        running = process(labctl, "exec", "echo line", stdout=full.fileno())
        with running:
            assert running.stderr is not None
            said = running.stderr.read().decode()
            assert running.wait(60) != 0
    assert said.count("the output cannot be written: No space left on device") == 1
    assert "connection" not in said


def test_a_node_that_goes_down_under_a_command_is_no_exit_code(sshd: Sshd) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    with sshd.connection() as connection:
        assert connection.stream("echo 1; kill -9 $$", out.append, err.append) == 255
        with pytest.raises(RemoteError, match="connection broke") as caught:
            # What serves this session on the node.
            connection.stream("echo 2; sleep 1; kill -9 $PPID; sleep 5", out.append, err.append)
        assert caught.value.hint
    assert b"".join(out) == b"1\n2\n"


def test_exec_as_json(labctl: Labctl) -> None:
    out, _ = labctl("exec", "--json", "--sudo", "id -u; echo err >&2; printf '\\377'")
    found = lines_of(out)
    assert [one["node"] for one in found] == ["docker-node1", "docker-node2", "docker-node3"]
    for one in found:
        assert (one["exit_code"], one["stdout"], one["stderr"]) == (0, "0\n\ufffd", "err\n")
        assert one["seconds"] >= 0


def test_exec_continues_if_a_node_is_unreachable(labctl: Labctl) -> None:
    spec = labctl.lab / "lab.yaml"
    machines = json.loads(spec.read_text())
    machines["machines"][1]["port"] = 9
    spec.write_text(json.dumps(machines))
    out, err = labctl("exec", "echo hi", code=1)
    assert sorted(out.splitlines()) == ["docker-node1 | hi", "docker-node3 | hi"]
    assert "docker-node2: 127.0.0.1:9 does not answer" in err


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are no files there")
@pytest.mark.parametrize("words", [["exec", "echo hi"], ["status"], ["scp", "{lab}", "all:{to}"]])
def test_few_open_files_mean_few_nodes_at_once(
    labctl: Labctl, tmp_path: Path, words: list[str]
) -> None:
    command = [word.format(lab=labctl.lab / "lab.yaml", to=tmp_path / "copy") for word in words]
    done = subprocess.run(
        [
            "sh",
            "-c",
            'ulimit -n 45; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "labctl.cli.main",
            "-C",
            str(labctl.lab),
            *command,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env=labctl.environment,
    )
    assert done.returncode == 0, done.stderr
    assert "lab: 2 nodes at once instead of 3" in done.stderr
    assert all(f"docker-node{number}" in done.stdout for number in (1, 2, 3))


def test_scp_reports_its_work_and_the_right_exit_code(labctl: Labctl, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * 3000)
    out, err = labctl("scp", "-r", "-p", str(tmp_path / "f"), f"docker-node1:{tmp_path}/g")
    assert out.startswith("docker-node1: 1 file, 3.0 kB in ")
    assert err == ""
    out, _ = labctl("scp", "--json", f"docker-node1:{tmp_path}/none", str(tmp_path), code=1)
    (found,) = lines_of(out)
    assert not found["ok"]
    assert "No such file" in found["error"]["message"]


def test_doctor_prints_columns_and_json(labctl: Labctl) -> None:
    out, _ = labctl("doctor", "--offline")
    assert out.splitlines()[-1] == "no problems found" or "to be looked at" in out
    found = lines_of(labctl("doctor", "--offline", "--json")[0])
    assert {one["what"] for one in found} == {"ssh", "endpoints", "machines"}
