"""The root file system fills the disk that `disk` in lab.yaml asks for.

The provider makes the disk larger, and nothing inside the machine knows. This playbook grows the
partition, what LVM has on it, and the file system, while they are in use. It runs by itself, after
`repos`, in labs that set `disk`.
"""

from labctl.playbook import (
    Command,
    LabSpec,
    Package,
    Packages,
    Play,
    Plays,
    SecretStore,
    shell_script,
)


def play(play: Play) -> Plays:
    sizes = {node.name: node.disk for node in play.lab.node_options}
    if sizes.get(play.node.name) is None:
        return
    yield Packages((Package("cloud-utils-growpart"),))
    yield Command(
        "grow the root file system to the size of the disk",
        check=shell_script(__file__, "place.sh", "grown.sh"),
        apply=shell_script(__file__, "place.sh", "grow.sh"),
    )


def expected(lab: LabSpec, _: SecretStore) -> dict[str, int]:
    """Return the size in GiB that each node's disk was given."""
    return {node.name: node.disk for node in lab.node_options if node.disk is not None}
