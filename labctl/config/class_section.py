"""`class:` of lab.yaml: a lab for each of many students."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag, create_model

from labctl.config import patterns, roster
from labctl.config.patterns import Pattern
from labctl.config.values import Between, HostPath, Is, Label, Loose, MiB, Part, Port
from labctl.messages import msg

_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
URI = Pattern(
    rf"qemu\+ssh://([A-Za-z_][A-Za-z0-9._-]{{0,63}}@)?{_NAME}(:[1-9][0-9]{{0,4}})?/system",
    "a libvirt URI such as qemu+ssh://lab@hv1.room/system",
)


def _count_or_file(value: object) -> str:
    return "(file)" if isinstance(value, str) else "(count)"


class LibvirtHost(Part):
    """A computer that runs machines of the class with libvirt, reached over ssh."""

    name: Label = Field(description="Name of the host, for messages.", examples=["hv1"])
    uri: Annotated[str, Is(URI)] = Field(
        description="How libvirt there is reached.", examples=["qemu+ssh://lab@hv1.room/system"]
    )
    memory: MiB | None = Field(
        default=None,
        description="Memory in MiB that the class may use there. Default: all that the host has "
        "and its other machines don't use.",
        examples=[60000],
    )
    key: HostPath | None = Field(
        default=None,
        description="Private key file for the host, relative to lab.yaml. Default: what ssh uses.",
        examples=["~/.ssh/hosts"],
    )
    parallel: Annotated[int, Between(1, 32)] = Field(
        default=4, description="How many students' labs are brought up there at once.", examples=[2]
    )


class Login(Part):
    """How labctl logs in at existing machines of a roster."""

    user: Annotated[str, Is(patterns.LOGIN)] | None = Field(
        default=None, description="Login user. Default: your own name.", examples=["teacher"]
    )
    port: Port = Field(default=22, description="Port of their ssh servers.", examples=[2222])
    key: HostPath | None = Field(
        default=None,
        description="Private key file, relative to lab.yaml. Default: the agent's keys and your "
        "usual ones.",
        examples=["~/.ssh/classroom"],
    )


class ClassSpec(Part):
    """The students of a class and the hosts of their machines."""

    students: Annotated[
        Annotated[
            int,
            Between(1, roster.MOST_STUDENTS, msg("or the name of a roster, a CSV file")),
            Tag("(count)"),
        ]
        | Annotated[HostPath, Tag("(file)")],
        Discriminator(_count_or_file),
    ] = Field(
        description="A roster: a CSV file with a line for each student: name, full name, host. Or "
        "a number: s01, s02, …",
        examples=["roster.csv"],
    )
    hosts: Annotated[tuple[LibvirtHost, ...], Loose, Field(max_length=50)] = Field(
        default=(),
        description="Computers that run the machines. Default: this computer.",
        examples=[[{"name": "hv1", "uri": "qemu+ssh://lab@hv1.room/system", "memory": 60000}]],
    )
    login: Login = Field(
        default_factory=Login,
        description="How labctl logs in at the hosts that the roster names.",
        examples=[{"user": "teacher"}],
    )


ClassKeys: type[Part] = create_model(
    "ClassKeys",
    __base__=Part,
    # A Python class cannot have this word as the name of a field.
    **{
        "class": (
            ClassSpec | None,
            Field(
                default=None,
                description="A class: a lab like this one for each student.",
                examples=[{"students": "roster.csv"}],
            ),
        )
    },
)  # type: ignore[call-overload]
"""The key `class` of lab.yaml."""
