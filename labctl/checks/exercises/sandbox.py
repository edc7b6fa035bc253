"""Where the exercises work: what they make on a node bears a mark, and is gone afterwards.

A rehearsal happens on machines that students use. So an exercise makes containers, images, networks
and volumes only by way of its sandbox: each is named ``rehearse-TOKEN-…`` or labelled
``labctl.rehearsal=TOKEN``, where the token belongs to one rehearsal of one node. The sandbox
removes what has this token and nothing else. What a killed rehearsal left is found by its label.

A node can be visited by the rehearsals of other nodes at the same time. Each says so in a folder of
its own, ``/var/tmp/rehearse/TOKEN``, before it makes anything, and takes the folder away last.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from labctl.checks.exercises import labels
from labctl.checks.exercises.image_pulls import ImagePulls, last_words
from labctl.remote.docker_api import Answer, ask

PLACE = PurePosixPath("/var/tmp/rehearse")
_FROM = re.compile(r"^(FROM\s.*)$", re.MULTILINE | re.IGNORECASE)


LIMIT = 900
"""Seconds that one command of an exercise may take, a pull over a slow line among them. What hangs
must not keep an instructor from the other exercises' results."""

_OVER = 124
"""The exit code of coreutils' `timeout` for a command that it ended."""


@dataclass
class Sandbox:
    """The place on one node where one exercise works.

    Parameters:
        host: the node, as testinfra has it.
        node: its name.
        by: the name of the node that is rehearsed; another one on a sandbox from `on`.
        token: eight hex digits, of one rehearsal of one node.
        images: the images' names, by the words that exercises use.
        nodes: the names of all of the lab's nodes.
        others: the other nodes that are there for the exercise, by name.
    """

    host: Any
    node: str
    by: str
    token: str
    images: Mapping[str, str]
    nodes: Sequence[str] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    _elsewhere: dict[str, Sandbox] = field(default_factory=dict, repr=False)
    _in_use: set[str] = field(default_factory=set, repr=False)
    _folders: int = 0

    @property
    def label(self) -> str:
        """The label that everything made here bears: ``docker run --label``."""
        return f"{labels.LABEL}={self.token}"

    @property
    def pulls(self) -> ImagePulls:
        """What is pulled on the node, and by whom still."""
        return ImagePulls(self.run, self.node, PLACE)

    def name(self, word: str) -> str:
        """Return a name for something to be made; the same word gives the same name."""
        return labels.name(self.token, word)

    def run(self, command: str, *arguments: object, ok: bool = True) -> Any:
        """Run a command line on the node, as the lab's user.

        Parameters:
            command: with ``%s`` for each argument, which is quoted; so ``%`` is written ``%%``
                where there are arguments.
            ok: whether it has to succeed.

        Returns:
            testinfra's CommandResult: rc, stdout, stderr.

        Raises:
            AssertionError: it failed, or took longer than `LIMIT`; names the command, the exit
                code, and what it said last.
        """
        line = command % tuple(shlex.quote(str(a)) for a in arguments) if arguments else command
        # In the foreground: in a process group of its own a Ctrl-C of labctl would not end it.
        began = time.monotonic()
        result = self.host.run("timeout --foreground -k 10 %s sh -c %s", str(LIMIT), line)
        if result.rc == _OVER and time.monotonic() - began >= LIMIT:
            raise AssertionError(f"“{line}” did not end within {LIMIT} s on {self.node}")
        if ok and result.rc != 0:
            said = last_words(result)
            raise AssertionError(f"“{line}” ended with {result.rc} on {self.node} and said: {said}")
        return result

    def out(self, command: str, *arguments: object) -> str:
        """Run a command that has to succeed, and return its stdout without the white space around.

        Raises:
            AssertionError: see `run`.
        """
        return str(self.run(command, *arguments).stdout).strip()

    def api(self, method: str, path: str, value: Any = None) -> Answer:
        """Ask the node's daemon by its REST API, over its socket.

        Parameters:
            method, path: of HTTP.
            value: sent as JSON, unless it is None.

        Raises:
            AssertionError: it does not answer.
        """
        (answer,) = ask(self.run, (method, path, value))
        return answer

    def wait(self, command: str, *arguments: object, until: str, seconds: float = 30) -> str:
        """Run a command again and again until its stdout has `until` in it, and return that stdout.

        Parameters:
            command, arguments: see `run`; it may fail meanwhile.
            until: a text.
            seconds: after which it is given up.

        Raises:
            AssertionError: it never was; tells the last answer.
        """
        end = time.monotonic() + seconds
        while True:
            result = self.run(command, *arguments, ok=False)
            if until in result.stdout:
                return str(result.stdout)
            if time.monotonic() > end:
                said = (result.stdout + result.stderr).strip()[-600:]
                raise AssertionError(
                    f"“{command % arguments if arguments else command}” did not say “{until}” "
                    f"within {seconds:g} s on {self.node}; last it said: {said or 'nothing'}"
                )
            time.sleep(0.2)

    def image(self, word: str) -> str:
        """Return the name of one of the course's images, which is on the node then.

        It is pulled if it was not there, and then removed when the rehearsal ends.

        Raises:
            AssertionError: it could not be pulled.
        """
        name = self.images[word]
        if self.run("docker image inspect %s", name, ok=False).rc != 0:
            self.run("echo %s >>%s", name, PLACE / "pulled")
            self.pull(name)
        return name

    def pull(self, name: str) -> None:
        """Pull an image, whether it is there or not.

        Raises:
            AssertionError: it could not be pulled.
        """
        self.pulls.pull(name)

    def engine_network(self, name: str) -> None:
        """Say that the engine may make a network by itself, which it would keep.

        If it is not there yet, it is removed when the rehearsal ends.
        """
        if self.run("docker network inspect %s", name, ok=False).rc != 0:
            self.run("echo %s >>%s", name, PLACE / "networks")

    def container(self, word: str, image: str, command: str = "", options: str = "") -> str:
        """Start a container in the background and return its name.

        Parameters:
            word: what to call it.
            image: a name of an image, as `image` or `build` return it.
            command: what it runs, as the shell is to read it; the image's own where empty.
            options: more for ``docker run``, as the shell is to read them.
        """
        name = self.name(word)
        started = "docker run --detach --name %s --label %s"
        line = started % (shlex.quote(name), shlex.quote(self.label))
        self.run(f"{line} {options} {shlex.quote(image)} {command}")
        return name

    def network(self, word: str, options: str = "") -> str:
        """Make a network and return its name; `options` as the shell is to read them."""
        name = self.name(word)
        self.run(f"docker network create --label {self.label} {options} {name}")
        return name

    def volume(self, word: str, options: str = "") -> str:
        """Make a volume and return its name; `options` as the shell is to read them."""
        name = self.name(word)
        self.run(f"docker volume create --label {self.label} {options} {name}")
        return name

    def folder(self, files: Mapping[str, str]) -> str:
        """Make a folder on the node with these files and return its path.

        In a file named Dockerfile, each FROM is followed by a LABEL: so the layers of a build bear
        the mark too, even those of a build that is killed.
        """
        self._folders += 1
        path = PLACE / self.token / f"folder-{self._folders}"
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
            word: what to call it.
            files: ``Dockerfile`` and others, by their paths in the folder.
            options: more for ``docker build``, as the shell is to read them.
        """
        return self.build_in(self.folder(files), word, options)

    def build_in(self, folder: str, word: str, options: str = "") -> str:
        """Build an image from a folder on the node that has a Dockerfile, and return its name.

        By the classic builder: the layers that it keeps are images, which bear the mark. BuildKit,
        which newer clients take by themselves, has a cache of its own, in which nobody can tell an
        exercise's from a student's.

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
            sandbox = Sandbox(self.others[node], node, self.by, self.token, self.images, self.nodes)
            sandbox.open()
            self._elsewhere[node] = sandbox
        self._in_use.add(node)
        other = self._elsewhere[node]
        other.images = self.images  # which may be others in each section
        return other

    def open(self) -> None:
        """Say on the node that it is used, after removing what a killed rehearsal left there."""
        own = PLACE / self.token
        # Twice: the last of others that leaves may have removed the folder around it meanwhile.
        self.run("{ mkdir -p %s || mkdir -p %s; } && echo %s >%s", own, own, self.by, own / "by")
        for token in self._dead():
            self._remove(token)
            self._leave(token)

    def clean(self) -> None:
        """Remove what the exercise made, on every node that it used.

        Raises:
            AssertionError: something would not go; names it.
        """
        elsewhere = [self._elsewhere[node] for node in sorted(self._in_use)]
        self._in_use.clear()
        for sandbox in elsewhere and (self, *elsewhere):
            sandbox._remove(
                self.token, ("container",)
            )  # before a network goes, whatever hangs on it
        for sandbox in (self, *elsewhere):
            sandbox._remove(self.token)
            if sandbox._folders:
                sandbox._delete(f"{PLACE / self.token}/folder-*")
                sandbox._folders = 0

    def close(self) -> None:
        """Leave every node as it was found: the images pulled for the rehearsal go last."""
        self.clean()
        for sandbox in (*self._elsewhere.values(), self):
            sandbox._leave(self.token)

    def _leave(self, token: str) -> None:
        self._delete(f"{PLACE / token}")
        if self._visitors():
            return  # the last one removes what is shared, for others may be using it
        for name in dict.fromkeys(self.run("cat %s", PLACE / "networks", ok=False).stdout.split()):
            self.run("docker network rm %s", name, ok=False)
        pulled = self.run("cat %s", PLACE / "pulled", ok=False).stdout.split()
        for name in dict.fromkeys(pulled):
            self.run("docker image rm %s", name, ok=False)  # in use by now: then it stays
        self.run("cd %s && rm -f pulled networks; rmdir %s", PLACE, PLACE, ok=False)

    def _delete(self, paths: str) -> None:
        if self.run(f"rm -rf {paths}", ok=False).rc:
            with self.host.sudo():  # a container wrote as root into a folder that it was lent
                self.run(f"rm -rf {paths}")

    def _visitors(self) -> dict[str, str]:
        """The rehearsals that use this node: token and the node that each is of."""
        said = self.run("cd %s && grep -H . */by", PLACE, ok=False).stdout
        pairs = (line.partition("/by:") for line in said.splitlines())
        return {token: by for token, _, by in pairs if labels.TOKEN.fullmatch(token)}

    def _dead(self) -> list[str]:
        """The tokens of rehearsals that are over, but left something.

        Only one rehearsal of a node goes on at a time: another token of this node is an old one. So
        is one of a node that the lab has not, and one without a folder.
        """
        visitors = self._visitors()
        # A network that spans the nodes is seen on those too that its rehearsal does not use.
        here = {thing.token for thing in labels.things(self.run) if thing.kind != "overlay"}
        known = here | visitors.keys()
        alive = set(self.nodes) - {self.by}
        return sorted(t for t in known - {self.token} if visitors.get(t) not in alive)

    def _remove(self, token: str, kinds: Sequence[str] = tuple(labels.REMOVE)) -> None:
        # Again while something is left: an image that has children goes after them, and a network
        # of a swarm a moment after its last container.
        end = time.monotonic() + 20
        while True:
            things = [t for t in labels.things(self.run) if t.token == token and t.kind in kinds]
            said = ""
            for kind in kinds:
                names = [shlex.quote(t.identity) for t in things if t.kind == kind]
                if names:
                    result = self.run(f"{labels.REMOVE[kind]} {' '.join(names)}", ok=False)
                    said += result.stderr if result.rc else ""
            if not said:
                return
            if time.monotonic() > end:
                raise AssertionError(
                    f"what the exercise made on {self.node} will not go: {said.strip()[-600:]}"
                )
            time.sleep(0.5)
