"""PNG files as pixels, and every way in which bytes are none."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest

from paceline.testing.pictures import drawn, png_chunk, write_png
from paceline.trial.images.png import SIGNATURE, Undecodable, read_png


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_reads_what_was_written(kind: int, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 17, channels), dtype=np.uint8)
    wanted = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels[:, :, :3]
    assert (read_png(write_png(pixels, kind=kind)) == wanted).all()


def test_reads_what_another_library_writes_with_every_filter() -> None:
    image = pytest.importorskip("PIL.Image")
    across, down = np.meshgrid(np.arange(61), np.arange(47))
    smooth = np.stack([across * 4, down * 5, (across + down) * 2], axis=2)
    noise = np.random.default_rng(1).integers(0, 20, smooth.shape)
    pixels = (smooth + noise).clip(0, 255).astype(np.uint8)
    written = BytesIO()
    image.fromarray(pixels).save(written, "PNG")
    assert {3, 4} & set(_filters(written.getvalue()))  # average and Paeth are among them
    assert (read_png(written.getvalue()) == pixels).all()


@pytest.mark.parametrize(
    ("damage", "because"),
    [
        (lambda png: b"\xff\xd8\xff" + png, "begins with"),
        (lambda png: png[:-20], "breaks off"),
        (lambda png: png[:20] + b"\x07" + png[21:], "checksum"),
        (lambda png: png[:60] + bytes([png[60] ^ 1]) + png[61:], "checksum"),
        (lambda _: SIGNATURE, "breaks off"),
        (lambda _: SIGNATURE + png_chunk(b"IEND", b""), "no header"),
    ],
)
def test_damaged_bytes_are_refused(damage: object, because: str) -> None:
    assert callable(damage)
    with pytest.raises(Undecodable, match=because):
        read_png(damage(write_png(drawn(0))))


@pytest.mark.parametrize(
    ("header", "because"),
    [
        ((100_000, 4, 8, 2, 0, 0, 0), "at most 8192"),
        ((0, 4, 8, 2, 0, 0, 0), "at most 8192"),
        ((4, 4, 16, 2, 0, 0, 0), "16 bits"),
        ((4, 4, 8, 3, 0, 0, 0), "colour type 3"),
        ((4, 4, 8, 2, 0, 0, 1), "interlaced 1"),
    ],
)
def test_pictures_of_other_kinds_are_refused(header: tuple[int, ...], because: str) -> None:
    with pytest.raises(Undecodable, match=because):
        read_png(_png(header, b"\x00" * 52))


def test_too_few_pixels_and_unknown_filters_are_refused() -> None:
    with pytest.raises(Undecodable, match="has 10 bytes of pixels, 52"):
        read_png(_png((4, 4, 8, 2, 0, 0, 0), b"\x00" * 10))
    with pytest.raises(Undecodable, match="filter 9"):
        read_png(_png((4, 4, 8, 2, 0, 0, 0), b"\x09" * 52))
    with pytest.raises(Undecodable, match="cannot be unpacked"):
        read_png(_png((4, 4, 8, 2, 0, 0, 0), b"", packed=b"no zlib"))


def test_a_small_file_cannot_grow_beyond_its_own_size() -> None:
    bomb = _png((4, 4, 8, 2, 0, 0, 0), b"\x00" * 50_000_000)
    assert read_png(bomb).shape == (4, 4, 3)


def _png(header: tuple[int, ...], rows: bytes, *, packed: bytes | None = None) -> bytes:
    return b"".join(
        (
            SIGNATURE,
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header)),
            png_chunk(b"IDAT", zlib.compress(rows) if packed is None else packed),
            png_chunk(b"IEND", b""),
        )
    )


def _filters(png: bytes) -> list[int]:
    width, height = struct.unpack_from(">II", png, 16)
    start = png.index(b"IDAT")
    (length,) = struct.unpack_from(">I", png, start - 4)
    raw = zlib.decompress(png[start + 4 : start + 4 + length])
    return [raw[row * (1 + width * 3)] for row in range(height)]
