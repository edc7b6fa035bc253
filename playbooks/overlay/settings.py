"""Keys of lab.yaml for networks across nodes: with etcd or Swarm."""

from collections.abc import Iterator
from typing import Literal

from labctl.config.keys import Fault, Field, LabSpec, Part, msg

NO_CLUSTER_STORE = 23
"""The first major version of the engine that has no external store for overlay networks."""


class Settings(Part):
    """The playbook's keys of lab.yaml."""

    overlay: Literal["auto", "etcd", "swarm"] = Field(
        default="auto",
        description="How networks across nodes work: etcd (engines before 23.0) or swarm; auto "
        "decides by the engine. Enable them with the playbook overlay.",
        examples=["swarm"],
    )


def mode(lab: LabSpec) -> Literal["etcd", "swarm"]:
    """Return how networks reach across nodes."""
    chosen = lab.settings(Settings).overlay
    if chosen != "auto":
        return chosen
    return "etcd" if lab.resolved_toolchain.engine_major < NO_CLUSTER_STORE else "swarm"


def check(lab: LabSpec) -> Iterator[Fault]:
    chain = lab.resolved_toolchain
    if lab.settings(Settings).overlay == "etcd" and chain.engine_major >= NO_CLUSTER_STORE:
        message = msg(
            "engine {docker} has no overlay networks with etcd (removed in 23.0)",
            docker=chain.docker,
        )
        yield Fault(("overlay",), message, msg("use swarm, or auto"), ("toolchain",))
    if "overlay" not in lab.playbooks:
        return
    if lab.machines is not None:
        for index, machine in enumerate(lab.lab_nodes):
            if machine.address is None:
                message = msg("the playbook overlay needs the machine's address in the lab")
                yield Fault(("machines", index), message, msg("add address: …"), ("playbooks",))
    for key in sorted({"cluster-store", "cluster-advertise"} & lab.docker.daemon.keys()):
        message = msg("is set by the playbook overlay")
        yield Fault(("docker", "daemon", key), message, msg("leave it out"), ("playbooks",))
