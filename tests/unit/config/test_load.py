"""From file and flags to a lab: which wins, and what each problem is named by."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from labctl.config import load as specfile
from labctl.config.endpoints import DOCKER_FINGERPRINT
from labctl.config.load import load
from labctl.config.overrides import Override
from labctl.config.schema import json_schema
from labctl.errors import SpecError, UsageError
from labctl.machines.providers import faults_of


def write(folder: Path, text: str) -> Path:
    file = folder / "lab.yaml"
    file.write_text(text, "utf-8")
    return file


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    missing = tmp_path / "lab.yaml"
    assert load(missing) == load(None, folder=tmp_path) == load(write(tmp_path, ""))


def test_a_required_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read") as caught:
        load(tmp_path / "lab.yaml", required=True)
    assert "labctl init" in caught.value.hint


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("docker-lab", "docker-lab"),
        ("My Lab (2)", "my-lab-2"),
        ("2026_course", "lab-2026-course"),
        ("实验", "lab"),
        ("a" * 80, "a" * 40),
    ],
)
def test_a_lab_is_named_after_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    home = tmp_path / folder
    home.mkdir()
    assert load(home / "lab.yaml").name == name


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "nodes: lots\nmemory: 512\ndocker: {users: [anna]}\n")
    spec = load(
        file,
        {"nodes": Override(3, "--nodes"), "docker.mirrors": Override(["http://a"], "--mirror")},
    )
    assert spec.nodes == 3
    assert spec.memory == 512
    assert spec.docker.users == ("anna",)
    assert spec.docker.mirrors == ("http://a",)


def test_a_problem_of_a_flag_names_the_flag(tmp_path: Path) -> None:
    file = write(tmp_path, "nodes: 2\nmemory: lots\n")
    with pytest.raises(SpecError) as caught:
        load(file, {"nodes": Override(1000, "--nodes")})
    assert [(p.where, p.line) for p in caught.value.problems] == [("memory", 2), ("--nodes", None)]


def test_a_flag_that_only_makes_sense_with_vagrant(tmp_path: Path) -> None:
    file = write(tmp_path, "machines:\n  - {name: a, host: a.example}\n")
    with pytest.raises(SpecError) as caught:
        load(file, {"provider": Override("libvirt", "--provider")}, further=faults_of)
    assert [problem.where for problem in caught.value.problems] == ["--provider"]


def test_without_a_file_the_flags_are_the_source() -> None:
    with pytest.raises(SpecError, match="the command line: 1 problem"):
        load(None, {"nodes": Override(0, "--nodes")})


def test_paths_of_the_host_begin_at_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    (tmp_path / "src").mkdir()
    spec = load(write(tmp_path, "synced_folders: [{host: src, guest: /src}]\n"))
    assert spec.synced_folders[0].host == (tmp_path / "src").as_posix()
    machines = "machines:\n- {name: a, host: a, key: ~/k}\n- {name: b, host: b, key: keys/k}\n"
    keys = [machine.key for machine in load(write(tmp_path, machines)).machines or ()]
    assert keys == [(home / "k").as_posix(), (tmp_path / "keys/k").as_posix()]


def test_aliases_and_merge_keys_are_followed(tmp_path: Path) -> None:
    text = "nodes:\n- &big {name: a, memory: 4096}\n- {<<: *big, name: b}\n"
    assert [node.memory for node in load(write(tmp_path, text)).lab_nodes] == [4096, 4096]


def test_a_file_of_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(SpecError) as caught:
        load(write(tmp_path, "\n".join(lines)))
    assert "too large" in caught.value.problems[0].message


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_bytes(b"\xef\xbb\xbfnodes: 1\r\nmemory: 512\r\n")
    assert load(file).nodes == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("toolchain: {compose: 1.25}", 'quotes, or YAML reads a number: "1.25"'),
        ("linked_clone: yes", "only true and false"),
        ("provider: virtualbx", "did you mean 'virtualbox'?"),
        ("network: 192.168.56.7/24", "the network itself is 192.168.56.0/24"),
        ("toolchain: cours", "course, latest-el7"),
        ("docker: {daemon: {registry-mirrors: []}}", "docker.mirrors"),
        ("docker: {daemon: {log-opts: {max-file: 3}}}", "requires quotes"),
        ('toolchain: {compose: "1.2.3"}', "sources.compose.sha256"),
        ("nodes: 1000", "one computer runs at most 50"),
        ("colour: blue", "available: boot_timeout, box"),
    ],
)
def test_hints(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(write(tmp_path, text), further=faults_of)
    assert hint in caught.value.problems[0].hint


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    json.dumps(schema)
    models: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
    for model in models:
        assert model["additionalProperties"] is False
        for name, key in model["properties"].items():
            assert key.get("description"), name


def test_editors_take_what_labctl_takes() -> None:
    parts = json_schema()["$defs"]
    print_ = parts["DockerSource"]["properties"]["fingerprint"]["pattern"]
    for text in (DOCKER_FINGERPRINT, "060A 61C5 1B55 8A7F 742B  77AA C52F EB6B 621E 9F35"):
        assert re.search(print_, text)
    assert not re.search(print_, DOCKER_FINGERPRINT[1:])
    guest = parts["SyncedFolder"]["properties"]["guest"]["pattern"]
    assert re.search(guest, "/srv/labs")
    assert not re.search(guest, "srv/labs")


def test_a_mirror_loses_its_final_slash(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text('sources: {mirrors: ["https://m.example/", "https://n.example"]}\n')
    assert specfile.load(file).sources.mirrors == ("https://m.example", "https://n.example")


def test_the_home_of_nobody_is_a_folder_beside_lab_yaml(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("machines: [{name: a, host: 10.0.0.1, key: ~no-such-user/key}]\n")
    (machine,) = specfile.load(file).machines or ()
    assert machine.key == (tmp_path / "~no-such-user/key").as_posix()


def test_the_patterns_of_the_schema_are_the_ones_that_are_checked() -> None:
    label = json_schema()["properties"]["name"]["pattern"]
    assert re.search(label, "docker-lab")
    assert not re.search(label, 'x"; system("touch /tmp/p") #')
