import pytest

from paceline.app import traces
from paceline.app.traces import open_traces
from paceline.errors import Code, SetupError


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(kind: str, name: str) -> None:
        raise SetupError(Code.PLUGIN_BROKEN, "x", why="No module named 'opentelemetry'", fix="y")

    monkeypatch.setattr(traces, "adapter", broken)
    with pytest.raises(SetupError, match=r"paceline\[otel\]") as caught:
        open_traces("http://127.0.0.1:4318")
    assert (caught.value.code, caught.value.why) == (
        Code.MISSING_TOOL,
        "No module named 'opentelemetry'",
    )
