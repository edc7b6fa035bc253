"""The testbed's machine as the box `centos/7` for VirtualBox, and a Vagrant home that has it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.testbed import stages
from tests.testbed.cache import Cache, Stage
from tests.testbed.names import BOX, BOX_VERSION
from tests.testbed.shell import run
from tests.vbox import ovf

_MAC = "525400C0FFEE"
_DISK = "box-disk001.vmdk"
# The guest is named, or Vagrant would ask an emulated machine a dozen questions at each boot to
# find out; rsync is what the real box's file names for the default folder too.
_VAGRANTFILE = f"""\
Vagrant.configure("2") do |config|
  config.vm.base_mac = "{_MAC}"
  config.vm.guest = :centos
  config.vm.synced_folder ".", "/vagrant", type: "rsync"
end
"""


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """A Vagrant home's box folder: `target`/{box.ovf,disk,metadata.json,Vagrantfile}.

    The disk is a plain VMDK: compressing it, as published boxes do, takes 20 s and helps nobody.
    """
    source = finished["box"] / "box.img"
    run("qemu-img", "convert", "-O", "vmdk", source, target / _DISK)
    size = json.loads(run("qemu-img", "info", "--output=json", source))["virtual-size"]
    (target / "box.ovf").write_text(ovf.text("centos7", _DISK, size))
    (target / "metadata.json").write_text(json.dumps({"provider": "virtualbox"}) + "\n")
    (target / "Vagrantfile").write_text(_VAGRANTFILE)


STAGE = Stage("virtualbox-box", build, (Path(__file__), Path(ovf.__file__)), ("box",))


def cached() -> Path:
    """The box's folder in the testbed's cache; built if the testbed's box is a newer one."""
    cache = Cache((*stages.STAGES, STAGE))
    if cache.missing():
        cache.build()
    return cache.folder(STAGE.name)


def add(box: Path, vagrant_home: Path) -> None:
    """Give a Vagrant home the box, beside those for other providers, without a network.

    Without a record of where it came from, Vagrant does not look for newer versions.
    """
    folder = vagrant_home / "boxes" / BOX.replace("/", "-VAGRANTSLASH-") / BOX_VERSION
    folder = folder / "virtualbox"
    folder.mkdir(parents=True)
    setup = vagrant_home / "setup_version"
    if not setup.exists():
        setup.write_text("1.5")
    for file in box.iterdir():
        try:
            os.link(file, folder / file.name)
        except OSError:  # another file system
            shutil.copy(file, folder / file.name)
