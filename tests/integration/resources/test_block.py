"""Block: a marked part of a file that labctl shares with others."""

from __future__ import annotations

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    Block,
)
from labctl.remote.exchange import exchange
from tests.integration.resources.local_shell import (
    LocalShell,
    converges,
    names,
)


@pytest.mark.parametrize(
    "before",
    [
        b"127.0.0.1 localhost\n",
        b"no end",
        b"dos\r\n",
        b"caf\xe9 \xff\xfe\x80\n",
        b"\\n %s '\"$HOME\n",
    ],
)
def test_block_leaves_every_other_byte(shell: LocalShell, before: bytes) -> None:
    path = shell.folder / "it's hosts"
    path.write_bytes(before)
    path.chmod(0o604)
    block = Block(str(path), "nodes", ("192.168.56.11 docker-node1", "ü $(touch canary)"))
    converges(shell, block)
    text = path.read_bytes()
    end = b"" if before.endswith(b"\n") else b"\n"
    body = "\n".join([block.begin, *block.lines, block.end]).encode() + b"\n"
    assert text == before + end + body
    after = b"after caf\xe9, no end"
    path.write_bytes(text + after)
    converges(shell, Block(str(path), "nodes", ("other",)))
    converges(shell, Block(str(path), "nodes", ()))
    assert path.read_bytes() == before + end + after
    assert path.stat().st_mode & 0o7777 == 0o604
    assert names(shell.folder) == [path.name]


def test_block_makes_a_file(here: LocalShell) -> None:
    path = here.folder / "new" / "hosts"
    converges(here, Block(str(path), "nodes", ("a",)))
    assert path.stat().st_mode & 0o7777 == 0o644


def test_block_keeps_the_mode_of_an_empty_file(here: LocalShell) -> None:
    path = here.folder / "secret"
    path.touch(mode=0o600)
    converges(here, Block(str(path), "nodes", ("a",)))
    assert path.stat().st_mode & 0o7777 == 0o600


def test_block_refuses_what_a_shell_cannot_carry(here: LocalShell) -> None:
    path = here.folder / "hosts"
    path.write_bytes(b"a\0b\n")
    with pytest.raises(ChangeFailed, match="NUL"):
        here.apply(Block(str(path), "nodes", ("a",)))
    assert path.read_bytes() == b"a\0b\n"


@pytest.mark.parametrize("edited", [b"somebody was here\n", b"", None])
def test_block_refuses_a_file_that_was_edited_meanwhile(
    shell: LocalShell, edited: bytes | None
) -> None:
    path = shell.folder / "it's hosts"
    path.write_bytes(b"127.0.0.1 localhost\n")
    block = Block(str(path), "nodes", ("a",))
    change = block.plan(exchange(shell, [block.probe()])[0])
    assert change is not None
    path.unlink() if edited is None else path.write_bytes(edited)
    (seen,) = exchange(shell, [change.script])
    assert not seen.ok
    assert "was edited meanwhile" in seen.output
    assert (path.read_bytes() if path.exists() else None) == edited
