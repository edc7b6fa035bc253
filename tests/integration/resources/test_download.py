"""Download, from a web server on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    Download,
)
from labctl.provision.resources.base import Change
from labctl.remote.exchange import Observed
from tests.integration.resources.local_shell import (
    LocalShell,
    converges,
    names,
)


def test_download(shell: LocalShell, served: tuple[Path, str]) -> None:
    folder, url = served
    content = bytes(range(256)) * 1000
    (folder / "tool").write_bytes(content)
    path = shell.folder / "new" / "it's a tool"
    wanted = Download(f"{url}/tool", str(path), hashlib.sha256(content).hexdigest())
    converges(shell, wanted)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o7777 == 0o755
    path.chmod(0o600)
    converges(shell, wanted)
    path.write_text("another")
    converges(shell, wanted)
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("stood", [None, "old\n"])
@pytest.mark.parametrize("url", ["/tool", "/missing", ":1/refused"])
def test_a_wrong_download_leaves_nothing_behind(
    here: LocalShell, served: tuple[Path, str], stood: str | None, url: str
) -> None:
    folder, base = served
    (folder / "tool").write_text("not what was expected")
    path = here.folder / "a" / "tool"
    path.parent.mkdir()
    if stood is not None:
        path.write_text(stood)
    address = f"http://127.0.0.1{url}" if url.startswith(":") else f"{base}{url}"
    with pytest.raises(ChangeFailed) as caught:
        here.apply(_Impatient(Download(address, str(path), "0" * 64)))
    if url == "/tool":
        seen = hashlib.sha256(b"not what was expected").hexdigest()
        assert f"expected sha256 {'0' * 64}\nreceived sha256 {seen}" in caught.value.details
    assert names(path.parent) == ([] if stood is None else ["tool"])
    assert stood is None or path.read_text() == stood


@dataclass(frozen=True)
class _Impatient:
    """A download that tries once: the real one waits for seconds before it tries again."""

    real: Download

    @property
    def id(self) -> str:
        return self.real.id

    def probe(self) -> str:
        return self.real.probe()

    def plan(self, observed: Observed) -> Change:
        change = self.real.plan(observed)
        assert change is not None
        return replace(change, script=change.script.replace("--retry 3", "--retry 0"))
