"""PNG files from pixels."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

# More effort makes pictures hardly smaller and takes several times as long.
_EFFORT: Final = 1


def png(pixels: Any, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The picture as a file; without `metadata` it says nothing about how it was made."""
    info = None
    if metadata is not None:
        info = PngInfo()
        info.add_itxt("parameters", json.dumps(metadata, ensure_ascii=False))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", compress_level=_EFFORT, pnginfo=info)
    return out.getvalue()
