"""Samples on their way to a disk that takes no more."""

from pathlib import Path

import pytest

from paceline.adapters.load.openai_http import recorder
from paceline.adapters.load.openai_http.pace import Turn
from paceline.adapters.load.openai_http.recorder import Recorder, write_text
from paceline.errors import Code, SetupError
from paceline.records.samples import Outcome, TokenSource
from paceline.testing.load import closed

FULL = Path("/dev/full")
"""Takes nothing, as a full disk does (full(4))."""
TURN = Turn(
    serial=0,
    occurrence=0,
    row=closed(1).rows[0],
    stage=0,
    scheduled_s=0.0,
    allowed_s=0.0,
)


def add(kept: Recorder) -> None:
    kept.add(
        TURN,
        None,
        Outcome.RESET,
        sent_s=0.0,
        end_s=0.1,
        output_tokens=None,
        token_source=TokenSource.UNKNOWN,
    )


@pytest.mark.parametrize("name", ["rows.bin", "details.json"])
def test_a_full_disk_is_said_with_the_folder_and_what_to_type(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(FULL)
    kept = Recorder(tmp_path)
    add(kept)
    with pytest.raises(SetupError, match="TMPDIR") as caught:
        kept.close()
    assert caught.value.code is Code.DISK_FULL
    assert str(tmp_path) in caught.value.what


def test_a_disk_that_fills_up_within_a_load_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH_BYTES", 1)
    (tmp_path / "rows.bin").symlink_to(FULL)
    kept = Recorder(tmp_path)
    with pytest.raises(SetupError):
        add(kept)
    with pytest.raises(SetupError):
        kept.close()


def test_a_folder_that_was_taken_away_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        write_text(tmp_path / "gone" / "tally.json", "{}")
    assert caught.value.code is Code.CACHE_UNWRITABLE
