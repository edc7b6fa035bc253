"""A throw-away copy of a machine of VirtualBox, made by the stand-in for VBoxManage."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import MachineError, UsageError
from labctl.machines import virtualbox_clone as module
from labctl.machines.clone import Machine
from labctl.machines.virtualbox_clone import VirtualBoxClone
from labctl.parallel import Stop
from labctl.remote.target import Target
from tests.vbox import cli, media, ovf
from tests.vbox.home import Home
from tests.vbox.registry import Registry


class Programs:
    """Runs the stand-in in this process, and notes what it cannot do here."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.calls: list[list[str]] = []

    def __call__(
        self,
        arguments: Any,
        stop: Stop,
        watch: Callable[[], object] = lambda: None,
        **_: Any,
    ) -> str:
        words = [str(word) for word in arguments][1:]
        self.calls.append(words)
        watch()
        if words[0] == "startvm":
            return ""
        if words[0] == "package":
            self._package(Path(words[words.index("--output") + 1]))
            return ""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run(self.home, words)
        if code:
            raise MachineError("failed", details=err.getvalue())
        return out.getvalue()

    def _package(self, file: Path) -> None:
        with tarfile.open(file, "w:gz") as tar:
            for name in ("metadata.json", "box.ovf", "include/_Vagrantfile"):
                entry = tarfile.TarInfo(f"./{name}")
                entry.size = 2
                tar.addfile(entry, io.BytesIO(b"{}"))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    home = Home.of({"VBOX_DOUBLE_HOME": str(tmp_path / "double")})
    programs = Programs(home)
    monkeypatch.setattr(module, "run", programs)
    monkeypatch.setattr(module, "find_program", lambda *_: "VBoxManage")
    monkeypatch.setattr(module, "find_vagrant", lambda: "vagrant")

    def copy(source: Path, target: Path, kind: str = "qcow2") -> None:
        target.write_text(f"{kind} of {source.read_text()}")

    monkeypatch.setattr(media, "convert", copy)
    monkeypatch.setattr(media, "info", lambda disk: {"virtual-size": 1 << 30})
    (tmp_path / "disk.vmdk").write_text("disk")
    file = tmp_path / "box.ovf"
    file.write_text(ovf.text("centos7", "disk.vmdk", 1 << 30))
    assert cli.run(home, ["import", str(file), "--vsys", "0", "--vmname", "lab-node1"]) == 0
    machine = Registry(home).find("lab-node1").uuid
    for words in (
        ["--nic2", "hostonly", "--hostonlyadapter2", "vboxnet0"],
        ["--natpf1", "ssh,tcp,127.0.0.1,2222,,22"],
        ["--natpf1", "web,tcp,127.0.0.1,8080,,80"],
    ):
        assert cli.run(home, ["modifyvm", machine, *words]) == 0
    shared = ["sharedfolder", "add", machine, "--name", "home", "--hostpath", str(tmp_path)]
    assert cli.run(home, shared) == 0
    return programs


@pytest.fixture
def clone(programs: Programs, tmp_path: Path) -> VirtualBoxClone:
    machine = Registry(programs.home).find("lab-node1").uuid
    (tmp_path / "copies" / "node1").mkdir(parents=True)
    target = Target("node1", "127.0.0.1", 2222, "vagrant")
    return VirtualBoxClone(Machine("node1", machine, tmp_path, "virtualbox", target, 1.0), Stop())


def ignore(done: int, size: int) -> None:
    pass


def test_the_copy_has_ssh_alone_and_the_machine_keeps_all(
    clone: VirtualBoxClone, programs: Programs
) -> None:
    registry = Registry(programs.home)
    before = registry.find("lab-node1")
    clone.check(1)
    clone.create(ignore)
    target = clone.start()
    copy = registry.find(clone.machine.copy_name)
    assert copy.base == ""  # a full clone: neither machine needs the other
    assert [slot for slot, nic in copy.hardware.nics.items() if nic.kind != "none"] == [1]
    (forward,) = copy.hardware.nics[1].forwards
    assert (forward.name, forward.host, forward.host_port) == ("ssh", "127.0.0.1", target.port)
    assert (target.host, target.user) == ("127.0.0.1", "vagrant")
    assert copy.shared == []
    assert registry.find("lab-node1") == before
    assert programs.calls[-1] == ["startvm", clone.machine.copy_name, "--type", "headless"]
    clone.wait_off()
    assert clone.disk(clone.machine.copies, ignore) == registry.disk(copy)
    clone.remove()
    clone.remove()
    assert [machine.name for machine in registry.all()] == ["lab-node1"]


def test_the_box_is_what_vagrant_packages(
    clone: VirtualBoxClone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Programs
) -> None:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    made_of = tmp_path / "home" / "boxes" / "b"
    made_of.mkdir(parents=True)
    (made_of / "Vagrantfile").write_text("# guest\n")
    clone.machine.folder.mkdir(parents=True)
    (clone.machine.folder / "box_meta").write_text('{"directory": "boxes/b"}')
    folder, disk = clone.machine.copies / "box", tmp_path / "disk.vmdk"
    folder.mkdir()
    clone.pack(disk, folder, ignore)
    (package,) = (call for call in programs.calls if call[0] == "package")
    assert package[1:3] == ["--base", clone.machine.copy_name]
    assert package[-2:] == ["--vagrantfile", str(made_of / "Vagrantfile")]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"metadata.json", "box.ovf", "include/_Vagrantfile"}
    assert [path.name for path in clone.machine.copies.iterdir()] == ["box"]


def test_a_second_disk_would_be_lost(
    clone: VirtualBoxClone, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = '"SATA Controller-0-0"="/v/a b.vdi"\n"SATA-1-0"="none"\n"IDE-0-1"="/v/x.iso"\n'
    monkeypatch.setattr(clone, "_about", lambda name: about)
    assert clone._disks("x") == [Path("/v/a b.vdi")]
    monkeypatch.setattr(clone, "_about", lambda name: about + '"SATA-2-0"="/v/data.vmdk"\n')
    with pytest.raises(UsageError, match="2 disks"):
        clone.check(1)


def test_an_error_of_virtualbox_is_not_taken_for_a_copy_that_is_gone(
    clone: VirtualBoxClone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> str:
        raise MachineError("failed", details="VBoxSVC does not answer")

    monkeypatch.setattr(clone, "_about", broken)
    with pytest.raises(MachineError):
        clone.remove()
