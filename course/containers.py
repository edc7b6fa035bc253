"""Containers: their life cycle, docker's commands that show them, and their limits."""

import time

import pytest

from labctl.exercise import HEAL, Sandbox, msg, on_failure

LOOP = "sh -c 'while true; do sleep 600; done'"
BUSY = "sh -c 'while :; do :; done'"


@on_failure("docker run, exec or logs does not work", fix=HEAL)
def test_run_exec_logs(sandbox: Sandbox) -> None:
    """a container runs in the background, accepts commands and keeps its output"""
    name = sandbox.container("talks", sandbox.image("busybox"), "sh -c 'echo ready; sleep 600'")
    sandbox.wait("docker logs %s", name, until="ready")
    sandbox.run("docker exec %s sh -c 'echo inside >/note'", name)
    assert sandbox.out("docker exec %s cat /note", name) == "inside"
    assert sandbox.run("docker exec %s sh -c 'exit 7'", name, ok=False).rc == 7


@on_failure("docker inspect does not show what a container is", fix=HEAL)
def test_inspect(sandbox: Sandbox) -> None:
    """inspect shows a container's state, address and environment"""
    options = "--hostname shown --env COURSE=docker"
    name = sandbox.container("shown", sandbox.image("busybox"), LOOP, options)
    address = show(sandbox, name, "{{.NetworkSettings.IPAddress}}")
    assert show(sandbox, name, "{{.State.Status}}") == "running"
    assert address in sandbox.out("docker exec %s ip addr show eth0", name)
    assert "COURSE=docker" in show(sandbox, name, "{{json .Config.Env}}")
    assert sandbox.out("docker exec %s hostname", name) == "shown"


@on_failure("a stopped container does not start again", fix=HEAL)
def test_stop_and_start(sandbox: Sandbox) -> None:
    """stop stops a container, start starts it again with its files"""
    trap = "trap 'exit 5' TERM; echo up >>/log; while :; do sleep 0.1; done"
    name = sandbox.container("comes-back", sandbox.image("busybox"), f'sh -c "{trap}"')
    sandbox.wait("docker exec %s cat /log", name, until="up")
    sandbox.run("docker stop %s", name)
    assert show(sandbox, name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 5"
    sandbox.run("docker start %s", name)
    sandbox.wait("docker exec %s cat /log", name, until="up\nup")


@on_failure("a container cannot be removed", fix=HEAL)
def test_remove_by_force(sandbox: Sandbox) -> None:
    """rm refuses a running container, rm -f removes it"""
    name = sandbox.container("doomed", sandbox.image("busybox"), LOOP)
    assert "running" in sandbox.run("docker rm %s", name, ok=False).stderr
    sandbox.run("docker rm -f %s", name)
    assert sandbox.run("docker inspect %s", name, ok=False).rc != 0


@on_failure("restart policies do not work", fix=HEAL)
def test_restart_after_an_exit(sandbox: Sandbox) -> None:
    """a restart policy starts a container again after it failed"""
    options = "--restart on-failure:2"
    name = sandbox.container(
        "stubborn", sandbox.image("busybox"), "sh -c 'echo tried; exit 1'", options
    )
    state = "{{.RestartCount}} {{.State.Status}}"
    sandbox.wait("docker inspect --format %s %s", state, name, until="2 exited")
    assert sandbox.out("docker logs %s", name).split() == ["tried"] * 3


@on_failure("a container without a process stays up", fix=HEAL)
def test_without_a_foreground_process(sandbox: Sandbox) -> None:
    """a container without a process in the foreground stops at once"""
    image = sandbox.image("busybox")
    name = sandbox.container("short", image, "sh -c 'sleep 600 &'")
    assert sandbox.out("docker wait %s", name) == "0"
    assert show(sandbox, name, "{{.State.Status}}") == "exited"


@on_failure("the course's endless loop does not keep a container up", fix=HEAL)
def test_loop_keeps_a_container_up(sandbox: Sandbox) -> None:
    """the course's endless loop keeps a container up"""
    name = sandbox.container("loop", sandbox.image("busybox"), LOOP)
    time.sleep(1)
    assert show(sandbox, name, "{{.State.Status}}") == "running", sandbox.out(
        "docker logs %s", name
    )


@on_failure("docker cp does not work", fix=HEAL)
def test_copy(sandbox: Sandbox) -> None:
    """files are copied into a container and out of it"""
    name = sandbox.container("copied", sandbox.image("busybox"), LOOP)
    folder = sandbox.folder({"in": "carried\n"})
    sandbox.run("docker cp %s/in %s:/tmp/in", folder, name)
    assert sandbox.out("docker exec %s cat /tmp/in", name) == "carried"
    sandbox.run("docker cp %s:/tmp/in %s/out", name, folder)
    assert sandbox.out("cat %s/out", folder) == "carried"


@on_failure("docker top or stats does not work", fix=HEAL)
def test_processes(sandbox: Sandbox) -> None:
    """top and stats show a container's processes and their resource usage"""
    name = sandbox.container("seen", sandbox.image("busybox"), "sleep 600")
    assert "sleep 600" in sandbox.out("docker top %s", name)
    assert "PID 1" in sandbox.out("docker exec %s sh -c 'echo PID $(pidof sleep)'", name)
    stats = sandbox.out("docker stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' %s", name)
    assert stats.startswith("1 "), msg("stats shows no process: {stats}", stats=stats)


@on_failure("docker rename or pause does not work", fix=HEAL)
def test_rename_and_pause(sandbox: Sandbox) -> None:
    """a container can be renamed, paused and resumed"""
    old, new = sandbox.container("old", sandbox.image("busybox"), LOOP), sandbox.name("new")
    sandbox.run("docker rename %s %s", old, new)
    sandbox.run("docker pause %s", new)
    assert show(sandbox, new, "{{.State.Status}}") == "paused"
    sandbox.run("docker unpause %s", new)
    assert sandbox.out("docker exec %s echo awake", new) == "awake"


@on_failure("memory limits have no effect", fix=HEAL)
def test_memory_limit(sandbox: Sandbox) -> None:
    """a memory limit kills a program that exceeds it"""
    image, name = sandbox.image("busybox"), sandbox.name("greedy")
    takes = "dd if=/dev/zero of=/dev/null bs=64M count=1"
    # The daemon notices a kill only if it already listens and the container runs on for a moment.
    slowly = f"sh -c 'sleep 2; {takes}; code=$?; sleep 1; exit $code'"
    limited = "docker run --memory %s --memory-swap %s --name %s --label %s %s "
    code = sandbox.run(limited + slowly, "16m", "16m", name, sandbox.label, image, ok=False).rc
    killed = show(sandbox, name, "{{.State.OOMKilled}}")
    assert (code, killed) == (137, "true"), msg(
        "a program that takes 64 MB under a limit of 16 MB ended with {code} and was "
        "not killed (OOMKilled {killed}): the memory cgroup does not limit it. The "
        "daemon's warnings: {out}",
        code=code,
        killed=killed,
        out=sandbox.out("docker info --format %s", "{{json .Warnings}}"),
    )
    enough = sandbox.name("modest")
    sandbox.run(limited + takes, "128m", "128m", enough, sandbox.label, image)


@pytest.mark.parametrize("shares", [(5, 10), (512, 1024)], ids="{0[0]}:{0[1]}".format)
@on_failure("CPU shares have no effect", fix=HEAL)
def test_cpu_shares(sandbox: Sandbox, shares: tuple[int, int]) -> None:
    """cpu-shares of 1 to 2 split a busy CPU about 1 to 2"""
    if shares == (5, 10) and cgroup_version(sandbox) == 2:
        pytest.skip("cgroup v2 has no shares this small: 5 and 10 become the same weight")
    image = sandbox.image("busybox")
    cpu = a_cpu(sandbox)
    processes = []
    for share in shares:
        options = f"--cpu-shares {share} --cpuset-cpus {cpu}"
        name = sandbox.container(f"share-{share}", image, BUSY, options)
        processes.append(show(sandbox, name, "{{.State.Pid}}"))
    # Until they had enough CPU time, because other programs may use the CPU too.
    begin, end = cpu_seconds(sandbox, processes), time.monotonic() + 60
    while (
        sum(used := gone(begin, cpu_seconds(sandbox, processes))) < 1.2 and time.monotonic() < end
    ):
        time.sleep(0.5)
    assert min(used) > 0, msg(
        "in a minute the containers got {seconds} seconds of CPU {cpu}", seconds=used, cpu=cpu
    )
    ratio = used[1] / used[0]
    assert 1.5 < ratio < 2.7, msg(
        "shares of {shares} and {other_shares} split CPU {cpu} 1 to {ratio:.2f} "
        "({seconds:.2f} s and {other_seconds:.2f} s)",
        shares=shares[0],
        other_shares=shares[1],
        cpu=cpu,
        ratio=ratio,
        seconds=used[0],
        other_seconds=used[1],
    )


@on_failure("CPU limits have no effect", fix=HEAL)
def test_cpus_limit(sandbox: Sandbox) -> None:
    """--cpus limits a busy container to its share of a CPU"""
    name = sandbox.container("throttled", sandbox.image("busybox"), BUSY, "--cpus 0.2")
    process = [show(sandbox, name, "{{.State.Pid}}")]
    before, began = cpu_seconds(sandbox, process), time.monotonic()
    time.sleep(2)
    (used,) = gone(before, cpu_seconds(sandbox, process))
    part = used / (time.monotonic() - began)
    assert part < 0.3, msg("a busy container with --cpus 0.2 took {part:.0%} of a CPU", part=part)
    # Other busy programs could also be the reason, so this checks that the kernel throttled it.
    # They may leave it less than its share for a while, and then the kernel need not throttle it.
    files = "/sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat"  # one of them is there
    seen = f"docker exec %s grep -hs 'nr_throttled [1-9]' {files}"
    while not sandbox.run(seen, name, ok=False).stdout:
        assert time.monotonic() < began + 30, "the kernel never throttled the container"
        time.sleep(0.5)


def show(sandbox: Sandbox, name: str, what: str) -> str:
    """Return what ``docker inspect --format`` prints for a container."""
    return sandbox.out("docker inspect --format %s %s", what, name)


def cgroup_version(sandbox: Sandbox) -> int:
    """Return the version of the node's control groups, which is 1 on EL7."""
    return 2 if sandbox.out("stat -f -c %T /sys/fs/cgroup") == "cgroup2fs" else 1


def a_cpu(sandbox: Sandbox) -> int:
    """Return a CPU of the node. Each node uses another one, because they may share hardware."""
    return sorted(sandbox.nodes).index(sandbox.node) % int(sandbox.out("nproc"))


def cpu_seconds(sandbox: Sandbox, processes: list[str]) -> list[float]:
    """Return the CPU time that each process has had."""
    ticks = int(sandbox.out("getconf CLK_TCK"))
    files = " ".join(f"/proc/{process}/stat" for process in processes)
    lines = sandbox.out(f"cat {files}").splitlines()
    # Fields 14 and 15, counted from the name, because the name may contain spaces.
    fields = [line.rpartition(")")[2].split() for line in lines]
    return [(int(field[11]) + int(field[12])) / ticks for field in fields]


def gone(before: list[float], after: list[float]) -> list[float]:
    """Return the differences."""
    return [late - early for early, late in zip(before, after, strict=True)]
