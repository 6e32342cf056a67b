"""The world of the image model: one coloured shape on a light ground, 64 × 64 pixels."""

import math
from dataclasses import dataclass
from typing import Final

import torch

SIDE_PX: Final = 64
GROUND: Final = (245, 245, 245)
COLOURS: Final = {
    "red": (220, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 215, 30),
    "green": (40, 160, 70),
    "cyan": (40, 200, 215),
    "blue": (40, 70, 210),
    "purple": (145, 50, 170),
    "black": (30, 30, 30),
}
_MASK_PX: Final = 128  # of a template that pictures are drawn from
_MARGIN: Final = 1.1  # how far a template reaches, so that its edge is inside
_FINE: Final = 2  # drawn at so many times the size, then averaged: smooth edges

Point = tuple[float, float]


def _regular(corners: int, turn: float) -> tuple[Point, ...]:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return tuple((math.cos(angle), math.sin(angle)) for angle in angles)


def _star() -> tuple[Point, ...]:
    points = []
    for corner in range(10):
        angle = -math.pi / 2 + math.pi * corner / 5
        radius = 1.0 if corner % 2 == 0 else 0.42
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return tuple(points)


_ARM: Final = 0.33
SHAPES: Final[dict[str, tuple[Point, ...]]] = {
    "circle": _regular(40, 0.0),
    "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    "triangle": ((0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)),
    "diamond": ((0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)),
    "cross": (
        *((-_ARM, -1.0), (_ARM, -1.0), (_ARM, -_ARM), (1.0, -_ARM)),
        *((1.0, _ARM), (_ARM, _ARM), (_ARM, 1.0), (-_ARM, 1.0)),
        *((-_ARM, _ARM), (-1.0, _ARM), (-1.0, -_ARM), (-_ARM, -_ARM)),
    ),
    "star": _star(),
}
"""Corners with x to the right and y down; a radius of 1 is the size that a picture asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one picture shows; centre and radius in pixels."""

    colour: str
    shape: str
    x_px: float
    y_px: float
    radius_px: float


def draw(scenes: list[Scene]) -> torch.Tensor:
    """Pictures as [scenes, 3, side, side] in −1 … 1."""
    masks = torch.stack([_MASKS[scene.shape] for scene in scenes])[:, None]
    size = SIDE_PX * _FINE
    places = (torch.arange(size) + 0.5) / _FINE
    scale = torch.tensor([1 / (scene.radius_px * _MARGIN) for scene in scenes])[:, None]
    x = (places - torch.tensor([scene.x_px for scene in scenes])[:, None]) * scale
    y = (places - torch.tensor([scene.y_px for scene in scenes])[:, None]) * scale
    grid = torch.stack(
        [x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=-1
    )
    fine = torch.nn.functional.grid_sample(masks, grid, align_corners=False)
    cover = torch.nn.functional.avg_pool2d(fine, _FINE)
    colours = torch.tensor([COLOURS[scene.colour] for scene in scenes])[:, :, None, None]
    ground = torch.tensor(GROUND)[:, None, None]
    return (ground + (colours - ground) * cover) / 127.5 - 1


def _mask(corners: tuple[Point, ...]) -> torch.Tensor:
    """Where the polygon is, as [mask, mask] of 0 … 1 over ±margin; even-odd rule."""
    fine = 4
    line = ((torch.arange(_MASK_PX * fine) + 0.5) / (_MASK_PX * fine) * 2 - 1) * _MARGIN
    y, x = torch.meshgrid(line, line, indexing="ij")
    inside = torch.zeros_like(x, dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return torch.nn.functional.avg_pool2d(inside.float()[None, None], fine)[0, 0]


_MASKS: Final = {name: _mask(corners) for name, corners in SHAPES.items()}
