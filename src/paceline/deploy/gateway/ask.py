"""What a client asks for: a request body understood once, and said again to the engine.

The engine gets the body written anew from what was understood, so that the two never read the
same bytes differently (a key given twice, say).
"""

from typing import Any, Final

import orjson

from paceline.deploy.gateway.problems import Problem, malformed
from paceline.deploy.gateway.routes import CHAT, IMAGES, Route
from paceline.records.gateway import UnknownParameters

BYTES_PER_TOKEN: Final = 4.0
"""Of English text; used only until an endpoint's own ratio is known from its answers."""
DEPTH_WRITTEN: Final = 254
PASS: Final = UnknownParameters.PASS
"""Every request looks at it, and asking the enum for it takes as long as a call."""
LIMIT_FIELDS: Final = ("max_completion_tokens", "max_tokens")


class Ask:
    """A body that was understood. `output_tokens` is the most that it lets the engine write."""

    __slots__ = (
        "document",
        "images",
        "input_bytes",
        "model",
        "output_tokens",
        "rest",
        "stream",
        "wants_urls",
        "wants_usage",
    )

    def __init__(self, document: dict[str, Any], input_bytes: int) -> None:
        self.document = document
        self.input_bytes = input_bytes
        self.model: str = document["model"]
        self.stream = False
        self.wants_usage = False
        self.wants_urls = False
        self.output_tokens = 0
        self.images = 0
        self.rest = b""


def understand(route: Route, body: bytes) -> Ask | Problem:
    """Parse a body, and refuse what no engine could answer."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return malformed("invalid_json", f"The body is not JSON: {error}")
    if type(document) is not dict:
        return malformed("invalid_json", "The body must be a JSON object.")
    model = document.get("model")
    if type(model) is not str or not model:
        return malformed("model_required", "`model` must name an endpoint.", "model")
    problem = _input_problem(route, document)
    if problem is not None:
        return problem
    ask = Ask(document, len(body))
    if route is IMAGES:
        ask.images = 1
        ask.wants_urls = document.get("response_format") == "url"
    return _read_limits(ask) or (_read_stream(ask) if route.streams else None) or ask


def apply_policy(ask: Ask, route: Route, policy: UnknownParameters) -> Problem | None:
    """Drop or refuse parameters that the API does not have, as the endpoint wants it."""
    if policy is PASS:
        return None
    unknown = ask.document.keys() - route.parameters
    if unknown and policy is UnknownParameters.STRICT:
        first = min(unknown)
        return malformed("unknown_parameter", f"Unknown parameter: {first[:100]!r}.", first[:100])
    for name in unknown:
        del ask.document[name]
    return None


def write_rest(ask: Ask) -> Problem | None:
    """Write what every engine gets, all but the model's name; a stream always brings usage."""
    document = ask.document
    del document["model"]
    if ask.stream:
        document["stream_options"] = {
            **(document.get("stream_options") or {}),
            "include_usage": True,
        }
    try:
        ask.rest = orjson.dumps(document)[1:]
    except TypeError:  # it reads deeper than it writes
        return malformed("invalid_json", f"The body is nested over {DEPTH_WRITTEN} levels deep.")
    return None


def engine_body(ask: Ask, model_name: bytes) -> bytes:
    """The body for an engine that knows the model by this name, which is JSON."""
    return b'{"model":%b,%b' % (model_name, ask.rest)


def _input_problem(route: Route, document: dict[str, Any]) -> Problem | None:
    name = route.input_field
    value = document.get(name)
    if route is CHAT:
        if type(value) is list and value and all(type(one) is dict for one in value):
            return None
        return malformed("invalid_messages", f"`{name}` must be a list of objects.", name)
    if type(value) in (str, list):
        return None
    return malformed("invalid_input", f"`{name}` must be text or a list.", name)


def _read_limits(ask: Ask) -> Problem | None:
    document = ask.document
    for name in LIMIT_FIELDS:
        value = document.get(name)
        if value is None:
            continue
        if type(value) is not int or value < 0:
            return malformed("invalid_limit", f"`{name}` must be a whole number >= 0.", name)
        ask.output_tokens = ask.output_tokens or value
    number = document.get("n")
    if number is None:
        return None
    if type(number) is not int or number < 1:
        return malformed("invalid_n", "`n` must be a whole number >= 1.", "n")
    ask.output_tokens *= number
    ask.images *= number
    return None


def _read_stream(ask: Ask) -> Problem | None:
    stream = ask.document.get("stream")
    if stream is None or stream is False:
        return None
    if stream is not True:
        return malformed("invalid_stream", "`stream` must be true or false.", "stream")
    options = ask.document.get("stream_options")
    if options is not None:
        if type(options) is not dict:
            return malformed(
                "invalid_stream", "`stream_options` must be an object.", "stream_options"
            )
        ask.wants_usage = options.get("include_usage") is True
    ask.stream = True
    return None
