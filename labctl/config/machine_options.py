"""Vagrant's options as keys of lab.yaml, for all nodes or for one.

`LabSpec` and `NodeSpec` both have the keys of `MachineOptions`. `labctl.config.node_options` merges
them for each node, `labctl.config.option_checks` checks them. These keys are data: none starts a
program on this computer. Only `vagrantfile` names a program, on purpose.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from labctl.config import patterns
from labctl.config.faults import Refused
from labctl.config.patterns import Pattern
from labctl.config.values import Between, HostPath, IPv4, Is, Loose, Part, Port, named
from labctl.messages import msg

_SHORT_PORT = (
    r"((?P<ip>[0-9.]+):)?(?P<host>[0-9]{1,5}):(?P<guest>[0-9]{1,5})(/(?P<protocol>[a-z]+))?"
)

INTERFACE = Pattern(
    r"[A-Za-z0-9][A-Za-z0-9 .:#()_®-]{0,99}",
    "the name of a network interface of this computer, such as eno1 or 'en0: Wi-Fi'",
)
SNIPPET_NAME = Pattern(
    r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}", "a name: letters, digits, spaces, '.', '_' and '-'"
)


def _port_in_short(value: object) -> object:
    """Return the mapping that ``HOST:GUEST`` stands for, as docker-compose writes ports."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    found = re.fullmatch(_SHORT_PORT, str(value))
    if found is None:
        raise Refused(
            msg("must be HOST:GUEST such as '8080:80', is {value}", value=patterns.shown(value)),
            msg("or write a mapping with 'host' and 'guest'"),
        )
    given = {key: part for key, part in found.groupdict().items() if part is not None}
    numbers = {key: int(given.pop(key)) for key in ("host", "guest")}
    return {{"ip": "host_ip"}.get(key, key): part for key, part in given.items()} | numbers


class ForwardedPort(Part):
    """A port of this computer that leads to a port of a node."""

    guest: Port = Field(description="Port on the node.", examples=[80])
    host: Annotated[
        int,
        Between(
            1024,
            65535,
            msg("only an administrator may use a port below 1024; use one such as 8080"),
        ),
    ] = Field(
        description="Port on this computer. Under the lab's own forwarded_ports, this is the port "
        "of the first node; the second node gets the next number, and so on.",
        examples=[8080],
    )
    protocol: Literal["tcp", "udp"] = Field(
        default="tcp", description="tcp or udp; libvirt has tcp only.", examples=["tcp"]
    )
    host_ip: IPv4 = Field(
        default="127.0.0.1",
        description="Address of this computer to listen on. 0.0.0.0 opens the port to everybody "
        "in the room.",
        examples=["0.0.0.0"],
    )


class FurtherNetwork(Part):
    """A network interface of a node beside the one in the lab's network.

    With a bridge it is in the room's own network (Vagrant: public_network), else in a network of
    the nodes and this computer (private_network).
    """

    network: Annotated[str, Is(patterns.NETWORK)] | None = Field(
        default=None,
        description="A private network of the nodes and this computer. With bridge: the range of "
        "the room's network, which is needed for an address.",
        examples=["192.168.57.0/24"],
    )
    address: IPv4 | None = Field(
        default=None,
        description="Address of the node in it. Default: 10 plus the node's position; with bridge, "
        "DHCP chooses.",
        examples=["192.168.57.20"],
    )
    bridge: Annotated[str, Is(INTERFACE)] | None = Field(
        default=None,
        description="Interface of this computer that leads to the room's own network, which the "
        "node joins.",
        examples=["eno1"],
    )


class Snippet(Part):
    """A shell script that Vagrant runs on a node after its boot, before labctl's playbooks."""

    inline: Annotated[str, Is(Pattern(r"[^\x00\r\ud800-\udfff]+", "a script"))] | None = Field(
        default=None, description="The script.", examples=["timedatectl set-timezone Asia/Shanghai"]
    )
    file: HostPath | None = Field(
        default=None,
        description="File with the script, relative to lab.yaml; give this or inline.",
        examples=["setup.sh"],
    )
    run: Literal["once", "always"] = Field(
        default="once",
        description="once: when the machine is created, and again if its first start failed. "
        "always: at each start.",
        examples=["always"],
    )
    privileged: bool = Field(
        default=True, description="Run it as root; false: as the login user.", examples=[False]
    )


class MachineOptions(Part):
    """Options of virtual machines: of all nodes, or of one."""

    forwarded_ports: Annotated[
        tuple[Annotated[ForwardedPort, BeforeValidator(_port_in_short, str | ForwardedPort)], ...],
        Loose,
    ] = Field(
        default=(),
        description="Ports of this computer that lead to nodes: HOST:GUEST, or a mapping.",
        examples=[["8080:80"]],
    )
    networks: Annotated[tuple[FurtherNetwork, ...], Loose, Field(max_length=6)] = Field(
        default=(),
        description="Further network interfaces, after the one in the lab's network.",
        examples=[[{"network": "192.168.57.0/24"}, {"bridge": "eno1"}]],
    )
    disk: Annotated[int, Between(8, 2048, msg("in GiB"))] | None = Field(
        default=None,
        description="Size of the disk in GiB. labctl grows the root file system to it. A disk can "
        "grow, but not shrink. Default: the box's.",
        examples=[80],
    )
    gui: bool | None = Field(
        default=None,
        description="Show the machine's screen: a window with VirtualBox, VNC on this computer "
        "with libvirt. Default: no screen.",
        examples=[True],
    )
    nested: bool | None = Field(
        default=None,
        description="Let the node run virtual machines itself. Default: false.",
        examples=[True],
    )
    provider_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Further settings of a provider, by its name. virtualbox: options of "
        "`VBoxManage modifyvm`, without the dashes. libvirt: settings of vagrant-libvirt.",
        examples=[{"virtualbox": {"vram": 32}, "libvirt": {"cpu_mode": "host-passthrough"}}],
    )
    provision: Annotated[tuple[Annotated[Snippet, named(Snippet, "inline")], ...], Loose] = Field(
        default=(),
        description="Shell scripts that Vagrant runs after a node's boot, before the playbooks: "
        "the script, or a mapping.",
        examples=[["timedatectl set-timezone Asia/Shanghai"]],
    )
