"""Each captured output of uv is told as what it means."""

from pathlib import Path

import pytest

from paceline.adapters.environments.uv.failures import failure
from paceline.errors import Code

LOGS = sorted((Path(__file__).parents[4] / "golden/environments").glob("uv-*/*.log"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_captured_failure_is_recognized(path: Path) -> None:
    code, _, case = path.stem.partition("--")
    error = failure("openvino", path.read_text(), Path("/cache/engines"))
    assert error.code is Code(code)
    words = {"no-network": "index", "conflict": "together", "not-found": "together"}
    assert words.get(case, "") in error.what


def test_every_kind_is_captured() -> None:
    assert {path.stem for path in LOGS} >= {
        "cache-unwritable--permission",
        "disk-full--download",
        "install-failed--conflict",
        "install-failed--no-network",
        "install-failed--not-found",
    }


def test_the_last_words_are_kept_when_nothing_is_recognized() -> None:
    error = failure("openvino", "something new\nhappened\n", Path("/cache"))
    assert error.code is Code.INSTALL_FAILED
    assert "happened" in error.why
    assert "paceline engines install openvino" in error.fix
