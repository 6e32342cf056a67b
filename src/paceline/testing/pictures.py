"""Pictures for tests: PNG bytes from pixels, and a drawing that is never flat."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def write_png(pixels: Pixels, *, kind: int = 0) -> bytes:
    """A PNG of `[height, width, channels]`; `kind` filters each row: 0 none, 1 sub, 2 up."""
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    left = np.zeros_like(pixels)
    if kind == 1:
        left[:, 1:] = pixels[:, :-1]
    elif kind == 2:
        left[1:] = pixels[:-1]
    rows = (pixels - left).reshape(height, -1)
    lines = np.hstack([np.full((height, 1), kind, dtype=np.uint8), rows])
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)),
            png_chunk(b"IDAT", zlib.compress(lines.tobytes())),
            png_chunk(b"IEND", b""),
        )
    )


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One part of a PNG with its length and checksum."""
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def drawn(seed: int, *, side_px: int = 32) -> Pixels:
    """A square of a seeded colour on white, with a little noise."""
    chance = np.random.default_rng(seed)
    pixels = np.full((side_px, side_px, 3), 240, dtype=np.uint8)
    quarter = side_px // 4
    pixels[quarter:-quarter, quarter:-quarter] = chance.integers(0, 200, 3)
    pixels -= chance.integers(0, 8, pixels.shape, dtype=np.uint8)
    return pixels
