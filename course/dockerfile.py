"""Dockerfiles: the effect of each instruction on an image and its containers."""

import json
from typing import Any

from labctl.exercise import HEAL, Sandbox, on_failure

SCRATCH = """\
FROM scratch
COPY busybox /busybox
ENTRYPOINT ["/busybox", "echo", "nothing but one program"]
"""

KEPT = """\
FROM {image}
LABEL course="docker" chapter="dockerfile"
ENV GREETING=hello
EXPOSE 80 5000/tcp
STOPSIGNAL SIGQUIT
"""

FILES = """\
FROM {image}
WORKDIR /app/deep
COPY note .
COPY folder/ copied/
RUN pwd >where && mkdir made && cd made
RUN pwd >here
ADD packed.tar /unpacked/
COPY packed.tar /packed/
"""

TOOL = """\
FROM {image}
ENTRYPOINT ["stress"]
CMD []
"""


@on_failure("an image FROM scratch cannot be built", fix=HEAL)
def test_from_scratch(sandbox: Sandbox) -> None:
    """FROM scratch: an image of one static program and nothing else"""
    name = sandbox.name("source")
    sandbox.run(
        "docker create --name %s --label %s %s", name, sandbox.label, sandbox.image("busybox")
    )
    folder = sandbox.folder({"Dockerfile": SCRATCH})
    sandbox.run("docker cp --follow-link %s:/bin/busybox %s/busybox", name, folder)
    image = sandbox.build_in(folder, "scratch")
    assert run(sandbox, image) == "nothing but one program"
    assert sandbox.run("docker run --rm --entrypoint /bin/sh %s", image, ok=False).rc != 0


@on_failure("LABEL, ENV, EXPOSE or STOPSIGNAL has no effect", fix=HEAL)
def test_metadata(sandbox: Sandbox) -> None:
    """LABEL, ENV, EXPOSE and STOPSIGNAL are stored in the image"""
    image = sandbox.build("kept", {"Dockerfile": KEPT.format(image=sandbox.image("busybox"))})
    config = configuration(sandbox, image)
    assert (config["Labels"]["course"], config["Labels"]["chapter"]) == ("docker", "dockerfile")
    assert set(config["ExposedPorts"]) == {"80/tcp", "5000/tcp"}
    assert config["StopSignal"] == "SIGQUIT"
    assert run(sandbox, image, "sh -c 'echo $GREETING'") == "hello"
    assert run(sandbox, image, "sh -c 'echo $GREETING'", "--env GREETING=bye") == "bye"


@on_failure("WORKDIR, COPY, RUN or ADD does not work", fix=HEAL)
def test_files(sandbox: Sandbox) -> None:
    """WORKDIR, COPY, RUN and ADD put files in place; only ADD unpacks a tar"""
    folder = sandbox.folder(
        {
            "Dockerfile": FILES.format(image=sandbox.image("busybox")),
            "note": "a note\n",
            "folder/one": "1\n",
        }
    )
    sandbox.run("cd %s && tar -cf packed.tar note folder", folder)
    image = sandbox.build_in(folder, "files")
    name = sandbox.container("files", image, "sleep 600")
    seen = f"docker exec {name} "
    assert sandbox.out(f"{seen} cat note copied/one").split("\n") == ["a note", "1"]
    assert sandbox.out(f"{seen} cat where here").split() == ["/app/deep"] * 2, (
        "each RUN starts in WORKDIR again"
    )
    assert sandbox.out(f"{seen} cat /unpacked/folder/one") == "1", "ADD unpacks a tar"
    assert sandbox.out(f"{seen} ls /packed") == "packed.tar", "COPY does not unpack a tar"


@on_failure("VOLUME has no effect", fix=HEAL)
def test_volume(sandbox: Sandbox) -> None:
    """VOLUME: each container gets a volume that starts with the image's files"""
    text = (
        f"FROM {sandbox.image('busybox')}\nRUN mkdir /kept && echo seed >/kept/file\nVOLUME /kept\n"
    )
    image = sandbox.build("volume", {"Dockerfile": text})
    name = sandbox.container("has-volume", image, "sleep 600")
    mounts = json.loads(sandbox.out("docker inspect --format '{{json .Mounts}}' %s", name))
    assert [(mount["Type"], mount["Destination"]) for mount in mounts] == [("volume", "/kept")]
    assert sandbox.out("docker exec %s cat /kept/file", name) == "seed"


@on_failure("CMD or ENTRYPOINT does not run as written", fix=HEAL)
def test_shell_and_exec_form(sandbox: Sandbox) -> None:
    """CMD and ENTRYPOINT: the shell form runs in a shell, the exec form does not"""
    begin = f"FROM {sandbox.image('busybox')}\nENV NAME=docker\n"
    hello = {
        "CMD echo hello $NAME": "hello docker",
        'CMD ["echo", "hello $NAME"]': "hello $NAME",
        'CMD ["/bin/sh", "-c", "echo hello $NAME"]': "hello docker",
        "ENTRYPOINT echo hello $NAME": "hello docker",
        'ENTRYPOINT ["echo", "hello $NAME"]': "hello $NAME",
    }
    for number, (line, expected) in enumerate(hello.items()):
        image = sandbox.build(f"form-{number}", {"Dockerfile": f"{begin}{line}\n"})
        assert run(sandbox, image) == expected, line


@on_failure("arguments of docker run do not reach CMD or ENTRYPOINT", fix=HEAL)
def test_cmd_and_entrypoint(sandbox: Sandbox) -> None:
    """arguments of docker run replace CMD, and are added to ENTRYPOINT"""
    begin = f"FROM {sandbox.image('busybox')}\n"
    cmd = sandbox.build("cmd", {"Dockerfile": f'{begin}CMD ["echo", "from CMD"]\n'})
    assert run(sandbox, cmd) == "from CMD"
    assert run(sandbox, cmd, "echo instead") == "instead"
    text = f'{begin}ENTRYPOINT ["echo", "always"]\nCMD ["by default"]\n'
    entry = sandbox.build("entry", {"Dockerfile": text})
    assert run(sandbox, entry) == "always by default"
    assert run(sandbox, entry, "given") == "always given"
    assert run(sandbox, entry, "given", "--entrypoint printf") == "given"


@on_failure("the course's command-line tool does not run", fix=HEAL)
def test_command_line_tool(sandbox: Sandbox) -> None:
    """the course's command-line tool: ENTRYPOINT with an empty CMD takes arguments"""
    tool = sandbox.build("tool", {"Dockerfile": TOOL.format(image=sandbox.image("stress"))})
    assert "Usage: stress" in run(sandbox, tool), "without arguments the tool prints its usage"
    assert "successful run completed" in run(sandbox, tool, "--cpu 1 --timeout 1")
    assert sandbox.run("docker run --rm %s --no-such-option", tool, ok=False).rc != 0


@on_failure("ARG has no effect", fix=HEAL)
def test_arguments_of_a_build(sandbox: Sandbox) -> None:
    """ARG: available during the build, but not in containers"""
    text = "\n".join(
        (f"FROM {sandbox.image('busybox')}", "ARG VERSION=1", "RUN echo $VERSION >/version")
    )
    command = "sh -c 'echo $(cat /version), then ${VERSION:-nothing}'"
    assert run(sandbox, sandbox.build("one", {"Dockerfile": text}), command) == "1, then nothing"
    two = sandbox.build("two", {"Dockerfile": text}, "--build-arg VERSION=2")
    assert run(sandbox, two, command) == "2, then nothing"


@on_failure("USER has no effect", fix=HEAL)
def test_user(sandbox: Sandbox) -> None:
    """USER: later steps and the container no longer run as root"""
    lines = (
        f"FROM {sandbox.image('busybox')}",
        "RUN echo student:x:1234:1234::/tmp:/bin/sh >>/etc/passwd",
        "USER student",
    )
    image = sandbox.build("user", {"Dockerfile": "\n".join((*lines, "RUN id -un >/tmp/who"))})
    assert run(sandbox, image, "cat /tmp/who") == "student"
    assert run(sandbox, image, "id -u") == "1234"


@on_failure("HEALTHCHECK has no effect", fix=HEAL)
def test_health(sandbox: Sandbox) -> None:
    """HEALTHCHECK: the daemon probes the container's health"""
    lines = (
        f"FROM {sandbox.image('busybox')}",
        "HEALTHCHECK --interval=1s --retries=1 CMD test ! -e /ill",
        'CMD ["sleep", "600"]',
    )
    name = sandbox.container("patient", sandbox.build("health", {"Dockerfile": "\n".join(lines)}))
    state = "docker inspect --format 'is {{.State.Health.Status}}' %s"
    sandbox.wait(state, name, until="is healthy")
    sandbox.run("docker exec %s touch /ill", name)
    sandbox.wait(state, name, until="is unhealthy")


@on_failure("ONBUILD has no effect", fix=HEAL)
def test_onbuild(sandbox: Sandbox) -> None:
    """ONBUILD: runs when another image is built from this one"""
    text = f"FROM {sandbox.image('busybox')}\nONBUILD RUN echo child >/by\n"
    parent = sandbox.build("parent", {"Dockerfile": text})
    assert run(sandbox, parent, "sh -c 'test -e /by || echo nobody'") == "nobody"
    child = sandbox.build("child", {"Dockerfile": f"FROM {parent}\n"})
    assert run(sandbox, child, "cat /by") == "child"


@on_failure(".dockerignore has no effect", fix=HEAL)
def test_dockerignore(sandbox: Sandbox) -> None:
    """.dockerignore: the files it lists do not reach the daemon"""
    files = {
        "Dockerfile": f"FROM {sandbox.image('busybox')}\nCOPY . /all\n",
        ".dockerignore": "*.secret\nlogs\n",
        "page": "",
        "key.secret": "",
        "logs/old": "",
    }
    image = sandbox.build("ignore", files, "--no-cache")
    seen = set(run(sandbox, image, "ls /all").split())
    assert "page" in seen
    assert not seen & {"key.secret", "logs"}


@on_failure("multi-stage builds do not work", fix=HEAL)
def test_stages(sandbox: Sandbox) -> None:
    """a multi-stage build keeps only what the last stage copies"""
    base = sandbox.image("busybox")
    text = f"""\
FROM {base} AS workshop
RUN mkdir /made && echo product >/made/product && echo tool >/made/tool
FROM {base}
COPY --from=workshop /made/product /product
"""
    image = sandbox.build("stages", {"Dockerfile": text})
    assert run(sandbox, image, "cat /product") == "product"
    assert run(sandbox, image, "sh -c 'test -e /made || echo clean'") == "clean"


@on_failure("builds do not use their cache", fix=HEAL)
def test_cache(sandbox: Sandbox) -> None:
    """a second build uses the cache for the steps before the change"""
    text = f"FROM {sandbox.image('busybox')}\nRUN date +%s%N >/first\nCOPY page /page\n"
    one = sandbox.build("before", {"Dockerfile": text, "page": "1"})
    two = sandbox.build("after", {"Dockerfile": text, "page": "2"})
    assert run(sandbox, one, "cat /first") == run(sandbox, two, "cat /first"), "RUN ran again"
    assert run(sandbox, two, "cat /page") == "2"


def run(sandbox: Sandbox, image: str, command: str = "", options: str = "") -> str:
    """Run a container of an image, remove it, and return its output."""
    return sandbox.out(f"docker run --rm --label {sandbox.label} {options} {image} {command}")


def configuration(sandbox: Sandbox, image: str) -> dict[str, Any]:
    """Return the configuration in an image."""
    kept: dict[str, Any] = json.loads(
        sandbox.out("docker image inspect --format '{{json .Config}}' %s", image)
    )
    return kept
