"""From a request's body to what is to be made, every bound checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from paceline.runtimes.image_server.family import MOST_SEED, Family
from paceline.runtimes.image_server.fields import fields_of, sides_of
from paceline.runtimes.image_server.problems import Problem, out_of_bounds, show


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What pictures must have in common to be made in one batch."""

    width_px: int
    height_px: int
    steps: int
    guidance: float
    scheduler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, complete: nothing is defaulted later."""

    prompt: str
    negative_prompt: str
    shape: Shape
    seed: int
    count: int
    as_url: bool
    with_metadata: bool
    with_latents: bool

    def seed_of(self, index: int) -> int:
        """The seed of one of its pictures: seed, seed + 1, …; after the last comes 0."""
        return (self.seed + index) % (MOST_SEED + 1)


class Reader:
    """Reads requests to one model."""

    def __init__(self, family: Family, *, model_name: str, new_seed: Callable[[], int]) -> None:
        self.family = family
        self.model_name = model_name
        self.fields = {field.name: field for field in fields_of(family, model_name)}
        self._new_seed = new_seed

    def read(self, body: bytes) -> Ask:
        """The request in `body`; raises Problem 400, 404 or 422."""
        given = _object(body)
        for name in given:
            if name not in self.fields:
                raise self._unknown(name, given[name])
        values = {name: field.read(given.get(name)) for name, field in self.fields.items()}
        if values["model"] not in (None, self.model_name):
            raise Problem(
                404,
                f"the model {show(values['model'])} does not exist; this is {self.model_name!r}",
                code="model_not_found",
                param="model",
            )
        return self._ask(values)

    def _ask(self, values: Mapping[str, Any]) -> Ask:
        return Ask(
            prompt=values["prompt"],
            negative_prompt=values["negative_prompt"] or "",
            shape=self._shape(values),
            seed=self._new_seed() if values["seed"] is None else int(values["seed"]),
            count=int(values["n"] or 1),
            as_url=values["response_format"] == "url",
            with_metadata=bool(values["metadata"]),
            with_latents=bool(values["latents"]),
        )

    def _shape(self, values: Mapping[str, Any]) -> Shape:
        family = self.family
        size, steps = values["size"], values["num_inference_steps"]
        guidance = values["guidance_scale"]
        width_px, height_px = sides_of(size or "") or (family.side_px, family.side_px)
        return Shape(
            width_px=width_px,
            height_px=height_px,
            steps=family.steps_of(values["mode"]) if steps is None else int(steps),
            guidance=family.guidance if guidance is None else float(guidance),
            scheduler=values["scheduler"] or family.scheduler,
        )

    def _unknown(self, name: str, value: Any) -> Problem:
        near = get_close_matches(name, self.fields, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        known = ", ".join(self.fields)
        return out_of_bounds(show(name).strip("'"), value, f"left out: known are {known}{hint}")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}", code="not_json") from error
    if not isinstance(value, dict):
        raise Problem(400, "the body must be a JSON object", code="not_json")
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")
