"""A file that cannot be written is said before the work, and looking leaves no trace."""

from pathlib import Path

import pytest

from paceline.app.output_files import require_writable
from paceline.errors import SetupError


def test_a_folder_that_is_not_there_is_named_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as raised:
        require_writable(tmp_path / "nowhere" / "run.html", "--html")
    assert "No such file or directory" in raised.value.why
    assert "--html" in raised.value.fix


def test_looking_changes_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("as it was")
    for path in (there, tmp_path / "new.html", None):
        require_writable(path, "--html")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [
        ("there.html", "as it was")
    ]
