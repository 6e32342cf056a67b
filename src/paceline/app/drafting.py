"""The small model that guesses ahead: found, and checked to speak of the same tokens."""

import json
from pathlib import Path
from typing import Final

from paceline.errors import Code, SpecError
from paceline.ports.engine import CanDraft, CanSpeculate, Engine
from paceline.ports.hub import Hub
from paceline.records.model import Model
from paceline.records.request import Request
from paceline.records.variant import DRAFT

_HASH_LENGTH: Final = 6
_SHOWN: Final = 3
_TOKENIZER: Final = "tokenizer.json"


def find_draft(request: Request, model: Model, hub: Hub) -> Model | None:
    """The draft model that the request names, `None` when it names none.

    Raises SpecError when it is no usable model or its vocabulary is another.
    """
    if request.draft is None:
        return None
    draft = hub.find(request.draft)
    if draft.sha256 == model.sha256:
        raise SpecError(
            Code.BAD_OPTION,
            "the draft is the model itself",
            why=f"both hash to {model.sha256[:12]}; guessing with it costs what writing costs",
            fix="--draft with a smaller model of the same family",
        )
    own, other = _vocabulary(model), _vocabulary(draft)
    if own != other:
        raise SpecError(
            Code.BAD_MODEL,
            f"{draft.name!r} cannot guess for {model.name!r}: its vocabulary is another",
            why=f"{len(other):,} tokens against {len(own):,}{_differences(own, other)}",
            fix="--draft with a smaller model of the same family",
        )
    return draft


def speculations_of(engine: Engine, draft: Model | None) -> tuple[str, ...]:
    """The ways of guessing ahead that a run tries on this engine."""
    methods = engine.speculations() if isinstance(engine, CanSpeculate) else ()
    if draft is None or not isinstance(engine, CanDraft):
        return methods
    # Named by content: what was learnt with one draft says nothing of another.
    return (*methods, f"{DRAFT} {draft.name}-{draft.sha256[:_HASH_LENGTH]}")


def _vocabulary(model: Model) -> dict[str, int]:
    """Token → id, of the tokenizer's file. Raises SpecError when it has none."""
    path = Path(model.folder) / _TOKENIZER
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        pieces = document["model"]["vocab"]
        listed = pieces if isinstance(pieces, dict) else {p[0]: i for i, p in enumerate(pieces)}
        added = {token["content"]: token["id"] for token in document.get("added_tokens") or ()}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SpecError(
            Code.BAD_MODEL,
            f"the vocabulary of {model.name!r} cannot be read",
            why=f"{path}: {error}",
            fix="--draft needs a tokenizer.json in both models",
        ) from error
    return {**listed, **added}


def _differences(own: dict[str, int], other: dict[str, int]) -> str:
    """Of two with equally many tokens, some that differ."""
    if len(own) != len(other):
        return ""
    apart = [token for token, number in own.items() if other.get(token) != number]
    return f"; {len(apart):,} have another number, {', '.join(map(repr, apart[:_SHOWN]))} first"
