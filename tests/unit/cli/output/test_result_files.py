"""Files that the user names for a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.cli.output.result_files import expect, put
from labctl.errors import StateError, UsageError


def test_a_folder_that_is_not_there_is_told_before(tmp_path: Path) -> None:
    expect(None, tmp_path / "new", Path("new"))
    with pytest.raises(UsageError, match="its folder is not there"):
        expect(tmp_path / "no" / "new")


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for text in ("one\n", "two\n"):
        put(tmp_path / "file", text)
        assert (tmp_path / "file").read_text("utf-8") == text


@pytest.mark.skipif(os.name == "nt", reason="there is no /dev/null there")
def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    place = tmp_path / "stdout"
    place.symlink_to("/dev/null")
    put(place, "text")
    assert place.is_symlink()
    with pytest.raises(StateError, match="cannot be written"):
        put(tmp_path, "text")
