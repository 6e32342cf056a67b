"""What an image load sends: varied prompts, a seed each, and the same shape for all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from paceline.records.image import ImageLoad
from paceline.records.load_plan import LoadShape, Message, Prompt

PROMPTS: Final = (
    "a lighthouse on a rocky coast at dusk, waves below",
    "a bowl of oranges on a wooden table, soft window light",
    "a narrow street with bicycles after rain",
    "an old sailing map with a compass rose",
    "a red fox asleep in fresh snow",
    "a glass greenhouse full of ferns",
    "a steam train crossing a stone viaduct",
    "a portrait of an elderly fisherman, grey beard, wool cap",
    "a poster of a mountain in three flat colours",
    "a robot repairing a clock, close up",
    "a market stall with spices in small heaps",
    "a paper boat on a dark pond with fallen leaves",
)
"""For models that bring no prompts along."""


def image_shape(shape: LoadShape, image: ImageLoad, prompts: Sequence[str]) -> LoadShape:
    """The shape of a load with requests for pictures instead of texts.

    `prompts` are best those that the model knows; without any, everyday ones are sent.
    """
    further = {
        "num_inference_steps": image.steps,
        "guidance_scale": image.guidance,
        "scheduler": image.scheduler,
    }
    body: list[tuple[str, str | int | float | bool]] = [
        ("size", f"{image.width_px}x{image.height_px}"),
        ("response_format", "b64_json"),
    ]
    body += [(name, value) for name, value in further.items() if value is not None]
    return replace(
        shape,
        prompts=tuple(
            Prompt(messages=(Message(role="user", content=text),)) for text in prompts or PROMPTS
        ),
        settings=replace(shape.settings, extra_body=tuple(body), own_seeds=True),
    )
