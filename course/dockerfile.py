"""Dockerfiles: what each instruction does to an image, and to a container of it."""

import json
from typing import Any

from labctl.exercise import Desk

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


def test_from_scratch(desk: Desk) -> None:
    """FROM scratch: an image of one static program and nothing else"""
    name = desk.name("source")
    desk.run("docker create --name %s --label %s %s", name, desk.label, desk.image("busybox"))
    folder = desk.folder({"Dockerfile": SCRATCH})
    desk.run("docker cp --follow-link %s:/bin/busybox %s/busybox", name, folder)
    image = desk.build_in(folder, "scratch")
    assert run(desk, image) == "nothing but one program"
    assert desk.run("docker run --rm --entrypoint /bin/sh %s", image, ok=False).rc != 0


def test_metadata(desk: Desk) -> None:
    """LABEL, ENV, EXPOSE and STOPSIGNAL are kept in the image for its containers"""
    image = desk.build("kept", {"Dockerfile": KEPT.format(image=desk.image("busybox"))})
    config = configuration(desk, image)
    assert (config["Labels"]["course"], config["Labels"]["chapter"]) == ("docker", "dockerfile")
    assert set(config["ExposedPorts"]) == {"80/tcp", "5000/tcp"}
    assert config["StopSignal"] == "SIGQUIT"
    assert run(desk, image, "sh -c 'echo $GREETING'") == "hello"
    assert run(desk, image, "sh -c 'echo $GREETING'", "--env GREETING=bye") == "bye"


def test_files(desk: Desk) -> None:
    """WORKDIR, COPY, RUN and ADD: files where they belong, and a tar unpacked by ADD alone"""
    folder = desk.folder(
        {
            "Dockerfile": FILES.format(image=desk.image("busybox")),
            "note": "a note\n",
            "folder/one": "1\n",
        }
    )
    desk.run("cd %s && tar -cf packed.tar note folder", folder)
    image = desk.build_in(folder, "files")
    name = desk.container("files", image, "sleep 600")
    seen = f"docker exec {name} "
    assert desk.out(f"{seen} cat note copied/one").split("\n") == ["a note", "1"]
    assert desk.out(f"{seen} cat where here").split() == ["/app/deep"] * 2, (
        "each RUN starts in WORKDIR again"
    )
    assert desk.out(f"{seen} cat /unpacked/folder/one") == "1", "ADD unpacks a tar"
    assert desk.out(f"{seen} ls /packed") == "packed.tar", "COPY does not unpack a tar"


def test_volume(desk: Desk) -> None:
    """VOLUME: each container gets a volume there, which begins with the image's files"""
    text = f"FROM {desk.image('busybox')}\nRUN mkdir /kept && echo seed >/kept/file\nVOLUME /kept\n"
    image = desk.build("volume", {"Dockerfile": text})
    name = desk.container("has-volume", image, "sleep 600")
    mounts = json.loads(desk.out("docker inspect --format '{{json .Mounts}}' %s", name))
    assert [(mount["Type"], mount["Destination"]) for mount in mounts] == [("volume", "/kept")]
    assert desk.out("docker exec %s cat /kept/file", name) == "seed"


def test_shell_and_exec_form(desk: Desk) -> None:
    """CMD and ENTRYPOINT: the shell form goes through a shell, the exec form does not"""
    begin = f"FROM {desk.image('busybox')}\nENV NAME=docker\n"
    hello = {
        "CMD echo hello $NAME": "hello docker",
        'CMD ["echo", "hello $NAME"]': "hello $NAME",
        'CMD ["/bin/sh", "-c", "echo hello $NAME"]': "hello docker",
        "ENTRYPOINT echo hello $NAME": "hello docker",
        'ENTRYPOINT ["echo", "hello $NAME"]': "hello $NAME",
    }
    for number, (line, expected) in enumerate(hello.items()):
        image = desk.build(f"form-{number}", {"Dockerfile": f"{begin}{line}\n"})
        assert run(desk, image) == expected, line


def test_cmd_and_entrypoint(desk: Desk) -> None:
    """arguments of docker run replace CMD, and are added to ENTRYPOINT"""
    begin = f"FROM {desk.image('busybox')}\n"
    cmd = desk.build("cmd", {"Dockerfile": f'{begin}CMD ["echo", "from CMD"]\n'})
    assert run(desk, cmd) == "from CMD"
    assert run(desk, cmd, "echo instead") == "instead"
    text = f'{begin}ENTRYPOINT ["echo", "always"]\nCMD ["by default"]\n'
    entry = desk.build("entry", {"Dockerfile": text})
    assert run(desk, entry) == "always by default"
    assert run(desk, entry, "given") == "always given"
    assert run(desk, entry, "given", "--entrypoint printf") == "given"


def test_command_line_tool(desk: Desk) -> None:
    """the course's command-line tool: ENTRYPOINT with an empty CMD takes arguments"""
    tool = desk.build("tool", {"Dockerfile": TOOL.format(image=desk.image("stress"))})
    assert "Usage: stress" in run(desk, tool), "without arguments the tool tells its usage"
    assert "successful run completed" in run(desk, tool, "--cpu 1 --timeout 1")
    assert desk.run("docker run --rm %s --no-such-option", tool, ok=False).rc != 0


def test_arguments_of_a_build(desk: Desk) -> None:
    """ARG: known while the image is built, and not in its containers"""
    text = "\n".join(
        (f"FROM {desk.image('busybox')}", "ARG VERSION=1", "RUN echo $VERSION >/version")
    )
    command = "sh -c 'echo $(cat /version), then ${VERSION:-nothing}'"
    assert run(desk, desk.build("one", {"Dockerfile": text}), command) == "1, then nothing"
    two = desk.build("two", {"Dockerfile": text}, "--build-arg VERSION=2")
    assert run(desk, two, command) == "2, then nothing"


def test_user(desk: Desk) -> None:
    """USER: what follows, and the container, is not root any more"""
    lines = (
        f"FROM {desk.image('busybox')}",
        "RUN echo student:x:1234:1234::/tmp:/bin/sh >>/etc/passwd",
        "USER student",
    )
    image = desk.build("user", {"Dockerfile": "\n".join((*lines, "RUN id -un >/tmp/who"))})
    assert run(desk, image, "cat /tmp/who") == "student"
    assert run(desk, image, "id -u") == "1234"


def test_health(desk: Desk) -> None:
    """HEALTHCHECK: the daemon asks the container how it is"""
    lines = (
        f"FROM {desk.image('busybox')}",
        "HEALTHCHECK --interval=1s --retries=1 CMD test ! -e /ill",
        'CMD ["sleep", "600"]',
    )
    name = desk.container("patient", desk.build("health", {"Dockerfile": "\n".join(lines)}))
    state = "docker inspect --format 'is {{.State.Health.Status}}' %s"
    desk.wait(state, name, until="is healthy")
    desk.run("docker exec %s touch /ill", name)
    desk.wait(state, name, until="is unhealthy")


def test_onbuild(desk: Desk) -> None:
    """ONBUILD: done in the image that is built from this one"""
    text = f"FROM {desk.image('busybox')}\nONBUILD RUN echo child >/by\n"
    parent = desk.build("parent", {"Dockerfile": text})
    assert run(desk, parent, "sh -c 'test -e /by || echo nobody'") == "nobody"
    child = desk.build("child", {"Dockerfile": f"FROM {parent}\n"})
    assert run(desk, child, "cat /by") == "child"


def test_dockerignore(desk: Desk) -> None:
    """.dockerignore: what it names does not reach the daemon"""
    files = {
        "Dockerfile": f"FROM {desk.image('busybox')}\nCOPY . /all\n",
        ".dockerignore": "*.secret\nlogs\n",
        "page": "",
        "key.secret": "",
        "logs/old": "",
    }
    image = desk.build("ignore", files, "--no-cache")
    seen = set(run(desk, image, "ls /all").split())
    assert "page" in seen
    assert not seen & {"key.secret", "logs"}


def test_stages(desk: Desk) -> None:
    """a build of several stages keeps only what the last one copies"""
    base = desk.image("busybox")
    text = f"""\
FROM {base} AS workshop
RUN mkdir /made && echo product >/made/product && echo tool >/made/tool
FROM {base}
COPY --from=workshop /made/product /product
"""
    image = desk.build("stages", {"Dockerfile": text})
    assert run(desk, image, "cat /product") == "product"
    assert run(desk, image, "sh -c 'test -e /made || echo clean'") == "clean"


def test_cache(desk: Desk) -> None:
    """a second build takes from the cache what is above the change"""
    text = f"FROM {desk.image('busybox')}\nRUN date +%s%N >/first\nCOPY page /page\n"
    one = desk.build("before", {"Dockerfile": text, "page": "1"})
    two = desk.build("after", {"Dockerfile": text, "page": "2"})
    assert run(desk, one, "cat /first") == run(desk, two, "cat /first"), "RUN was done again"
    assert run(desk, two, "cat /page") == "2"


def run(desk: Desk, image: str, command: str = "", options: str = "") -> str:
    """Run a container of an image and return what it said; it is gone then."""
    return desk.out(f"docker run --rm --label {desk.label} {options} {image} {command}")


def configuration(desk: Desk, image: str) -> dict[str, Any]:
    """Return what an image keeps for its containers."""
    kept: dict[str, Any] = json.loads(
        desk.out("docker image inspect --format '{{json .Config}}' %s", image)
    )
    return kept
