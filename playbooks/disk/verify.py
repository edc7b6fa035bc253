"""The root file system is as large as lab.yaml says."""

from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure


@on_failure("the root file system does not use the whole disk", needs_engine=False)
def test_root_file_system_fills_the_disk(host: Host, wanted: dict[str, Any]) -> None:
    """the root file system has the size that lab.yaml sets with disk

    A boot partition, swap and the file system's own structures take some of it.
    """
    size = wanted["disk"].get(wanted["name"])
    if size is None:
        return
    kilobytes = int(host.check_output("df -P -k / | awk 'NR == 2 { print $2 }'"))
    found = kilobytes / (1 << 20)
    assert found >= size * 0.8, msg("{found:.0f} GiB instead of {size} GiB", found=found, size=size)
