"""What the look at an existing machine finds, by what its scripts print."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.config.packaged import packaged
from labctl.config.playbook_modules import load_module
from labctl.playbook import Facts, Findings, Observed
from labctl.provision.machine_preflight import MachinePreflight, noise
from labctl.provision.preflight import Obstacle, examine, findings
from tests.unit.fakes import CENTOS

FOLDERS = [packaged("playbooks")]
repositories: Any = load_module("repos", "repositories", FOLDERS)
lookups: Any = load_module("hosts", "lookups", FOLDERS)
surroundings: Any = load_module("engine", "surroundings", FOLDERS)
runtimes: Any = load_module("engine", "runtimes", FOLDERS)
NOW = 1_800_000_000.0
FINE = "shell /bin/bash\nclock 1800000100\ndisk 20000000 9000000 /\n"


def machine(output: str, now: float = NOW) -> Findings:
    return MachinePreflight(lambda: now).examine(Observed(0, output))


def words(found: list[Obstacle] | Any) -> list[tuple[str, str]]:
    return [(str(one.message), str(one.remedy)) for one in found]


def test_a_machine_in_order_has_no_warning() -> None:
    found = machine(FINE)
    assert (found.obstacles, found.warnings, found.notices) == ((), [], ())
    assert found.passed == [
        ("login shell", "/bin/bash"),
        ("clock", "2027-01-15 08:01 UTC"),
        ("disk", "8789 of 19531 MiB are free on /"),
    ]


@pytest.mark.parametrize(
    ("output", "now", "message", "remedy"),
    [
        ("clock 1433000000\n", NOW, "its clock shows 2015-05-30 15:33 UTC; here it is 2027-01-15",
         "`sudo date -s @1800000000`"),
        ("clock 1800000301\n", NOW, "its clock shows 2027-01-15 08:05",
         "`sudo date -s @1800000000`"),
        # As labctl's own clock was before it was released, it is the one that is wrong.
        ("clock 1800000000\n", 1e9, "the clock of this computer is wrong", "of this computer"),
        ("disk 8000000 900000 /\n", NOW, "878 of 7812 MiB are free on /", "`sudo du -xhd1 /`"),
        ("disk 8000000 0 /var/lib/docker\n", NOW, "0 of 7812 MiB are free on /var/lib/docker",
         "`sudo du -xhd1 /var/lib/docker`"),
    ],
)  # fmt: skip
def test_each_warning_has_its_remedy(output: str, now: float, message: str, remedy: str) -> None:
    ((seen, advice),) = words(machine(output, now).warnings)
    assert message in seen
    assert remedy in advice


@pytest.mark.parametrize("output", ["", "clock\n", "clock x\n", "disk a b /\n", "nonsense\n\n"])
def test_what_a_node_does_not_report_is_left_out(output: str) -> None:
    assert machine(output) == Findings((), [], (), [])


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/etc/environment http_proxy=http://a:1", "http://a:1 (/etc/environment)"),
        ("/etc/environment https_proxy='http://it:secret@a:1/'", "http://a:1/ (/etc/environment)"),
        ("/etc/yum.conf proxy=http://a:1", "http://a:1 (/etc/yum.conf)"),
        ("/etc/yum.conf proxy = http://a:1", "http://a:1 (/etc/yum.conf)"),
        ("/d.conf Environment=\"HTTPS_PROXY=http://a:1\" \"NO_PROXY=b\"", "http://a:1 (/d.conf)"),
        ("/etc/profile.d/p.sh   export HTTP_PROXY=http://a:1;", "http://a:1 (/etc/profile.d/p.sh)"),
        ("/etc/yum.conf # proxy=http://a:1", ""),
        ("/etc/yum.conf proxy_username=anna", ""),
        ("/etc/environment no_proxy=localhost", ""),
    ],
)  # fmt: skip
def test_proxies_are_shown_without_their_passwords(line: str, shown: str) -> None:
    wanted = (f"it has a proxy: {shown}",) if shown else ()
    assert machine(f"proxy {line}\n").notices == wanted


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        (b"Welcome\nto room 7\n", "Welcome"),
        (b"\n\n  \x1b[31mred\n", "\x1b[31mred"),
        (b"caf\xe9\n", "caf\N{REPLACEMENT CHARACTER}"),
        (b"x" * 4000, "x" * 80),
    ],
)
def test_what_a_login_prints_is_named(before: bytes, shown: str) -> None:
    found = noise(before, "anna")
    assert found is not None
    assert f"logging in as anna prints “{shown}”" in found.message
    assert "~/.bashrc" in found.remedy


@pytest.mark.parametrize("before", [b"", b"\n", b" \r\n"])
def test_a_silent_login_is_fine(before: bytes) -> None:
    assert noise(before, "") is None


# -- the playbooks' own looks


def look(output: str, facts: Facts = CENTOS) -> Findings:
    found: Findings = repositories.Repositories(facts).examine(Observed(0, output))
    return found


STOCK = "".join(
    f"section {name} /etc/yum.repos.d/CentOS-Base.repo -\ndead {name} 6 http://mirrorlist/\n"
    for name in ("base", "updates", "extras")
)


def test_the_dead_repositories_of_the_box_are_no_trouble() -> None:
    found = look(STOCK)
    assert (found.obstacles, found.warnings) == ([], [])
    assert ("repositories", "base, extras, updates of CentOS no longer answer; labctl replaces "
            "them") in found.passed  # fmt: skip


@pytest.mark.parametrize(
    ("output", "message", "remedy"),
    [
        ("section sclo /r/s.repo -\ndead sclo 7 http://a/\n",
         "the repository sclo of /r/s.repo does not answer (http://a/: it refuses connections)",
         "`sudo sed -i '/^\\[sclo\\]/a enabled=0' /r/s.repo`"),
        ("section epel /r/e.repo 1\ndead epel 28 https://a/\n",
         "(https://a/: it takes too long)",
         "`sudo sed -i '/^\\[epel\\]/,/^\\[/ s/^enabled *=.*/enabled=0/' /r/e.repo`"),
        ("section a /r/a.repo 1\ndead a 35 https://a/\n", "curl fails with 35", "/r/a.repo`"),
        # A repository of CentOS in a file that labctl does not write.
        ("section base /r/my.repo -\ndead base 6 http://a/\n", "of /r/my.repo", "/r/my.repo`"),
        ("section a /r/1.repo 1\nsection a /r/2.repo 1\n",
         "the repository a is defined in /r/1.repo, /r/2.repo",
         "`sudo mv /r/2.repo /r/2.repo.off`"),
        # The second file has more in it.
        ("section a /r/1.repo 1\nsection a /r/2.repo 1\nsection b /r/2.repo 1\n",
         "is defined in /r/1.repo, /r/2.repo", "remove the section [a] from one of them"),
        ("section a /r/1.repo 1\nsection a /r/1.repo 1\n",
         "is defined in /r/1.repo, /r/1.repo", "remove the section [a] from one of them"),
    ],
)  # fmt: skip
def test_repositories_that_stop_yum(output: str, message: str, remedy: str) -> None:
    ((seen, advice),) = words(look(output).warnings)
    assert message in seen
    assert remedy in advice


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (Facts("1", "x86_64", "centos", "8"), "this is centos 8"),
        (Facts("1", "x86_64", "debian", "12"), "this is debian 12"),
        (Facts("1", "x86_64", "", ""), "this is an unknown system"),
    ],
)
def test_another_distribution_stops_labctl(facts: Facts, named: str) -> None:
    (obstacle,) = look("", facts).obstacles
    assert named in obstacle.message
    assert obstacle.what == "distribution"


@pytest.mark.parametrize(
    ("output", "message", "remedy"),
    [
        ("nameserver 10.0.0.1\nunknown hub.a\n", "it cannot look up hub.a; nameservers: 10.0.0.1",
         "labctl pins them"),
        ("unknown hub.a\nunknown vault.a\n", "hub.a, vault.a; nameservers: none", "resolv.conf"),
        ("nameserver 10.0.0.1\nunknown vault.a\n", "vault.a", "resolv.conf"),
    ],
)  # fmt: skip
def test_names_that_are_not_found(output: str, message: str, remedy: str) -> None:
    check = lookups.Lookups(("vault.a", "hub.a"), ("hub.a",))
    ((seen, advice),) = words(check.examine(Observed(0, output)).warnings)
    assert message in seen
    assert remedy in advice
    assert check.examine(Observed(0, "nameserver 10.0.0.1\n")).warnings == ()


def test_networks_of_docker_and_forwarding() -> None:
    check = surroundings.Surroundings((), False)
    routes = "route default via 10.0.2.2 dev eth0\n"
    assert check.examine(Observed(0, routes)).passed == [("docker's networks", "free")]
    found = check.examine(Observed(0, f"{routes}ssh 172.17.4.9 5 10.0.2.15 22\nforwarding off\n"))
    assert "labctl sets bip=10.213.0.1/16" in found.passed[0][1]
    ((message, remedy),) = words(found.warnings)
    assert "ip_forward is 0" in message
    assert "`sudo sysctl -w net.ipv4.ip_forward=1`" in remedy
    chosen = surroundings.Surroundings((), True).examine(Observed(0, "ssh 172.17.4.9 5 a 22\n"))
    assert chosen.passed == [("docker's networks", "as lab.yaml sets them")]


@pytest.mark.parametrize(
    ("output", "known"),
    [
        ("runtime docker-runc\nruntime runc\n", True),
        ("runtime runc\n", False),
        ("runtime nvidia\n", False),
        ("", False),
    ],
)
def test_containers_of_centos_find_their_runtime(output: str, known: bool) -> None:
    wanted = {"runtimes": {"docker-runc": {"path": "/usr/bin/runc"}}} if known else {}
    assert runtimes.keys(Observed(0, output)) == wanted


# -- how the run and the doctor tell it


class Confused:
    id, what, at_first_contact = "preflight:x", "x", True

    def probe(self) -> str:
        return ""

    def examine(self, observed: Observed) -> Findings:
        raise ValueError("no sense")


def test_an_output_without_sense_is_an_obstacle() -> None:
    (obstacle,) = findings(Confused(), Observed(0, "")).obstacles
    assert obstacle.message == "preflight:x: no sense"


def test_warnings_are_told_and_do_not_stop() -> None:
    check = MachinePreflight(lambda: NOW)
    seen = Observed(0, "clock 1433000000\nproxy /etc/yum.conf proxy=http://a:1\n")
    notices, error = examine([check], [seen], "n", first_contact=True)
    assert error is None
    assert notices[0] == "it has a proxy: http://a:1 (/etc/yum.conf)"
    assert notices[1].endswith("→ `sudo date -s @1800000000`, or let labctl set it")
