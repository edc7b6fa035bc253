"""The playbooks' own checks on a fake node: what passes and what fails."""

from __future__ import annotations

import base64
import http.server
import importlib.util
import os
import shlex
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.config.packaged import packaged

Answer = Callable[[str], str]


class Host:
    """A node, as testinfra has it.

    Parameters:
        answer: returns the stdout of a command line.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def run(self, command: str, *arguments: str) -> SimpleNamespace:
        line = command % tuple(map(shlex.quote, arguments)) if arguments else command
        return SimpleNamespace(rc=0, stdout=self._answer(line), stderr="")

    def check_output(self, command: str, *arguments: str) -> str:
        return str(self.run(command, *arguments).stdout).rstrip("\n")


def checks(playbook: str) -> Any:
    """Return the module of a shipped playbook's checks."""
    path = packaged("playbooks") / playbook / "verify.py"
    spec = importlib.util.spec_from_file_location(f"checks_of_{playbook}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- registry


@pytest.mark.needs("sh", "curl")
@pytest.mark.parametrize("password", ["another-secret", 'ab"cdef', "back\\slash\\", "a'b$(c)%s"])
def test_the_password_reaches_the_registry_whatever_it_holds(password: str) -> None:
    seen: list[str] = []

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def shell(line: str) -> str:
        plain = line.replace("https://", "http://")
        environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        done = subprocess.run(
            ["sh", "-c", plain], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    with http.server.HTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        login = {"address": address, "user": "student", "password": password}
        checks("registry").test_password_opens_it(Host(shell), {"registry": login})
        server.shutdown()
    assert seen == [f"Basic {base64.b64encode(f'student:{password}'.encode()).decode()}"]


# -- compose-app


def test_what_somebody_ran_once_is_not_the_application() -> None:
    def answer(line: str) -> str:
        if "docker ps" in line:
            return "web\n" if "label=com.docker.compose.oneoff=False" in line else "web\nrun\n"
        return "/app_web_1 running 0\n" if line.endswith("web") else "/app_web_run_1 exited 1\n"

    app = {"node": "a", "project": "app", "folder": "/srv/app"}
    check = checks("compose_app").test_every_container_is_up
    check(Host(answer), {"name": "a", "compose_app": app})


# -- overlay


def swarm(*seen: str) -> tuple[Host, dict[str, Any]]:
    """Return the manager of a swarm in which these nodes are seen, and the lab's wishes."""

    def answer(line: str) -> str:
        if "node inspect" in line:
            return "".join(f"{one}\n" for one in seen)
        return "room4-07 Ready\nroom4-08 Ready\n"

    return Host(answer), {
        "name": "pc1",
        "nodes": {"pc1": "10.20.0.11", "pc2": "10.20.0.12"},
        "overlay": {"mode": "swarm", "manager": "pc1"},
    }


@pytest.mark.parametrize("own", ["10.20.0.11", "0.0.0.0", "127.0.0.1"])
def test_the_nodes_of_a_swarm_are_known_by_their_addresses(own: str) -> None:
    host, wanted = swarm(f"ready {own} 10.20.0.11:2377", "ready 10.20.0.12 ")
    checks("overlay").test_manager_sees_every_node(host, wanted)


@pytest.mark.parametrize(
    "other", ["down 10.20.0.12 ", "unknown 10.20.0.12 ", "ready 10.20.0.13 ", ""]
)
def test_a_node_that_a_swarm_has_not_is_missed(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    host, wanted = swarm("ready 0.0.0.0 10.20.0.11:2377", *filter(None, [other]))
    module = checks("overlay")
    monkeypatch.setattr(module, "SECONDS", 0)
    with pytest.raises(AssertionError, match="not ready: pc2"):
        module.test_manager_sees_every_node(host, wanted)


# -- etcd


def test_a_member_of_the_store_that_is_not_healthy_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = checks("etcd")
    monkeypatch.setattr(module, "SECONDS", 0)
    wanted = {"etcd": {"mode": "etcd", "members": {"one": "10.0.0.1", "two": "10.0.0.2"}}}
    module.test_store_is_healthy(Host(lambda _: '{"health": "true"}'), wanted)
    sick = Host(lambda line: f'{{"health":"{str("10.0.0.1" in line).lower()}"}}')
    with pytest.raises(AssertionError, match="not healthy: two"):
        module.test_store_is_healthy(sick, wanted)


# -- repos

LABCTLS = "".join(
    f"[{name}]\nbaseurl=https://a/?x=y\nenabled=1\ngpgcheck=1\n\n"
    for name in ("base", "updates", "extras")
)


def repositories(tmp_path: Path, **files: str) -> Host:
    """Return a node with these files in /etc/yum.repos.d."""
    folder = tmp_path / "yum.repos.d"
    folder.mkdir()
    (tmp_path / "yum.conf").write_text(files.pop("conf", "[main]\nkeepcache=0\ngpgcheck=1\n"))
    for name, text in files.items():
        (folder / f"{name}.repo").write_text(text)

    def answer(line: str) -> str:
        plain = line.replace("/etc/", f"{shlex.quote(str(tmp_path))}/")
        return subprocess.run(
            ["sh", "-c", plain], capture_output=True, text=True, check=True
        ).stdout

    return Host(answer)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="as labctl wrote it"),
        pytest.param({"base": LABCTLS.replace("gpgcheck=1\n", "")}, id="by yum.conf's default"),
        pytest.param({"room": "[room]\nenabled=1\ngpgcheck=0"}, id="a room's own"),
        pytest.param({"old": "[base]\nenabled = 0\ngpgcheck=0\n"}, id="one that is off"),
    ],
)
def test_signed_repositories(tmp_path: Path, files: dict[str, str]) -> None:
    host = repositories(tmp_path, **{"base": LABCTLS, **files})
    checks("repos").test_repositories_of_centos_check_signatures(host)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"base": LABCTLS.replace("gpgcheck=1", "gpgcheck=0", 1)}, id="one unsigned"),
        pytest.param({"near": "[updates]\ngpgcheck=0\n"}, id="again in another file"),
        pytest.param(
            {"base": LABCTLS.replace("gpgcheck=1\n", ""), "conf": "[main]\n"}, id="no default"
        ),
        pytest.param({"base": LABCTLS.replace("enabled=1", "enabled=0", 1)}, id="one that is off"),
    ],
)
def test_unsigned_repositories(tmp_path: Path, files: dict[str, str]) -> None:
    host = repositories(tmp_path, **{"base": LABCTLS, **files})
    with pytest.raises(AssertionError):
        checks("repos").test_repositories_of_centos_check_signatures(host)


KEY = "pub:-:4096:1:24C6:2014-06-23:::-:CentOS-7 Key:\nfpr:::::::::{}:\nsub:-:4096:1:1:2014::::\n"


@pytest.mark.parametrize(
    ("shown", "good"),
    [
        (KEY.format("AA"), True),
        (KEY.format("AA") + "fpr:::::::::BB:\n", True),
        (KEY.format("BB") + "fpr:::::::::AA:\n", False),
        (KEY.format("AA") + KEY.format("BB"), False),
        ("", False),
    ],
)
def test_one_key_and_no_other(shown: str, good: bool) -> None:
    wanted = {"sources": {"vault": {"fingerprint": "AA"}}}
    check = checks("repos").test_key_is_the_expected_one
    if good:
        check(Host(lambda _: shown), wanted)
        return
    with pytest.raises(AssertionError):
        check(Host(lambda _: shown), wanted)
