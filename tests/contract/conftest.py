"""What several contract tests need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from paceline.testing.model_hub import ModelHub, point_client_at, serve_hub


@pytest.fixture
def model_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """An empty hub that this process's client asks; needs `enable_socket`."""
    with serve_hub() as hub:
        point_client_at(hub, tmp_path / "hf", monkeypatch)
        yield hub
        close_session()
