"""How free space is overwritten, on a real file system of 64 MiB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.config.packaged import packaged

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for Linux nodes")

# Small files, because a block that lies among others is the one that `fstrim` alone would leave.
WRITE = """\
set -e
truncate -s 64M disk
mkfs.ext4 -q -F disk
mkdir -p at
mount -o loop disk at
for n in $(seq 200); do echo "a secret of the baker, number $n" >at/$n; done
echo "a file of the baker" >at/kept
sync
rm at/[0-9]*
sync
"""
END = """
device=$(findmnt -n -o SOURCE at)
echo 0 >"/sys/fs/ext4/${device##*/}/reserved_clusters"
wipe at
cat at/kept
ls -A at
umount at
"""


def test_nothing_of_a_removed_file_is_left_on_the_disk(tmp_path: Path) -> None:
    text = (packaged("playbooks") / "seal" / "finish.sh").read_text("utf-8")
    functions = re.findall(r"^(?:zeros|wipe)\(\) \{.*?^\}\n", text, re.M | re.S)
    assert len(functions) == 2

    def run(script: str) -> str:
        line = ["unshare", "--mount", "--propagation=private", "sh", "-c", script]
        return subprocess.check_output(line, cwd=tmp_path, text=True)

    run(WRITE + "umount at")
    disk = tmp_path / "disk"
    assert disk.read_bytes().count(b"a secret of the baker") >= 200
    said = run(WRITE + "".join(functions) + END).splitlines()
    assert said[-3:] == ["a file of the baker", "kept", "lost+found"]
    assert all(re.fullmatch(r"wiped \d+", line) for line in said[:-3])
    data = disk.read_bytes()
    assert b"a secret of the baker" not in data
    assert b"a file of the baker" in data
