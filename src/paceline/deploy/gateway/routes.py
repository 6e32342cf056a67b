"""The inference routes and the parameters that the OpenAI API has on each.

Names as in the API reference of OpenAI, 2026-11; a name missing here is only ever noticed under
the policies `drop` and `strict`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`input_field` holds what the model is given; `streams` says that `stream` has a meaning."""

    path: str
    input_field: str
    streams: bool
    parameters: frozenset[str]


_SAMPLING: Final = (
    "frequency_penalty logit_bias logprobs max_tokens model n presence_penalty seed stop stream "
    "stream_options temperature top_p user "
)
_CHAT: Final = _SAMPLING + (
    "audio function_call functions max_completion_tokens messages metadata modalities "
    "parallel_tool_calls prediction prompt_cache_key prompt_cache_retention reasoning_effort "
    "response_format safety_identifier service_tier store tool_choice tools top_logprobs "
    "verbosity web_search_options"
)
_COMPLETIONS: Final = _SAMPLING + "best_of echo prompt suffix"
_EMBEDDINGS: Final = "dimensions encoding_format input model user"
_IMAGES: Final = (
    "background model moderation n output_compression output_format partial_images prompt "
    "quality response_format size stream style user"
)
CHAT: Final = Route(
    path="/v1/chat/completions",
    input_field="messages",
    streams=True,
    parameters=frozenset(_CHAT.split()),
)
COMPLETIONS: Final = Route(
    path="/v1/completions",
    input_field="prompt",
    streams=True,
    parameters=frozenset(_COMPLETIONS.split()),
)
EMBEDDINGS: Final = Route(
    path="/v1/embeddings",
    input_field="input",
    streams=False,
    parameters=frozenset(_EMBEDDINGS.split()),
)
IMAGES: Final = Route(
    path="/v1/images/generations",
    input_field="prompt",
    streams=False,
    parameters=frozenset(_IMAGES.split()),
)
ROUTES: Final[Mapping[bytes, Route]] = {
    route.path.encode(): route for route in (CHAT, COMPLETIONS, EMBEDDINGS, IMAGES)
}
MODELS: Final = b"/v1/models"
HEALTH: Final = b"/health"
