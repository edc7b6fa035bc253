"""The names for authors of playbooks; see `labctl.provision.play`.

A playbook imports nothing else from labctl, except `labctl.config.keys` in its settings.py. Names
outside these two modules may change at any time.
"""

from __future__ import annotations

from labctl.config.image_name import ImageName
from labctl.config.model import LabSpec
from labctl.config.proxy import ProxyAddress, ProxySettings, direct_hosts
from labctl.messages import joined, msg
from labctl.provision.daemon_file import daemon_json_text
from labctl.provision.endpoint import Endpoint
from labctl.provision.engine_preflight import (
    CONFLICTING,
    EnginePreflight,
    engine_start_probe,
    engine_start_problems,
)
from labctl.provision.facts import Facts
from labctl.provision.play import AfterRehearsal, Play, Plays, Question, RepairNotice
from labctl.provision.preflight import Findings, Obstacle, Preflight
from labctl.provision.proxies import proxy_settings
from labctl.provision.resources.atomic_write import LoadedBy
from labctl.provision.resources.base import (
    Change,
    Observed,
    PeerQuery,
    Resource,
    quote,
    shell_script,
)
from labctl.provision.resources.block import Block
from labctl.provision.resources.client_proxy import ClientProxy
from labctl.provision.resources.clock import Clock
from labctl.provision.resources.command import Command
from labctl.provision.resources.compose_project import ComposeProject
from labctl.provision.resources.container import Container
from labctl.provision.resources.daemon_json import DaemonJson
from labctl.provision.resources.download import Download
from labctl.provision.resources.engine_proxy import EngineProxy
from labctl.provision.resources.engine_settings import PATH as DAEMON_JSON
from labctl.provision.resources.file import Absent, Directory, File, Link
from labctl.provision.resources.folder import FileContent, Folder, file_content
from labctl.provision.resources.group_member import GroupMember
from labctl.provision.resources.image import FetchedImage, PublishedImage, Store
from labctl.provision.resources.kernel_setting import KernelSetting
from labctl.provision.resources.packages import Package, Packages
from labctl.provision.resources.registry_login import RegistryLogin
from labctl.provision.resources.repository import (
    OWN,
    RepositorySection,
    SigningKey,
    repository_file,
)
from labctl.provision.resources.running_engine import RunningEngine
from labctl.provision.resources.service import Service
from labctl.provision.resources.swarm import NoSwarm, SwarmManager, SwarmWorker
from labctl.provision.secret_store import Credential, SecretStore
from labctl.remote.exchange import PROXY_FILE, PROXY_VARIABLES

__all__ = [
    "CONFLICTING",
    "DAEMON_JSON",
    "OWN",
    "PROXY_FILE",
    "PROXY_VARIABLES",
    "Absent",
    "AfterRehearsal",
    "Block",
    "Change",
    "ClientProxy",
    "Clock",
    "Command",
    "ComposeProject",
    "Container",
    "Credential",
    "DaemonJson",
    "Directory",
    "Download",
    "Endpoint",
    "EnginePreflight",
    "EngineProxy",
    "Facts",
    "FetchedImage",
    "File",
    "FileContent",
    "Findings",
    "Folder",
    "GroupMember",
    "ImageName",
    "KernelSetting",
    "LabSpec",
    "Link",
    "LoadedBy",
    "NoSwarm",
    "Observed",
    "Obstacle",
    "Package",
    "Packages",
    "PeerQuery",
    "Play",
    "Plays",
    "Preflight",
    "ProxyAddress",
    "ProxySettings",
    "PublishedImage",
    "Question",
    "RegistryLogin",
    "RepairNotice",
    "RepositorySection",
    "Resource",
    "RunningEngine",
    "SecretStore",
    "Service",
    "SigningKey",
    "Store",
    "SwarmManager",
    "SwarmWorker",
    "daemon_json_text",
    "direct_hosts",
    "engine_start_probe",
    "engine_start_problems",
    "file_content",
    "joined",
    "msg",
    "proxy_settings",
    "quote",
    "repository_file",
    "shell_script",
]
