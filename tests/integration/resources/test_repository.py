"""SigningKey with real keys of gpg, and the file of a yum repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    RepositorySection,
    SigningKey,
    repository_file,
)
from labctl.remote.exchange import exchange
from tests.integration.resources.local_shell import (
    LocalShell,
    converges,
    file,
    names,
)
from tests.needs import require


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Two throw-away keys as files, and their fingerprints; the second has a subkey."""
    require("gpg")
    folder = tmp_path_factory.mktemp("keys")
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    prints: dict[str, str] = {}
    try:
        for name in ("one", "two"):
            subprocess.run(
                [*base, "--quick-generate-key", name, "ed25519", "sign", "never"], check=True
            )
            listed = subprocess.check_output([*base, "--with-colons", "-k", name], text=True)
            found = [row.split(":")[9] for row in listed.splitlines() if row.startswith("fpr")]
            prints[name] = found[0]
        subprocess.run(
            [*base, "--quick-add-key", prints["two"], "cv25519", "encr", "never"], check=True
        )
        for name, chosen in (("one", ["one"]), ("two", ["two"]), ("both", ["one", "two"])):
            exported = subprocess.check_output([*base, "--armor", "--export", *chosen])
            (folder / name).write_bytes(exported)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    return folder, prints


def key_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.provision.resources.repository.KEY_FOLDER", str(folder / "rpm-gpg"))


def test_repository_file(here: LocalShell) -> None:
    key = SigningKey("k", "https://a", "0" * 40)
    made = repository_file("a", (RepositorySection("s", "name", "https://a/$basearch/"),), key)
    path = here.folder / "a.repo"
    converges(here, file(path, made.content, backup=made.backup))
    assert "baseurl=https://a/$basearch/\n" in path.read_text()


@pytest.mark.parametrize("name", ["one", "two"])
def test_signing_key(
    shell: LocalShell,
    keys: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    folder, prints = keys
    key_into(shell.folder, monkeypatch)
    key = SigningKey("it's a key", f"file://{folder / name}", prints[name])
    converges(shell, key)
    path = shell.folder / "rpm-gpg" / "it's a key"
    assert path.read_bytes() == (folder / name).read_bytes()
    assert path.stat().st_mode & 0o7777 == 0o644
    path.write_bytes((folder / "both").read_bytes())
    converges(shell, key)


def test_a_signing_key_is_read_once(
    shell: LocalShell, keys: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, prints = keys
    key_into(shell.folder, monkeypatch)
    key = SigningKey("k", f"file://{folder / 'one'}", prints["one"])
    converges(shell, key)
    gpg = shell.folder / "bin" / "gpg"  # stands for gpg: records that it was called
    gpg.parent.mkdir()
    gpg.write_text("#!/bin/sh\necho pub:::::::::\necho fpr:::::::::GPG:\n")
    gpg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gpg.parent}:{os.environ['PATH']}")
    assert exchange(shell, [key.probe()])[0].output == f"{prints['one']}\n"
    (shell.folder / "rpm-gpg" / "k").write_bytes((folder / "two").read_bytes())
    assert exchange(shell, [key.probe()])[0].output == "GPG\n"


def test_signing_key_over_http(
    here: LocalShell,
    keys: tuple[Path, dict[str, str]],
    served: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key_into(here.folder, monkeypatch)
    shutil.copy(keys[0] / "two", served[0] / "key")
    converges(here, SigningKey("k", f"{served[1]}/key", keys[1]["two"]))


@pytest.mark.parametrize("source", ["two", "both", "missing", "no key"])
def test_another_key_is_refused(
    here: LocalShell,
    keys: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    folder, prints = keys
    (folder / "no key").write_text("<html>captive portal</html>")
    key_into(here.folder, monkeypatch)
    with pytest.raises(ChangeFailed) as caught:
        here.apply(SigningKey("k", f"file://{folder / source}", prints["one"]))
    if source in ("two", "both"):
        assert prints["two"] in caught.value.details
    assert names(here.folder / "rpm-gpg") == []
