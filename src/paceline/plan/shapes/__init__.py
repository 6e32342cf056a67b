"""Model shapes from config.json: what memory and speed depend on."""

from paceline.plan.shapes.read import read_shape
from paceline.plan.shapes.shape import Mixer, MixerGroup, Shape, ShapeKind

__all__ = ["Mixer", "MixerGroup", "Shape", "ShapeKind", "read_shape"]
