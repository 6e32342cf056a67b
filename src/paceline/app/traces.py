"""Where the traces of requests go, when somebody wants them."""

from collections.abc import Callable

from paceline.app.registry import adapter
from paceline.errors import Code, SetupError
from paceline.ports.traces import TraceSink


def open_traces(url: str) -> TraceSink:
    """A collector by its URL. Raises SetupError without the extra, SpecError for no URL."""
    try:
        make: Callable[[str], TraceSink] = adapter("traces", "otlp")
    except SetupError as error:
        raise SetupError(
            Code.MISSING_TOOL,
            "cannot send traces",
            why=error.why,
            fix="pip install 'paceline[otel]'",
        ) from error
    return make(url)
