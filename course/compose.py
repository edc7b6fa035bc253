"""Compose: several containers as one project, described in a file.

Each project has its own folder. The file `.env` in it sets a unique project name and the
names of the images.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labctl.exercise import HEAL, Sandbox, Wanted, msg, on_failure

MATERIAL = Path(__file__).parent / "material"

SHOP = """\
version: "3"
services:
  web:
    image: ${NGINX}
    environment: {COLOUR: green}
    networks: [front]
  redis:
    image: ${REDIS}
    networks: [front, back]
    volumes: ["data:/data"]
  store:
    image: ${REDIS}
    networks: [back]
    volumes: ["data:/data"]
networks:
  front:
  back:
volumes:
  data:
"""


@dataclass(frozen=True)
class Project:
    """A folder with a docker-compose.yml, and the command that reads it."""

    sandbox: Sandbox
    tool: str
    folder: str
    name: str

    def run(self, command: str) -> str:
        """Run compose in the folder and return its output, including progress on stderr.

        It builds with the classic builder, as `Sandbox.build_in` does.
        """
        result = self.sandbox.run(f"cd {self.folder} && DOCKER_BUILDKIT=0 {self.tool} {command}")
        return str(result.stdout + result.stderr)

    def containers(self, service: str = "", options: str = "--all") -> set[str]:
        """Return the IDs of the project's containers from the engine."""
        labels = {"project": self.name} | ({"service": service} if service else {})
        chosen = " ".join(f"--filter label=com.docker.compose.{k}={v}" for k, v in labels.items())
        return set(self.sandbox.out(f"docker ps --quiet --no-trunc {options} {chosen}").split())

    def named(self, kind: str) -> set[str]:
        """Return the names of the project's networks or volumes without the prefix."""
        names = self.sandbox.out(f"docker {kind} ls --format '{{{{.Name}}}}'").split()
        return {n.removeprefix(f"{self.name}_") for n in names if n.startswith(f"{self.name}_")}


@pytest.fixture
def tool(wanted: Wanted) -> str:
    """The command for compose in this lab."""
    return command(wanted["toolchain"])


@pytest.fixture
def shop(sandbox: Sandbox, tool: str) -> Project:
    """A project of three services that is not up yet."""
    return project(sandbox, tool, "shop", {"docker-compose.yml": SHOP})


@pytest.fixture
def counter(sandbox: Sandbox, tool: str) -> Project:
    """A project with a web service that has to be built."""
    material = MATERIAL / "counter"
    files = {"docker-compose.yml": "docker-compose.yml"} | {
        f"web/{name}": name for name in ("Dockerfile", "app.py")
    }
    texts = {path: (material / name).read_text("utf-8") for path, name in files.items()}
    return project(sandbox, tool, "counter", texts)


@on_failure("docker-compose is not at the lab's version")
def test_version(sandbox: Sandbox, tool: str, wanted: Wanted) -> None:
    """compose has the toolchain's version, for the lab's user and for root"""
    pin = wanted["toolchain"]["compose"] or wanted["toolchain"]["compose_plugin"].split("-")[0]
    seen = sandbox.out(f"{tool} version --short").removeprefix("v")
    assert seen == pin, msg(
        "{tool} is {seen} instead of {pin}",
        tool=tool,
        seen=seen,
        pin=pin,
    )
    with sandbox.host.sudo():
        sandbox.run("docker-compose version --short")


@on_failure("compose cannot start a project", fix=HEAL)
def test_project(shop: Project) -> None:
    """up -d starts the services of the file; ps, images, logs and exec work"""
    shop.run("up -d")
    assert len(shop.containers(options="--filter status=running")) == 3
    listed = shop.run("ps")
    missing = [service for service in ("web", "redis", "store") if service not in listed]
    assert not missing, msg("ps does not list {missing}: {listed}", missing=missing, listed=listed)
    used = shop.run("images")
    for word in ("nginx", "redis"):
        repository = shop.sandbox.image(word).rpartition(":")[0].rpartition("/")[2]
        assert repository in used, msg(
            "images does not list {repository}: {used}", repository=repository, used=used
        )
    logs = f"cd {shop.folder} && {shop.tool} logs --no-color redis"
    shop.sandbox.wait(logs, until="Ready to accept connections")
    assert "PONG" in shop.run("exec -T redis redis-cli ping")


@on_failure("compose cannot scale a service", fix=HEAL)
def test_scale(shop: Project) -> None:
    """a service scales to three containers and back to one"""
    for number in (3, 1):
        shop.run(f"up -d --scale web={number} web")
        running = shop.containers("web", "--filter status=running")
        assert len(running) == number, msg(
            "web has {count} containers instead of {number}", count=len(running), number=number
        )


@on_failure("compose cannot stop and start a project", fix=HEAL)
def test_stop_and_start(shop: Project) -> None:
    """stop stops a project's containers, and start starts the same ones again"""
    shop.run("up -d")
    before = shop.containers()
    shop.run("stop")
    assert not shop.containers(options="--filter status=running"), "stop left containers running"
    shop.run("start")
    running = shop.containers(options="--filter status=running")
    assert running == before, "start did not start the containers that were stopped"


@on_failure("compose does not create or remove the networks and volumes of its file", fix=HEAL)
def test_networks_and_volumes(shop: Project) -> None:
    """networks and volumes match the file; down removes all except the volumes"""
    shop.run("up -d")
    assert shop.named("network") == {"front", "back"}
    assert shop.named("volume") == {"data"}
    web, redis, store = (shop.containers(name).pop() for name in ("web", "redis", "store"))
    shop.sandbox.run("docker exec %s touch /data/shared", redis)
    shop.sandbox.run("docker exec %s ls /data/shared", store)
    shop.sandbox.run("docker exec %s ping -c 1 -W 10 redis", web)
    apart = shop.sandbox.run("docker exec %s ping -c 1 -W 1 store", web, ok=False)
    assert apart.rc != 0, "web reaches store, although they share no network"
    shop.run("down")
    assert not shop.containers(), "down left containers"
    assert not shop.named("network"), "down left networks"
    assert shop.named("volume") == {"data"}, "down removed the volume"
    shop.run("down --volumes")
    assert not shop.named("volume"), "down --volumes left the volume"


@on_failure("compose does not notice a changed file", fix=HEAL)
def test_changed_file(shop: Project) -> None:
    """after a change of the file, up recreates only the changed service's container"""
    can_recreate(shop.tool, shop.sandbox.out("docker version --format '{{.Server.Version}}'"))
    shop.run("up -d web redis")
    web, redis = shop.containers("web"), shop.containers("redis")
    shop.sandbox.run("sed -i s/green/red/ %s/docker-compose.yml", shop.folder)
    shop.run("up -d web redis")
    assert shop.containers("web") != web, "web was not recreated"
    assert shop.containers("redis") == redis, "redis was recreated, although it did not change"
    environment = shop.sandbox.out("docker exec %s env", shop.containers("web").pop())
    assert "COLOUR=red" in environment.splitlines()


@on_failure("the course's web service does not count its visitors", fix=HEAL)
def test_web_service_counts(counter: Project) -> None:
    """a web service is built, answers, and counts its visitors in redis"""
    counter.run("build")
    counter.run("up -d")
    port = counter.run("port web 5000").strip().rpartition(":")[2]
    page = f"curl --silent --show-error --noproxy '*' --max-time 10 http://127.0.0.1:{port}/"
    first = visits(counter.sandbox.wait(page, until="I have been seen", seconds=60))
    assert visits(counter.sandbox.out(page)) == first + 1
    counter.run("restart redis")  # the count is in its volume
    again = visits(counter.sandbox.wait(page, until="I have been seen", seconds=60))
    assert again >= first + 2, "redis lost the count when it restarted"


def command(toolchain: dict[str, Any]) -> str:
    """Return the command: docker-compose is release 1, the plugin is release 2."""
    if toolchain["compose"]:
        return "docker-compose"
    if not toolchain["compose_plugin"]:
        pytest.skip("the lab's toolchain has no compose")
    return "docker compose"


def can_recreate(tool: str, engine: str) -> None:
    """Skip the exercise if compose cannot recreate a container of this engine."""
    if tool == "docker-compose" and int(engine.partition(".")[0]) > 24:
        pytest.skip(
            msg(
                "docker-compose of release 1 cannot recreate a container of engine "
                "{engine} (docker/compose#11742)",
                engine=engine,
            )
        )


def project(sandbox: Sandbox, tool: str, word: str, files: dict[str, str]) -> Project:
    """Create a project's folder and pull its images."""
    name = sandbox.name(word)
    settings = {"COMPOSE_PROJECT_NAME": name} | {
        image: sandbox.image(image.lower())
        for image in ("NGINX", "REDIS", "PYTHON")
        if f"${{{image}}}" in "".join(files.values())
    }
    text = "".join(f"{key}={value}\n" for key, value in settings.items())
    return Project(sandbox, tool, sandbox.folder({**files, ".env": text}), name)


def visits(page: str) -> int:
    """Return the number on the counter's page."""
    found = re.search(r"seen (\d+) times", page)
    assert found, msg("the page shows no count: {page}", page=page)
    return int(found.group(1))
