"""Synced folders: what auto means, which options are taken, and what is missing on this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labctl.config import synced_folders
from labctl.config.model import LabSpec
from labctl.config.sections import VaultSource
from labctl.config.validate import validate
from labctl.errors import SpecError
from labctl.lab import boot
from labctl.lab.boot import prepare
from labctl.machines import plugins, providers, vbguest
from labctl.machines.plugins import Plugin, additions_work, find, missing
from tests.unit.fakes import FakeLab, FakeMachines, lab_spec

FOLDER = {"host": ".", "guest": "/srv/labs"}


def one(type_: str = "auto", **raw: Any) -> Any:
    options = raw.pop("options", {})
    return lab_spec(synced_folders=[{**FOLDER, "type": type_, "options": options}], **raw)


# -- auto


@pytest.mark.parametrize(
    ("provider", "raw", "additions", "kind"),
    [
        ("virtualbox", {}, True, "rsync"),  # centos/7 has no Guest Additions
        ("virtualbox", {"vbguest": True}, True, "virtualbox"),
        ("virtualbox", {"vbguest": True}, False, "rsync"),  # the plugin would crash
        ("virtualbox", {"box": "bento/centos-7"}, True, "virtualbox"),
        ("virtualbox", {"box": "debian/bookworm64"}, True, "rsync"),
        ("virtualbox", {"box": {"name": "el7", "url": "file:///el7.box"}}, True, "rsync"),
        ("libvirt", {}, True, "rsync"),
        ("libvirt", {"vbguest": True}, True, "rsync"),
        ("libvirt", {"box": "generic/centos7"}, True, "rsync"),
    ],
)
def test_auto(provider: str, raw: dict[str, Any], additions: bool, kind: str) -> None:
    spec = one(**raw)
    (folder,) = spec.synced_folders
    assert (
        synced_folders.resolved(
            folder, spec, providers.get(provider).folder_types, additions=additions
        )
        == kind
    )


@pytest.mark.parametrize("kind", ["rsync", "virtualbox", "nfs", "sshfs", "9p", "disabled"])
def test_an_explicit_type_is_kept(kind: str) -> None:
    spec = one(kind)
    assert synced_folders.resolved(spec.synced_folders[0], spec, "libvirt") == kind


# -- options


@pytest.mark.parametrize(
    ("type_", "options", "said"),
    [
        ("rsync", {"rsync__exclude": [".git/", "*.iso"]}, ""),
        ("rsync", {"rsync__args": ["-av", "--delete", "--max-size=10m"]}, ""),
        ("auto", {"rsync__auto": False, "owner": "root", "create": True}, ""),
        ("nfs", {"nfs_version": "4.2", "map_uid": 1000, "mount_options": ["ro", "rsize=8192"]}, ""),
        ("9p", {"accessmode": "mapped", "mount": False}, ""),
        ("rsync", {"rsync__exclude": ".git/"}, "must be a list of strings, is '.git/'"),
        ("rsync", {"rsync__exclude": [1]}, "must be a list of strings, has 1"),
        ("rsync", {"rsync__exclude": ["a\nb"]}, "must be a string on one line"),
        ("rsync", {"rsync__auto": "yes"}, "must be true or false, is 'yes'"),
        ("nfs", {"map_uid": True}, "must be a whole number, is true"),
        ("nfs", {"nfs_version": 4}, "must be a string, is 4"),
        ("9p", {"accessmode": "open"}, "must be passthrough, mapped or squash"),
        ("rsync", {"nfs_udp": True}, "has no effect on a folder of type rsync"),
        ("virtualbox", {"rsync__auto": True}, "has no effect on a folder of type virtualbox"),
        ("rsync", {"colour": "red"}, "is not an option of a synced folder"),
        ("rsync", {"type": "nfs"}, "is not an option of a synced folder"),
        # What would start a program of its own, or end a word of somebody's shell.
        ("rsync", {"rsync__args": ["-e", "sh"]}, "that starts no program"),
        ("rsync", {"rsync__args": ["-ave"]}, "that starts no program"),
        ("rsync", {"rsync__args": ["--rsh=sh -c id"]}, "that starts no program"),
        ("rsync", {"rsync__args": ["--rsync-path=id"]}, "that starts no program"),
        ("rsync", {"rsync__args": ["-M--rsync-path=id"]}, "that starts no program"),
        ("virtualbox", {"mount_options": ["ro; id"]}, "must be an option of mount"),
        ("nfs", {"linux__nfs_options": ["rw)\n/ *(rw"]}, "must be an option of mount"),
        ("rsync", {"owner": "$(id)"}, "must be a user's or group's name"),
    ],
)
def test_options(type_: str, options: dict[str, Any], said: str) -> None:
    found = validate({"synced_folders": [{**FOLDER, "type": type_, "options": options}]})
    if not said:
        assert isinstance(found, LabSpec), found
        return
    assert not isinstance(found, LabSpec)
    (fault,) = found
    assert said in fault.message
    assert fault.path[:3] == ("synced_folders", 0, "options")


def test_rsync_never_takes_the_labs_state_along() -> None:
    spec = one(options={"rsync__exclude": [".git/"]})
    (folder,) = spec.synced_folders
    assert synced_folders.options(folder, "rsync") == {"rsync__exclude": [".labctl/", ".git/"]}
    assert synced_folders.options(folder, "virtualbox") == {}


# -- what the box cannot do


@pytest.mark.parametrize(
    ("type_", "raw", "additions", "words"),
    [
        ("virtualbox", {}, True, "no Guest Additions"),
        ("virtualbox", {"vbguest": True}, True, ""),
        ("virtualbox", {"vbguest": True}, False, "crashes"),
        ("virtualbox", {"box": "bento/centos-7"}, True, ""),
        ("virtualbox", {"box": {"name": "x", "url": "file:///x"}}, True, ""),
        ("9p", {}, True, "no 9p"),
        ("9p", {"box": "debian/bookworm64"}, True, ""),
        ("rsync", {}, True, ""),
    ],
)
def test_unfit(type_: str, raw: dict[str, Any], additions: bool, words: str) -> None:
    spec = one(type_, **raw)
    found = synced_folders.unfit(spec.synced_folders[0], spec, additions=additions)
    assert bool(found) is bool(words)
    assert found is None or (words in found[0] and "rsync" in found[1])


# -- what is missing here


def plugin(home: Path, name: str, ruby: str = "3.1.4") -> dict[str, str]:
    (home / "gems" / ruby / "gems" / name).mkdir(parents=True)
    return {"VAGRANT_HOME": str(home), "PATH": str(home / "bin")}


def test_plugins_of_the_user_and_of_the_system(tmp_path: Path) -> None:
    mine = plugin(tmp_path / "home", "vagrant-vbguest-0.32.0", "3.3.6")
    shared = tmp_path / "share"
    assert find("vagrant-vbguest", mine, shared) == Plugin((0, 32, 0), (3, 3, 6))
    assert find("vagrant", mine, shared) is None
    assert find("vagrant-libvirt", mine, shared) is None
    (shared / "rubygems-integration/all/gems/vagrant-libvirt-0.11.2").mkdir(parents=True)
    assert find("vagrant-libvirt", mine, shared) == Plugin((0, 11, 2))
    assert [name for name, _ in plugins.installed(mine, shared)] == [
        "vagrant-libvirt",
        "vagrant-vbguest",
    ]


@pytest.mark.parametrize(
    ("ruby", "works"), [("", True), ("3.1.4", True), ("3.2.0", False), ("3.3.6", False)]
)
def test_the_archived_plugin_crashes_on_a_new_ruby(tmp_path: Path, ruby: str, works: bool) -> None:
    environment = {"VAGRANT_HOME": str(tmp_path)}
    if ruby:
        environment = plugin(tmp_path, "vagrant-vbguest-0.32.0", ruby)
    assert additions_work(environment, tmp_path / "share") is works


@pytest.mark.parametrize(
    ("kind", "platform", "there", "remedy"),
    [
        ("rsync", "linux", "rsync", ""),
        ("rsync", "linux", "", "install rsync"),
        ("rsync", "darwin", "", "labctl scp"),
        ("rsync", "win32", "", "MSYS2"),
        ("sshfs", "linux", "vagrant-sshfs-1.3.7", ""),
        ("sshfs", "linux", "", "vagrant plugin install vagrant-sshfs"),
        ("nfs", "win32", "", "vagrant-winnfsd"),
        ("nfs", "win32", "vagrant-winnfsd-1.4.0", ""),
        ("nfs", "darwin", "", ""),
        ("virtualbox", "linux", "", ""),
        ("9p", "linux", "", ""),
        ("disabled", "win32", "", ""),
    ],
)
def test_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    platform: str,
    there: str,
    remedy: str,
) -> None:
    environment = plugin(tmp_path, there or "nothing-1.0")
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: f"/usr/bin/{name}" if name == there else None
    )
    found = missing(kind, environment, platform, tmp_path / "share")
    assert bool(found) is bool(remedy)
    assert found is None or remedy in found[1]


def test_nfs_needs_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (None, "/usr/sbin/exportfs"):
        monkeypatch.setattr(shutil, "which", lambda name, path=None, there=there: there)
        assert bool(missing("nfs", {}, "linux", tmp_path)) is (there is None)


def test_everything_missing_is_reported_before_a_machine_is_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins, "missing", lambda kind: ("not here", f"install {kind}"))
    both = [{**FOLDER, "type": "rsync"}, {"host": ".", "guest": "/srv/b", "type": "sshfs"}]
    lab = FakeLab(FakeMachines(), synced_folders=both)
    with pytest.raises(SpecError) as caught:
        prepare(lab, lab.fakes)
    assert [(p.where, p.hint) for p in caught.value.problems] == [
        ("synced_folders[0]", "install rsync"),
        ("synced_folders[1]", "install sshfs"),
    ]
    assert not lab.workspace.vagrantfile.exists()


@pytest.mark.parametrize("there", [True, False])
def test_vbguest_wants_its_plugin(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(plugins, "find", lambda *_: Plugin() if there else None)
    lab = FakeLab(FakeMachines(), vbguest=True)
    problems = list(boot.missing(lab, "virtualbox"))
    assert [problem.where for problem in problems] == ([] if there else ["vbguest"])
    assert list(boot.missing(lab, "libvirt")) == []


# -- the plugin's installer


@pytest.mark.needs("sh")
@pytest.mark.parametrize("release", ["CentOS Linux release 7.8.2003 (Core)", "Fedora", None])
def test_its_installer_is_pointed_at_the_vault(tmp_path: Path, release: str | None) -> None:
    vault = VaultSource(baseurl="https://mirror.example/a&b/centos-vault/7.9.2009/")
    (command,) = vbguest.commands(vault)
    (tmp_path / "yum.repos.d").mkdir()
    if release is not None:
        (tmp_path / "centos-release").write_text(release)
    subprocess.run(
        [
            "sh",
            "-c",
            command.replace("/etc/centos-", f"{tmp_path}/centos-").replace(
                "/etc/yum", f"{tmp_path}/yum"
            ),
        ],
        check=True,
    )
    file = tmp_path / "yum.repos.d" / "CentOS-Base.repo"
    assert file.exists() is bool(release and "7" in release)
    if file.exists():
        assert (
            "baseurl=https://mirror.example/a&b/centos-vault/7.9.2009/updates/$basearch/\n"
            in file.read_text()
        )
        assert file.read_text().count("gpgcheck=1") == 3
