"""What is said of an endpoint that nobody knows."""

from pathlib import Path

import pytest

from paceline.cli.endpoints import endpoints
from paceline.errors import Code, SpecError


@pytest.mark.parametrize("log", [False, True])
def test_a_name_that_never_was_an_endpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: bool
) -> None:
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.delenv("PACELINE_DATABASE", raising=False)
    with pytest.raises(SpecError, match="'chat'") as caught:
        endpoints("chat", log=log)
    assert caught.value.code is Code.UNKNOWN_NAME
