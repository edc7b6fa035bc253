"""The sandbox of exercises: everything that they create on a node is labelled and removed.

A rehearsal runs on machines that students use. So exercises create containers, images, networks
and volumes only through their sandbox. It removes objects with its rehearsal's token and nothing
else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labctl.checks.exercises import docker_objects, image_pulls
from labctl.checks.exercises.lease import Lease
from labctl.checks.exercises.node_commands import NodeCommands

_FROM = re.compile(r"^(FROM\s.*)$", re.MULTILINE | re.IGNORECASE)


@dataclass
class Sandbox(NodeCommands):
    """The place on one node where an exercise works.

    Parameters:
        host: the node as testinfra's Host.
        node: its name.
        owner: the name of the node that is being rehearsed. It differs from `node` in a sandbox
            that `on` returned.
        token: eight hex digits that identify the rehearsal.
        images: the names of images, by the words that exercises use.
        nodes: the names of all of the lab's nodes.
        others: the lab's other nodes as testinfra's Host, by name.
    """

    owner: str
    token: str
    images: Mapping[str, str]
    nodes: Sequence[str] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    _elsewhere: dict[str, Sandbox] = field(default_factory=dict, repr=False)
    _in_use: set[str] = field(default_factory=set, repr=False)
    _folders: int = 0

    @property
    def label(self) -> str:
        """The label of everything made here, as for ``docker run --label``."""
        return docker_objects.label(self.token)

    @property
    def lease(self) -> Lease:
        """The rehearsal's lease of the node."""
        return Lease(self, self.owner, self.token, self.nodes)

    def name(self, word: str) -> str:
        """Return the name for something to be made. The same word gives the same name."""
        return docker_objects.name(self.token, word)

    def image(self, word: str) -> str:
        """Return the name of one of the course's images, and pull it if the node does not have it.

        A pulled image is removed when the rehearsal ends.

        Raises:
            AssertionError: it could not be pulled.
        """
        name = self.images[word]
        if self.run("docker image inspect %s", name, ok=False).rc != 0:
            self.lease.remove_image_later(name)
            self.pull(name)
        return name

    def pull(self, name: str) -> None:
        """Pull an image, even if the node has it.

        Raises:
            AssertionError: it could not be pulled.
        """
        image_pulls.pull(self, name)

    def engine_network(self, name: str) -> None:
        """Remove a network when the rehearsal ends, if it does not exist yet.

        For networks that the engine creates by itself and then keeps.
        """
        if self.run("docker network inspect %s", name, ok=False).rc != 0:
            self.lease.remove_network_later(name)

    def container(self, word: str, image: str, command: str = "", options: str = "") -> str:
        """Start a container in the background and return its name.

        Parameters:
            word: for its name.
            image: the name of an image, as `image` or `build` returned it.
            command: what it runs, as the shell reads it; if empty, the image's own command.
            options: more options of ``docker run``, as the shell reads them.
        """
        name = self.name(word)
        start = "docker run --detach --name %s --label %s"
        line = start % (shlex.quote(name), shlex.quote(self.label))
        self.run(f"{line} {options} {shlex.quote(image)} {command}")
        return name

    def network(self, word: str, options: str = "") -> str:
        """Create a network and return its name. The shell reads `options`."""
        name = self.name(word)
        self.run(f"docker network create --label {self.label} {options} {name}")
        return name

    def volume(self, word: str, options: str = "") -> str:
        """Create a volume and return its name. The shell reads `options`."""
        name = self.name(word)
        self.run(f"docker volume create --label {self.label} {options} {name}")
        return name

    def folder(self, files: Mapping[str, str]) -> str:
        """Create a folder on the node with these files and return its path.

        In a Dockerfile, a LABEL is added after each FROM. So the layers of a build are labelled
        too, even if the build is killed.
        """
        self._folders += 1
        path = self.lease.folder / f"folder-{self._folders}"
        self.run("mkdir -p %s", path)
        for name, content in files.items():
            file = path / name
            text = content
            if file.name.startswith("Dockerfile"):
                text = _FROM.sub(rf"\1\nLABEL {self.label}", content)
            self.run("mkdir -p %s && printf %%s %s >%s", file.parent, text, file)
        return str(path)

    def build(self, word: str, files: Mapping[str, str], options: str = "") -> str:
        """Build an image from a Dockerfile and the files beside it, and return its name.

        Parameters:
            word: for its name.
            files: ``Dockerfile`` and others, by their paths in the folder.
            options: more options of ``docker build``, as the shell reads them.
        """
        return self.build_in(self.folder(files), word, options)

    def build_in(self, folder: str, word: str, options: str = "") -> str:
        """Build an image from a folder on the node that has a Dockerfile, and return its name.

        This uses the classic builder, because its layers are images with a label. BuildKit, the
        default of newer clients, has a cache in which an exercise's entries look like a student's.

        Parameters:
            folder: as `folder` returned it.
            word, options: see `build`.
        """
        name = self.name(word)
        build = f"DOCKER_BUILDKIT=0 docker build --force-rm --tag {name}"
        self.run(f"{build} {options} %s", folder)
        return name

    def on(self, node: str) -> Sandbox:
        """Return the sandbox of the same exercise on another of the lab's nodes, by its name."""
        if node not in self._elsewhere:
            host = self.others[node]
            sandbox = Sandbox(host, node, self.owner, self.token, self.images, self.nodes)
            sandbox.open()
            self._elsewhere[node] = sandbox
        self._in_use.add(node)
        other = self._elsewhere[node]
        other.images = self.images  # which each section may change
        return other

    def open(self) -> None:
        """Acquire the node, and remove what killed rehearsals left there."""
        self.lease.acquire()

    def clean(self) -> None:
        """Remove what the exercise made, on every node that it used.

        Raises:
            AssertionError: something could not be removed; the message names it.
        """
        elsewhere = [self._elsewhere[node] for node in sorted(self._in_use)]
        self._in_use.clear()
        # On all nodes, a network's containers go before the network.
        for sandbox in elsewhere and (self, *elsewhere):
            docker_objects.remove(sandbox, self.token, ("container",))
        for sandbox in (self, *elsewhere):
            docker_objects.remove(sandbox, self.token)
            if sandbox._folders:
                sandbox.delete(f"{sandbox.lease.folder}/folder-*")
                sandbox._folders = 0

    def close(self) -> None:
        """Leave every node as it was found. The images pulled for the rehearsal go last."""
        self.clean()
        for sandbox in (*self._elsewhere.values(), self):
            sandbox.lease.release()
