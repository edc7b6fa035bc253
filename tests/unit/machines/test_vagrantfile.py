"""Rendering: golden Vagrantfiles, Ruby literals that real Ruby reads back, and templates that fail.

LABCTL_UPDATE_GOLDEN=1 rewrites the golden files; the integration test gives each of them to the
real `vagrant validate`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labctl import templating
from labctl.config import daemon_json
from labctl.config.model import LabSpec
from labctl.config.validate import validate
from labctl.errors import UsageError
from labctl.machines import processor, providers, vagrantfile
from labctl.machines.base import Provider
from labctl.provision import daemon_file

TESTS = Path(__file__).parents[2]
GOLDEN = TESTS / "golden"
PACKAGED = TESTS.parent / "templates"
LIBVIRT, VIRTUALBOX = providers.get("libvirt"), providers.get("virtualbox")
EXTRA = 'Vagrant.configure("2") { |config| config.vm.post_up_message = "#{1 + 1} nodes" }\n'

LABS: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "course": ("virtualbox", False, {"name": "docker-lab"}),
    "course-libvirt": ("libvirt", False, {"name": "docker-lab"}),
    "emulated": ("libvirt", True, {"name": "docker-lab", "nodes": 1}),
    "named-nodes": (
        "virtualbox",
        False,
        {
            "name": "swarm",
            "nodes": [
                {"name": "manager", "memory": 2048, "cpus": 2},
                {"name": "worker", "address": "10.20.0.40"},
            ],
            "network": "10.20.0.0/20",
            "linked_clone": False,
            "dns_host_resolver": True,
            "boot_timeout": 600,
        },
    ),
    "own-box": (
        "libvirt",
        False,
        {
            "name": "offline",
            "nodes": 1,
            "box": {
                "name": "el7",
                "url": "file:///srv/boxes/el7.box",
                "sha256": "7e83943defcb5c4e9bebbe4184cce4585c82805a15e936b01b1e893b63dee2c5",
            },
        },
    ),
    "folders": (
        "virtualbox",
        False,
        {
            "name": "folders",
            "nodes": 1,
            "vbguest": True,
            "synced_folders": [
                {
                    "host": "/home/anna/it's #{mine}",
                    "guest": "/srv/app",
                    "type": "rsync",
                    "options": {
                        "rsync__exclude": [".git/", '"#{1 + 1}"'],
                        "rsync__auto": False,
                        "owner": "root",
                    },
                },
                {"host": "/home/anna/web", "guest": "/srv/web", "options": {"create": True}},
                {"host": "/home/anna/off", "guest": "/srv/off", "type": "disabled"},
            ],
        },
    ),
    "auto-folders": (
        "virtualbox",
        False,
        {
            "name": "auto-folders",
            "nodes": 1,
            "synced_folders": [{"host": "/home/anna/web", "guest": "/srv/web"}],
        },
    ),
    "nfs-folder": (
        "virtualbox",
        False,
        {
            "name": "nfs-folder",
            "nodes": 1,
            "synced_folders": [
                {
                    "host": "/home/anna/web",
                    "guest": "/srv/web",
                    "type": "nfs",
                    "options": {
                        "nfs_version": "4.1",
                        "nfs_udp": False,
                        "linux__nfs_options": ["rw", "no_subtree_check"],
                        "map_uid": 0,
                    },
                },
            ],
        },
    ),
    "own-folder": (
        "libvirt",
        False,
        {
            "name": "own-folder",
            "nodes": 1,
            "synced_folders": [{"host": "/home/anna/lab", "guest": "/vagrant", "type": "rsync"}],
        },
    ),
    "options": (
        "virtualbox",
        False,
        {
            "name": "options",
            "nodes": [
                {"name": "manager", "gui": True, "disk": 120, "forwarded_ports": ["9000:9000/tcp"]},
                {
                    "name": "worker",
                    "box": {"name": "bento/centos-7", "version": "202401.31.0"},
                    "networks": [{"network": "192.168.57.0/24", "address": "192.168.57.40"}],
                    "provider_options": {"virtualbox": {"vram": 64}},
                    "provision": [{"inline": "id\n", "run": "always", "privileged": False}],
                },
            ],
            "synced_folders": [{"host": "/home/anna/web", "guest": "/srv/web"}],
            "disk": 80,
            "nested": True,
            "forwarded_ports": [
                "8080:80",
                {"guest": 53, "host": 5353, "protocol": "udp", "host_ip": "0.0.0.0"},
            ],
            "networks": [{"bridge": "en0: Wi-Fi (AirPort)"}],
            "provider_options": {
                "virtualbox": {"vram": 32, "audio-enabled": False, "paravirtprovider": "kvm"},
                "libvirt": {"cpu_mode": "host-passthrough"},
            },
            "provision": ["echo '#{`id`}' \"$HOME\" > /etc/motd"],
        },
    ),
    "options-libvirt": (
        "libvirt",
        False,
        {
            "name": "options",
            "disk": 80,
            "gui": True,
            "nested": True,
            "forwarded_ports": ["8080:80", "0.0.0.0:8443:443"],
            "networks": [
                {"network": "192.168.57.0/24"},
                {"bridge": "eno1"},
                {"bridge": "eno2", "network": "10.30.0.0/16"},
            ],
            "provider_options": {"libvirt": {"cpu_mode": "host-passthrough", "video_vram": 256}},
            "nodes": [
                {"name": "a"},
                {"name": "b", "box": "generic/centos7", "gui": False, "nested": False, "disk": 90},
            ],
        },
    ),
    "boxes": (
        "virtualbox",
        False,
        {
            "name": "boxes",
            "box": {"name": "el7", "url": "file:///srv/el7.box", "sha256": "7e" * 32},
            "nodes": [
                {"name": "a", "box": "generic/centos7"},
                {"name": "b", "box": {"name": "c", "url": "file:///c.box", "sha256": "ab" * 32}},
            ],
        },
    ),
    "own-files": (
        "virtualbox",
        False,
        {
            "name": "own-files",
            "nodes": 1,
            "vagrantfile": "extra.rb",
            "provision": [{"file": "setup.sh"}],
        },
    ),
    "fifty": ("virtualbox", False, {"name": "fifty", "nodes": 50, "memory": 512}),
}


def lab(raw: dict[str, Any]) -> LabSpec:
    result = validate(raw)
    assert isinstance(result, LabSpec), result
    return result


@pytest.mark.parametrize("name", LABS)
def test_golden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, emulated, raw = LABS[name]
    monkeypatch.setattr(processor, "emulated", lambda: emulated)
    text = vagrantfile.vagrantfile(lab(raw), providers.get(provider), (PACKAGED,), own=EXTRA)
    file = GOLDEN / f"{name}.Vagrantfile"
    if os.environ.get("LABCTL_UPDATE_GOLDEN"):
        file.write_text(text, "utf-8", newline="\n")
    assert text == file.read_text("utf-8")


def test_there_is_no_golden_file_without_a_lab() -> None:
    assert {file.stem for file in GOLDEN.glob("*.Vagrantfile")} == set(LABS)


def test_no_line_ends_in_blanks_and_no_two_are_empty() -> None:
    for file in GOLDEN.glob("*.Vagrantfile"):
        text = file.read_text("utf-8")
        assert all(line == line.rstrip() for line in text.splitlines())
        assert "\n\n\n" not in text
        assert text.endswith(("end\n", ', binding, "extra.rb"\n'))
        assert not text.endswith("\n\n")


def test_a_9p_folder() -> None:
    """It has no golden file: Vagrant would ask a running libvirt about it."""
    folder = {"host": "/h", "guest": "/srv/lab", "type": "9p", "options": {"accessmode": "squash"}}
    raw = {"box": {"name": "el7", "url": "file:///el7.box"}, "synced_folders": [folder]}
    text = vagrantfile.vagrantfile(lab(raw), LIBVIRT, (PACKAGED,))
    assert 'synced_folder "/h", "/srv/lab", type: "9p", accessmode: "squash"\n' in text


def test_two_labs_have_two_networks() -> None:
    first = vagrantfile.vagrantfile(lab({"name": "one"}), LIBVIRT, (PACKAGED,))
    second = vagrantfile.vagrantfile(lab({"name": "two"}), LIBVIRT, (PACKAGED,))
    assert '"one-192-168-56-0-24"' in first
    assert '"two-192-168-56-0-24"' in second


NASTY = [
    "",
    "plain",
    'x"; system("touch /tmp/p") #',
    '#{system("touch /tmp/p")}',
    "#$stdout #@foo #@@bar \\#{1}",
    "\\",
    '\\"',
    '\\\\" + `id` + "',
    "a\nb\r\nc\td",
    "\x00\x07\x1b[31m\x7f\x85",
    "\u2028\u2029\u200b\ufeff\U000e0001",
    "ümläut 实验 🐳",
    "%q(x) %{y} <<EOF\n__END__\n=begin\n",
    "'single' `back`",
    "nil true 1",
    "\\u{41} \\x41 \\101",
]


def _random_texts(count: int) -> list[str]:
    """Return texts made of what means something to Ruby, the same on every run."""
    pick = random.Random(7)
    pieces = ["#", "{", "}", '"', "'", "\\", "$", "@", "`", "\n", "\x00", "u", "x", "0", "é", "🐳"]
    return ["".join(pick.choices(pieces, k=pick.randint(1, 12))) for _ in range(count)]


@pytest.mark.needs("ruby")
def test_ruby_reads_every_literal_back_as_its_value() -> None:
    values: list[Any] = [
        *NASTY,
        *_random_texts(300),
        [1, -5, True, False, None],
        {"a": ["b", {"c": None}], '"#{1}': '#{"'},
        [],
        {},
    ]
    literal = vagrantfile.ruby_literal(values)
    program = f'# encoding: utf-8\nrequire "json"\nputs JSON.generate({literal})\n'
    done = subprocess.run(
        ["ruby", "--disable-gems", "-"], input=program.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == values


@pytest.mark.parametrize("text", NASTY)
def test_a_text_stays_between_its_quotes(text: str) -> None:
    literal = vagrantfile.ruby_literal(text)
    assert literal.isprintable()
    inside = literal[1:-1].replace("\\\\", "").replace('\\"', "").replace("\\#", "")
    assert literal[0] == literal[-1] == '"'
    assert '"' not in inside
    assert "#" not in inside


@pytest.mark.parametrize("value", [1.5, object(), b"x", {1.5: "x"}, ["x", {2}]])
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        vagrantfile.ruby_literal(value)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        vagrantfile.ruby_literal("\udc80")


def template(folder: Path, name: str, text: str) -> tuple[Path, ...]:
    (folder / name).write_text(text, "utf-8")
    return folder, PACKAGED


def test_the_labs_own_template_comes_first(tmp_path: Path) -> None:
    folders = template(
        tmp_path, "Vagrantfile.j2", "{% for n in nodes %}{{ n.name | ruby }} {% endfor %}"
    )
    assert vagrantfile.vagrantfile(lab({}), LIBVIRT, folders) == '"docker-node1" "docker-node2" '


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ok\n{% if %}\n", 2, "Expected an expression"),
        ("ok\n\n{{ nods }}\n", 3, "'nods' is undefined"),
        ("ok\n{{ nodes[0].adress | ruby }}\n", 2, "has no attribute 'adress'"),
        ("{{ lab | rubi }}", 1, "No filter named 'rubi'"),
        ("ok\n{{ lab.__class__.__mro__ }}\n", 2, "unsafe"),
        ("ok\n{{ 1 / 0 }}\n", 2, "division by zero"),
        ("ok\n{{ 1.5 | ruby }}\n", 2, "no Ruby literal for float"),
        ("{% include 'nothing.j2' %}", 0, "template nothing.j2 not found"),
    ],
)
def test_a_template_that_fails_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    folders = template(tmp_path, "Vagrantfile.j2", text)
    with pytest.raises(UsageError) as caught:
        vagrantfile.vagrantfile(lab({}), VIRTUALBOX, folders)
    assert message in caught.value.message
    if line:
        assert caught.value.message.startswith(f"{tmp_path / 'Vagrantfile.j2'}:{line}: ")


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"template Vagrantfile\.j2 not found"):
        vagrantfile.vagrantfile(lab({}), VIRTUALBOX, (tmp_path,))


def test_a_template_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "Vagrantfile.j2").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        vagrantfile.vagrantfile(lab({}), VIRTUALBOX, (tmp_path,))


def test_a_template_cannot_leave_its_folders(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", "utf-8")
    own = tmp_path / "templates"
    own.mkdir()
    folders = template(own, "Vagrantfile.j2", "{% include '../secret' %}")
    with pytest.raises(UsageError, match=r"template .* not found"):
        vagrantfile.vagrantfile(lab({}), VIRTUALBOX, folders)


def test_a_playbook_may_have_templates_of_its_own(tmp_path: Path) -> None:
    folders = template(tmp_path, "motd.j2", "{{ name }}:\n{{ more | json }}\n")
    assert templating.template("motd.j2", folders, {"name": "a", "more": [1]}) == "a:\n[\n  1\n]\n"
    with pytest.raises(UsageError, match=r"motd\.j2:1: 'name' is undefined"):
        templating.template("motd.j2", folders, {})


def test_daemon_json_is_the_settings() -> None:
    settings = daemon_json.merged({"log-opts": {"max-size": "10m"}, "debug": True}, ["https://a"])
    text = daemon_file.daemon_json(settings, (PACKAGED,))
    assert json.loads(text) == settings
    assert text == daemon_json.canonical(settings)
    assert daemon_file.daemon_json({}, (PACKAGED,)) == "{}\n"


def test_a_lab_may_add_to_daemon_json(tmp_path: Path) -> None:
    text = "{{ dict(settings, debug=true) | json }}\n"
    folders = template(tmp_path, "daemon.json.j2", text)
    made = json.loads(daemon_file.daemon_json({"mtu": 1450}, folders))
    assert made == {"mtu": 1450, "debug": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ settings }}", "does not produce valid JSON"),
        ("[]", "does not produce a JSON object"),
        ('{"debug": "yes"}', "must be true or false"),
        ('{"colour": "blue"}', "unknown key 'colour'"),
        ('{"registry-mirrors": ["https://a/v2"]}', "without path"),
    ],
)
def test_what_is_no_daemon_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folders = template(tmp_path, "daemon.json.j2", text)
    with pytest.raises(UsageError, match=r"^daemon\.json\.j2 ") as caught:
        daemon_file.daemon_json({"data-root": "/data"}, folders)
    assert message in caught.value.message


def test_a_lab_s_template_may_extend_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "Vagrantfile.j2").write_text(
        '{% extends "labctl/Vagrantfile.j2" %}\n'
        "{% block all_machines %}\n  config.ssh.forward_agent = true\n{% endblock %}\n"
        "{% block each_machine %}\n      machine.vm.post_up_message = node[:name]\n{% endblock %}\n"
    )
    two = validate({"nodes": 2})
    assert isinstance(two, LabSpec)
    folders = (tmp_path / "templates", PACKAGED)
    plain = vagrantfile.vagrantfile(two, LIBVIRT, folders[1:])
    text = vagrantfile.vagrantfile(two, LIBVIRT, folders)
    added = [line for line in text.splitlines() if line not in plain.splitlines()]
    assert added == [
        "  config.ssh.forward_agent = true",
        "      machine.vm.post_up_message = node[:name]",
    ]


def test_a_template_that_extends_itself_is_an_error(tmp_path: Path) -> None:
    two = validate({"nodes": 2})
    assert isinstance(two, LabSpec)
    (tmp_path / "Vagrantfile.j2").write_text('{% extends "Vagrantfile.j2" %}\n')
    with pytest.raises(UsageError, match="extends or includes itself") as caught:
        vagrantfile.vagrantfile(two, LIBVIRT, (tmp_path, PACKAGED))
    assert caught.value.hint == 'write {% extends "labctl/Vagrantfile.j2" %}'


def test_a_template_replaces_a_block(tmp_path: Path) -> None:
    folders = template(
        tmp_path,
        "Vagrantfile.j2",
        '{% extends "labctl/Vagrantfile.j2" %}{% block folders %}  # none\n{% endblock %}',
    )
    text = vagrantfile.vagrantfile(lab({}), LIBVIRT, folders)
    assert "  # none\n" in text
    assert "synced_folder" not in text


def test_any_template_of_labctl_can_be_extended(tmp_path: Path) -> None:
    folders = template(tmp_path, "daemon.json.j2", '{% include "labctl/daemon.json.j2" %}')
    assert json.loads(daemon_file.daemon_json({"debug": True}, folders)) == {"debug": True}


# -- no value of an option becomes Ruby


@pytest.mark.needs("ruby")
@pytest.mark.parametrize("provider", [LIBVIRT, VIRTUALBOX], ids=lambda provider: provider.name)
def test_values_of_options_stay_values(provider: Provider, tmp_path: Path) -> None:
    """Ruby itself runs the file, with a stand-in for Vagrant that keeps what it is told."""
    evil = '"; File.write("stolen", "1"); "#{File.write("stolen", "2")}\\'
    raw = {
        "nodes": 1,
        "provision": [evil, {"file": evil.replace("/", "")}],
        "vagrantfile": "extra.rb",
        "networks": [{"bridge": "en0: Wi-Fi (AirPort) #1"}],
    }
    program = (
        "TOLD = []\n"
        "class Told\n"
        "  def has_plugin?(*) = false\n"
        "  def respond_to_missing?(*) = true\n"
        "  def method_missing(name, *words, **options, &block)\n"
        "    TOLD << [name, words, options]\n"
        "    block.call(self) if block\n"
        "    self\n"
        "  end\n"
        "end\n"
        "Vagrant = Told.new\n"
    )
    own = 'TOLD << "extra #{__FILE__} #{__LINE__}"\n'
    text = vagrantfile.vagrantfile(lab(raw), provider, (PACKAGED,), own=own)
    (tmp_path / "all.rb").write_text(program + text + "\nputs TOLD.inspect\n", "utf-8")
    done = subprocess.run(
        ["ruby", "-rjson", "-e", 'load "all.rb"; print "\\0", JSON.generate(TOLD)'],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout.rpartition(b"\0")[2])
    assert not (tmp_path / "stolen").exists()
    scripts = [one[2] for one in told if one[0] == "provision"]
    assert [one.get("inline", one.get("path")) for one in scripts] == [
        evil,
        evil.replace("/", ""),
    ]
    assert told[-1] == "extra extra.rb 1"
