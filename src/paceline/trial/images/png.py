"""A PNG file as pixels, on numpy and zlib alone.

Covers what image servers write: 8 bits per channel, grey, RGB or RGBA, not interlaced. Anything
else is refused with its reason. Pillow would read more and weighs 23 MB, over a third of what the
core may weigh (docs/decisions/0008).
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""`[height, width, 3]`: red, green, blue, 0–255."""

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MOST_SIDE_PX: Final = 8192
"""A few hundred bytes can claim to be a picture of many GB; nobody is asked for one this large."""

_CHANNELS: Final = {0: 1, 2: 3, 6: 4}  # colour type → channels, PNG specification 1.2, 4.1.1
_COLOURS: Final = 3
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


class Undecodable(ValueError):
    """Why some bytes are no picture that can be read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    width: int
    height: int
    channels: int

    @property
    def packed_bytes(self) -> int:
        """Size of the pixels before compression: a filter byte and the channels, per row."""
        return self.height * (1 + self.width * self.channels)


def read_png(data: bytes) -> Pixels:
    """The pixels of a PNG; transparency is ignored. Raises Undecodable."""
    if not data.startswith(SIGNATURE):
        raise Undecodable(f"it begins with {data[:8]!r}, not as a PNG does")
    header: _Header | None = None
    packed = bytearray()
    for kind, body in _chunks(data):
        if kind == b"IHDR":
            header = _header(body)
        elif kind == b"IDAT":
            packed += body
    if header is None:
        raise Undecodable("it has no header (IHDR)")
    filters, rows = _unpacked(bytes(packed), header)
    return _rgb(_unfiltered(filters, rows))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    place = len(SIGNATURE)
    while True:
        if place + 12 > len(data):
            raise Undecodable(f"it breaks off after {len(data)} bytes")
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        end = place + 12 + length
        if end > len(data):
            raise Undecodable(f"it breaks off after {len(data)} bytes, {end} are announced")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(kind + body) != crc:
            raise Undecodable(f"the checksum of its part {kind.decode('latin-1')!r} is wrong")
        if kind == b"IEND":
            return found
        found.append((kind, body))
        place = end


def _header(body: bytes) -> _Header:
    try:
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
    except struct.error as error:
        raise Undecodable(f"its header has {len(body)} bytes, 13 are needed") from error
    if not (1 <= width <= MOST_SIDE_PX and 1 <= height <= MOST_SIDE_PX):
        raise Undecodable(f"it is {width}x{height} px, at most {MOST_SIDE_PX} per side are read")
    if depth != 8 or colour not in _CHANNELS or interlaced:  # noqa: PLR2004 - bits per channel
        raise Undecodable(
            f"{depth} bits per channel, colour type {colour}, interlaced {interlaced}; read are"
            f" 8 bits, the types {', '.join(map(str, _CHANNELS))}, not interlaced"
        )
    return _Header(width=width, height=height, channels=_CHANNELS[colour])


def _unpacked(packed: bytes, header: _Header) -> tuple[Pixels, Pixels]:
    """Filter types `[height]` and filtered bytes `[height, width, channels]`."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, header.packed_bytes)
    except zlib.error as error:
        raise Undecodable(f"its pixels cannot be unpacked: {error}") from error
    if len(raw) != header.packed_bytes:
        raise Undecodable(f"it has {len(raw)} bytes of pixels, {header.packed_bytes} are needed")
    lines = np.frombuffer(raw, dtype=np.uint8).reshape(header.height, -1)
    filters = lines[:, 0]
    if filters.max() > _PAETH:
        raise Undecodable(f"a row has the filter {filters.max()}, {_PAETH} is the last one known")
    return filters, lines[:, 1:].reshape(header.height, header.width, header.channels)


def _unfiltered(filters: Pixels, rows: Pixels) -> Pixels:
    """Undoes the prediction of each byte from its left, upper and upper left neighbour.

    A pixel needs those three first, so all pixels of one anti-diagonal can be done at once. Rows
    are skewed, row r by r columns, which makes each anti-diagonal a column.
    """
    height, width, channels = rows.shape
    steps = height + width - 1
    skewed = _skewed(rows, steps).astype(np.int16)  # [steps, height, channels]
    kinds = filters.astype(np.int16)[:, None]
    done = np.zeros((steps + 2, height + 1, channels), dtype=np.int16)  # zeros beyond the edges
    inside = _skewed(np.ones((height, width, 1), dtype=np.uint8), steps).astype(np.int16)
    for step in range(steps):
        left, up, corner = done[step + 1, 1:], done[step + 1, :-1], done[step, :-1]
        guess = np.choose(
            np.broadcast_to(kinds, left.shape),
            (np.int16(0), left, up, (left + up) >> 1, _paeth(left, up, corner)),
        )
        done[step + 2, 1:] = ((skewed[step] + guess) & 0xFF) * inside[step]
    columns = np.arange(width)[None, :] + np.arange(height)[:, None]
    result: Pixels = done[columns + 2, np.arange(height)[:, None] + 1].astype(np.uint8)
    return result


def _skewed(rows: Pixels, steps: int) -> Pixels:
    """`[height, width, channels]` → `[steps, height, channels]`, row r moved right by r."""
    height, width, channels = rows.shape
    wide = np.zeros((height, steps + 1, channels), dtype=rows.dtype)
    wide[:, :width] = rows
    moved = wide.reshape(-1, channels)[: height * steps].reshape(height, steps, channels)
    return np.ascontiguousarray(moved.transpose(1, 0, 2))


def _paeth(
    left: npt.NDArray[np.int16], up: npt.NDArray[np.int16], corner: npt.NDArray[np.int16]
) -> npt.NDArray[np.int16]:
    """The neighbour nearest to left + up - corner; ties go to left, then up."""
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    nearest = np.where(by_up <= by_corner, up, corner)
    result: npt.NDArray[np.int16] = np.where(
        (by_left <= by_up) & (by_left <= by_corner), left, nearest
    )
    return result


def _rgb(pixels: Pixels) -> Pixels:
    """Grey as three equal channels; a fourth channel is left out."""
    if pixels.shape[2] == 1:
        return np.repeat(pixels, _COLOURS, axis=2)
    return np.ascontiguousarray(pixels[:, :, :_COLOURS])
