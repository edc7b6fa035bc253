"""What the author of a playbook needs, in one place; see `labctl.provision.play`.

A playbook imports nothing else of labctl. Names outside this module may change at any time.
"""

from __future__ import annotations

from labctl.provision.facts import Facts
from labctl.provision.play import Play, Plays, Question
from labctl.provision.resources.atomic_write import LoadedBy
from labctl.provision.resources.base import Ask, Change, Observed, Resource, quote
from labctl.provision.resources.block import Block
from labctl.provision.resources.command import Command
from labctl.provision.resources.compose_project import ComposeProject
from labctl.provision.resources.container import Container
from labctl.provision.resources.daemon_json import EngineConfig, EngineKeys
from labctl.provision.resources.download import Download
from labctl.provision.resources.file import Absent, Directory, File, Link
from labctl.provision.resources.folder import Carried, Folder, carried
from labctl.provision.resources.group_member import Member
from labctl.provision.resources.image import ImageHanded, ImageKept, Store
from labctl.provision.resources.packages import Package, Packages
from labctl.provision.resources.registry_login import RegistryLogin
from labctl.provision.resources.repository import Section, SigningKey, repository_file
from labctl.provision.resources.service import Service
from labctl.provision.resources.swarm import NoSwarm, SwarmManager, SwarmWorker

__all__ = [
    "Absent",
    "Ask",
    "Block",
    "Carried",
    "Change",
    "Command",
    "ComposeProject",
    "Container",
    "Directory",
    "Download",
    "EngineConfig",
    "EngineKeys",
    "Facts",
    "File",
    "Folder",
    "ImageHanded",
    "ImageKept",
    "Link",
    "LoadedBy",
    "Member",
    "NoSwarm",
    "Observed",
    "Package",
    "Packages",
    "Play",
    "Plays",
    "Question",
    "RegistryLogin",
    "Resource",
    "Section",
    "Service",
    "SigningKey",
    "Store",
    "SwarmManager",
    "SwarmWorker",
    "carried",
    "quote",
    "repository_file",
]
