"""How snippets travel: one exchange with a real sh keeps them apart."""

from __future__ import annotations

import pytest

from labctl.errors import ProtocolError
from labctl.remote.exchange import ENVIRONMENT, PROXY_FILE, exchange
from tests.integration.resources.local_shell import (
    LocalShell,
    names,
)


def test_snippets_are_kept_apart(shell: LocalShell) -> None:
    snippets = [
        "cd /; X=1; export X; set -eu",
        'echo "$PWD ${X-unset}"; false; echo on',
        "exit 3",
        "if true; then",
        ") ; echo out; (",
        "printf 'no end'",
        "printf '\\351\\000\\377'",
        "cat",
        "echo to stderr >&2",
        "false",
        "",
        "trap 'echo trapped' EXIT",
        "kill -KILL $(exec sh -c 'echo $PPID')",
    ]
    seen = exchange(shell, snippets)
    assert [o.exit_code == 0 for o in seen] == [
        *(True, True, False, False, False, True, True, True, True, False, True, True, False)
    ]
    assert seen[1].output == f"{shell.folder} unset\non\n"
    assert seen[2].exit_code == 3
    assert seen[5].output == "no end"
    assert seen[6].output.encode("utf-8", "surrogateescape") == b"\xe9\0\xff"
    assert (seen[7].output, seen[8].output) == ("", "to stderr\n")
    assert seen[11].output == "trapped\n"


def test_a_snippet_that_leaves_a_process_ends_the_script(shell: LocalShell) -> None:
    late = "( exec 5>&1 >/dev/null; sleep 0.3; echo late >&5 ) & echo now"
    seen = exchange(shell, ["echo one", late, "sleep 0.6; echo two", "exit 3"])
    assert [(o.exit_code, o.output) for o in seen] == [
        *((0, "one\n"), (0, "now\n"), (0, "two\n"), (3, ""))
    ]
    # One more if process ids begin again meanwhile: then it cannot tell.
    assert shell.exchanges in (2, 3)


def test_what_does_not_write_here_costs_no_exchange(shell: LocalShell) -> None:
    """Neither children that have ended nor a daemon with other outputs."""
    daemon = "setsid sleep 1 >/dev/null 2>&1 </dev/null & sleep 0.2"
    counts = []
    for _ in range(3):  # process ids may begin again meanwhile, and then it cannot tell
        shell.exchanges = 0
        exchange(shell, ["true | cat; yes | head -1", "sleep 0 & wait", daemon, "echo $(echo on)"])
        counts.append(shell.exchanges)
    assert min(counts) == 1


def test_a_snippet_sees_no_variable_of_the_script_around_it(shell: LocalShell) -> None:
    names = "code left pid stat fd first last session token stream"
    shown = " ".join(f"${{{name}-unset}}" for name in names.split())
    (seen,) = exchange(shell, [f"echo {shown} $#"])
    assert seen.output == " ".join(["unset"] * 10) + " 0\n"


@pytest.mark.parametrize("shut", ["false", "exit 3", "set -e; false; true", "if true; then"])
def test_behind_a_gate_that_is_shut_nothing_runs(shell: LocalShell, shut: str) -> None:
    (seen,) = exchange(shell, [shut, "touch canary", "touch canary"], gate=True)
    assert not seen.ok
    assert names(shell.folder) == []


def test_behind_a_gate_that_is_open_all_is_run(shell: LocalShell) -> None:
    seen = exchange(shell, ["echo open", "exit 3", "echo on"], gate=True)
    assert [(o.exit_code, o.output) for o in seen] == [(0, "open\n"), (3, ""), (0, "on\n")]


def test_a_large_script_goes_through(shell: LocalShell) -> None:
    """Longer than any argument of a program may be."""
    text = "0123456789abcde\n" * 200_000
    (seen,) = exchange(shell, [f"printf %s '{text}' | cksum; printf %s '{text}' | wc -c"])
    assert seen.output.split()[-1] == str(len(text))


def test_a_shell_that_dies_is_no_result(here: LocalShell) -> None:
    with pytest.raises(ProtocolError, match="only 1 of 3"):
        exchange(here, ["true", "kill -KILL $$", "true"])


def test_the_proxy_of_the_node_is_read_in_each_exchange(
    shell: LocalShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session may be older than the file, and have variables of a file that is gone."""
    file = shell.folder / "proxy.env"
    shown = 'echo "${http_proxy-none}" "${no_proxy-none}"'
    text = ENVIRONMENT.replace(PROXY_FILE, str(file))
    monkeypatch.setattr("labctl.remote.exchange.ENVIRONMENT", text)
    shell.environment |= {"http_proxy": "http://the-machines-own:1", "no_proxy": "theirs"}
    assert exchange(shell, [shown])[0].output == "http://the-machines-own:1 theirs\n"
    file.write_text(
        "# a comment\nLABCTL_PROXY=1\nhttp_proxy=http://a:~%24x'@p:1\nno_proxy=a,*.b\n("
    )
    assert exchange(shell, [shown])[0].output == "http://a:~%24x'@p:1 a,*.b\n"
    file.unlink()
    shell.environment |= {"LABCTL_PROXY": "1", "http_proxy": "http://a:1", "no_proxy": "a"}
    assert exchange(shell, [shown])[0].output == "none none\n"
