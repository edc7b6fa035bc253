"""Files that the user names for a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.cli.output.result_files import expect, put
from labctl.errors import StateError, UsageError


def test_a_missing_folder_is_an_error_before_the_work(tmp_path: Path) -> None:
    expect(None, tmp_path / "new", Path("new"))
    with pytest.raises(UsageError, match="its folder does not exist") as caught:
        expect(tmp_path / "no" / "new")
    assert caught.value.hint == "create the folder, or choose another file"


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for text in ("one\n", "two\n"):
        put(tmp_path / "file", text)
        assert (tmp_path / "file").read_text("utf-8") == text


@pytest.mark.skipif(os.name == "nt", reason="there is no /dev/null there")
def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "stdout"
    place.symlink_to("/dev/null")
    put(place, "text")
    assert place.is_symlink()
    with pytest.raises(StateError, match="cannot be written") as caught:
        put(tmp_path, "text")
    assert caught.value.hint == "choose another file"
