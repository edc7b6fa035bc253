"""The key `proxy`: what it accepts, and what it means for the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.config.model import LabSpec
from labctl.config.proxy import ProxyAddress, ProxySettings, from_environment
from labctl.config.proxy_checks import resolve
from labctl.config.validate import validate
from labctl.errors import UsageError
from tests.unit.fakes import lab_spec

PROXY = "http://proxy.school.example:3128"
PLACE = "proxy.school.example:3128"


def resolved(proxy: Any, variables: dict[str, str] | None = None, **raw: Any) -> ProxySettings:
    found = resolve(lab_spec(proxy=proxy, **raw), variables or {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (PROXY, PROXY),
        (PROXY + "/", PROXY),
        (PLACE, PROXY),
        ("HTTP://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        (f"http://anna:s%40fe@{PLACE}", f"http://anna:s%40fe@{PLACE}"),
        (f"http://anna:s@f:e@{PLACE}", f"http://anna:s%40f%3Ae@{PLACE}"),
        (f"http://anna:100%@{PLACE}", f"http://anna:100%25@{PLACE}"),
        (f"http://a%5Cb:$x'\"`/?#@{PLACE}", f"http://a%5Cb:%24x%27%22%60%2F%3F%23@{PLACE}"),
        (f"http://anna:学校@{PLACE}", f"http://anna:%E5%AD%A6%E6%A0%A1@{PLACE}"),
        (f"anna:safe@{PLACE}", f"http://anna:safe@{PLACE}"),
        (f"http://anna@{PLACE}", f"http://anna@{PLACE}"),
    ],
)
def test_one_form_for_all_programs(given: str, url: str) -> None:
    """Whatever the password, the URL has no character that a shell, systemd or YAML reads."""
    assert ProxyAddress.parse(given).url == url
    settings = resolved(given)
    assert settings.environment["http_proxy"] == url
    assert settings.environment["HTTPS_PROXY"] == url


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (f"socks5://anna:secret@{PLACE}", "is a SOCKS proxy", f"http://{PLACE[:-5]}:3128"),
        (f"socks5h://{PLACE}", "is a SOCKS proxy", ""),
        (f"https://anna:secret@{PLACE}", "the proxy itself is reached by http://", PROXY),
        (f"ftp://anna:secret@{PLACE}", f"must be an http URL, is 'ftp://{PLACE}'", ""),
        ("http://anna:secret@proxy.school.example", "has no valid port", ":3128"),
        ("http://anna:secret@proxy.school.example:0", "has no valid port", ""),
        ("http://anna:secret@proxy.school.example:65536", "has no valid port", ""),
        ("http://anna:secret@:3128", "'' is not a host", "%40"),
        ("http://anna:secret@pro xy:3128", "'pro xy' is not a host", "%40"),
        (f"{PROXY}/path", "is not a proxy's URL", "http://proxy.example:3128"),
        (f"http://anna:secret%0A@{PLACE}", "must not contain control characters", ""),
        ("http://127.0.0.1:3128", "means the node itself", "http://192.168.56.1:PORT"),
        ("localhost:3128", "means the node itself", "http://192.168.56.1:PORT"),
        ("http://[::1]:3128", "means the node itself", "192.168.56.1"),
        ("", "is not a host", ""),
    ],
)
def test_what_no_program_would_read_alike_is_refused(given: str, message: str, hint: str) -> None:
    faults = validate({"proxy": given})
    assert isinstance(faults, list)
    assert {fault.path for fault in faults} == {("proxy", "http"), ("proxy", "https")}
    for fault in faults:
        assert message in fault.message
        assert hint in fault.hint
        assert "secret" not in fault.message + fault.hint


@pytest.mark.parametrize(
    ("proxy", "path", "message"),
    [
        ({"no_proxy": ["a"]}, ("proxy",), "neither http nor https is set"),
        ({"inherit": True, "http": PROXY}, ("proxy", "inherit"), "cannot be combined"),
        ({"http": PROXY, "no_proxy": ["a b"]}, ("proxy", "no_proxy", 0), "must be a host name"),
        ({"http": PROXY, "no_proxy": "a;b"}, ("proxy", "no_proxy", 0), "must be a host name"),
        ({"htps": PROXY, "http": PROXY}, ("proxy", "htps"), "unknown key"),
        (3128, ("proxy",), "must be a mapping"),
        (["a"], ("proxy",), "must be a mapping"),
        ({"http": 3128}, ("proxy", "http"), "must be a string"),
    ],
)
def test_mistakes_in_the_mapping(proxy: Any, path: tuple[str, ...], message: str) -> None:
    faults = validate({"proxy": proxy})
    assert isinstance(faults, list)
    assert [fault.path for fault in faults] == [path]
    assert message in faults[0].message


def test_a_machine_of_ones_own_is_named_by_another_remedy() -> None:
    machines = [{"name": "pc1", "host": "10.20.0.11"}]
    faults = validate({"proxy": "http://127.0.0.1:3128", "machines": machines})
    assert isinstance(faults, list)
    assert "an address of this computer" in faults[0].hint


def test_what_is_local_is_reached_directly() -> None:
    found = resolved(
        {"http": PROXY, "no_proxy": "*.school.example, 10.9.0.0/16 cache"},
        nodes=[{"name": "manager"}, {"name": "w1", "address": "192.168.56.40"}],
        docker={
            "mirrors": ["http://10.0.0.5:5000", "https://mirror.example"],
            "insecure_registries": ["reg:5000", "10.0.0.0/8", "registry.example:5000"],
        },
        sources={"vault": {"baseurl": "http://vault.lan/7"}},
    )
    assert found.no_proxy == (
        *("127.0.0.1", "localhost", "::1", "manager", "192.168.56.11", "w1", "192.168.56.40"),
        *(".school.example", "10.9.0.0/16", "cache", "vault.lan", "10.0.0.5", "reg"),
    )
    assert found.for_url("http://vault.centos.org/") is not None
    assert found.for_url("https://vault.centos.org/") is None  # only http has a proxy
    for direct in ("vault.lan", "www.school.example", "10.9.3.4", "MANAGER", "192.168.56.40"):
        assert found.for_url(f"http://{direct}:80/") is None, direct
    for through in ("xmanager", "10.10.3.4", "school.example.org"):
        assert found.for_url(f"http://{through}/") is not None, through


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"no_proxy": "a"}, {}),
        ({"http_proxy": PROXY, "no_proxy": "*"}, {}),
        ({"HTTPS_PROXY": PROXY}, {"https": PROXY, "no_proxy": []}),
        (
            {"http_proxy": PROXY, "HTTP_PROXY": "http://other:1", "NO_PROXY": "a, .b,*,10.0.0.0/8"},
            {"http": PROXY, "no_proxy": ["a", ".b", "10.0.0.0/8"]},
        ),
        ({"ALL_PROXY": PROXY}, {"http": PROXY, "https": PROXY, "no_proxy": []}),
        ({"http_proxy": "", "HTTP_PROXY": PROXY}, {"http": PROXY, "no_proxy": []}),
    ],
)
def test_the_environment(variables: dict[str, str], expected: dict[str, Any]) -> None:
    assert from_environment(variables) == expected


def test_inherited() -> None:
    spec = lab_spec(proxy="inherit")
    assert resolve(spec, {}) is None
    found = resolve(spec, {"https_proxy": f"anna:x@{PLACE}", "no_proxy": "*.lan"})
    assert found is not None
    assert (found.http, found.https) == (
        None,
        ProxyAddress("proxy.school.example", 3128, "anna", "x"),
    )
    assert found.no_proxy[-1] == ".lan"
    more = resolved({"inherit": True, "no_proxy": ["m"]}, {"http_proxy": PROXY, "no_proxy": "n"})
    assert more.no_proxy[-2:] == ("m", "n")


@pytest.mark.parametrize(
    "url", ["socks5://anna:secret@proxy:1080", "http://127.0.0.1:3128", "https://anna:secret@p:1"]
)
def test_an_inherited_proxy_that_is_of_no_use_to_nodes(url: str) -> None:
    with pytest.raises(UsageError, match="http_proxy of this computer: ") as caught:
        resolve(lab_spec(proxy="inherit"), {"HTTP_PROXY": url})
    assert caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_no_proxy_at_all() -> None:
    assert resolve(lab_spec(), {"http_proxy": PROXY}) is None


def test_a_password_is_not_in_what_people_see() -> None:
    found = resolved(f"http://anna:s%40fe@{PLACE}")
    assert found.described == f"http://anna:•••@{PLACE}"
    assert "s@fe" not in repr(found)
    assert set(found.secrets) == {"s@fe", "s%40fe"}
    one = resolved({"https": PROXY})
    assert one.described == f"https={PROXY}"


def test_the_playbook_comes_first_and_only_with_the_key() -> None:
    spec: LabSpec = lab_spec(proxy=PROXY, disk=80)
    assert spec.all_playbooks[:4] == ("proxy", "repos", "disk", "hosts")
    assert lab_spec(proxy=PROXY, disk=80, playbooks=["hosts"]).all_playbooks == (
        "proxy",
        "disk",
        "hosts",
    )
    assert lab_spec(proxy=PROXY, playbooks=["hosts", "proxy"]).all_playbooks == ("hosts", "proxy")
    assert "proxy" not in lab_spec().all_playbooks
