"""What making a key says beside the key."""

from pathlib import Path

import pytest

from paceline.cli.keys import create


def test_a_key_for_an_endpoint_that_is_not_there_yet_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.delenv("PACELINE_DATABASE", raising=False)
    create("mobile app", endpoint=["chat"])
    said = capsys.readouterr()
    assert said.out.startswith("pl_live_")
    assert len(said.out.splitlines()) == 1
    assert "nothing is deployed as 'chat' yet" in said.err
    create("anything")
    assert "deployed" not in capsys.readouterr().err
