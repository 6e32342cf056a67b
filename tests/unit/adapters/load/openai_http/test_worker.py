"""A client process that is told nothing useful."""

import io
import sys
from types import SimpleNamespace

import pytest

from paceline.adapters.load.openai_http import worker


@pytest.mark.parametrize("told", [b"", b"900\n", b"900\nhalf of it"])
def test_a_parent_that_was_killed_meanwhile_is_no_fault(
    told: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(told)))
    monkeypatch.setattr(worker, "_allow_many_sockets", lambda: None)
    assert worker.main() == 1
