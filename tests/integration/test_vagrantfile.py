"""The real Vagrant reads every golden Vagrantfile and each course, its provider's blocks included.

A start of Vagrant takes a second, so they run side by side, before the first test asks.
"""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.machines import providers, vagrantfile
from tests.courses import COURSES, load

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.Vagrantfile"))

pytestmark = [
    pytest.mark.needs("vagrant"),
    pytest.mark.skipif(os.name != "posix", reason="VirtualBox's stand-in is a shell script"),
]

# Vagrant asks VirtualBox for its version before it looks at the provider's block, and for nothing
# else; and whether the kernel could serve NFS. So both are checked on machines without them too.
STAND_INS = {
    "VBoxManage": "#!/bin/sh\necho 7.0.14r161095\n",
    "modinfo": "#!/bin/sh\nexit 0\n",
}

OWN_FILES = {
    "setup.sh": "#!/bin/sh\ntrue\n",
}
"""Files of the user's that a golden Vagrantfile names."""


def _validate(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return the output of `vagrant validate` for a Vagrantfile, in its own home and folder."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, script in STAND_INS.items():
        (programs / name).write_text(script, "utf-8")
        (programs / name).chmod(0o755)
    # Vagrant wants the folders of the host to be there.
    host = folder / "anna"
    for name in ("it's #{mine}", "web", "off", "lab"):
        (host / name).mkdir(parents=True)
    text = text.replace("/home/anna", str(host))
    if 'provider "libvirt"' in text:
        # vagrant-libvirt looks for the interface of a public network on this computer, through a
        # running libvirt.
        text = re.sub(r"(?m)^.*\bpublic_network\b.*\n", "", text)
    for name, script in OWN_FILES.items():
        (folder / name).write_text(script, "utf-8")
    (folder / "Vagrantfile").write_text(text, "utf-8")
    provider = "libvirt" if 'provider "libvirt"' in text else "virtualbox"
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        "VAGRANT_HOME": str(folder / "home"),
        "VAGRANT_CWD": str(folder),
        "VAGRANT_DEFAULT_PROVIDER": provider,
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["vagrant", "validate", *options],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    done = run()
    if "could not be found" in done.stderr:  # vagrant-libvirt is not installed here
        return run("--ignore-provider")
    return done


@pytest.fixture(scope="module")
def verdicts(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Vagrant's verdict on each golden file, each course, and two that are wrong."""
    home = tmp_path_factory.mktemp("vagrant")
    texts = {file.stem: file.read_text("utf-8") for file in GOLDEN}
    for course in COURSES:
        folder = home / f"{course.stem}-course"
        folder.mkdir()
        lab = load(course, folder)
        provider = providers.get("virtualbox")
        texts[course.stem] = vagrantfile.vagrantfile(lab, provider, (packaged("templates"),))
    texts["wrong-key"] = texts["course"].replace("vbox.memory", "vbox.memroy")
    texts["wrong-ruby"] = texts["course"].replace("do |config|", "do |config")
    with ThreadPoolExecutor(max_workers=4) as pool:
        results = pool.map(lambda name: _validate(texts[name], home / name), texts)
        return dict(zip(texts, results, strict=True))


@pytest.mark.parametrize("name", [file.stem for file in (*GOLDEN, *COURSES)])
def test_vagrant_takes_it(name: str, verdicts: dict[str, subprocess.CompletedProcess[str]]) -> None:
    done = verdicts[name]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"), [("wrong-key", "memroy"), ("wrong-ruby", "syntax error")]
)
def test_vagrant_reports_mistakes(
    name: str, message: str, verdicts: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    done = verdicts[name]
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
