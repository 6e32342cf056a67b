"""Next-token distributions of an endpoint, and how far one endpoint's are from another's."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.measurement import Interval
from paceline.records.serial import Malformed, pack, unpack


class Reading(StrEnum):
    """How the distributions were read.

    `FORCED`: over the tokens of a given text. `GREEDY`: over the endpoint's own continuation,
    which is comparable up to the first token where two endpoints part.
    """

    FORCED = "forced"
    GREEDY = "greedy"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextToken:
    """One position: the token that stands there, its logarithm of probability (natural), and
    the most likely tokens as far as the endpoint lists them."""

    text: str
    logprob: float
    top: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReading:
    """The positions of one text; `text_id` tells which."""

    text_id: str
    tokens: tuple[NextToken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityReading:
    """What one endpoint gave, or why it gave nothing (`unavailable`)."""

    reading: Reading | None
    texts: tuple[TextReading, ...]
    unavailable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What one trial read, kept beside its record; `again` is the second reading of a reference:
    what its own arithmetic moves."""

    first: FidelityReading
    again: FidelityReading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """A variant's next-token distributions against the baseline's, at the same positions.

    `mean_kl_nats` is a lower bound of the Kullback–Leibler divergence: tokens that either side
    does not list count as one. `coverage` is the baseline's probability on the tokens that both
    list; near 1 the bound is tight. `perplexity_ratio` is variant ÷ baseline on the same tokens.

    `noise_kl_nats` is the baseline against a second reading of itself, and `p_value` how likely so
    many of the `texts` would be farther away than that by chance; both `None` when the baseline
    was read once. `against` is the id of the variant that was the reference in a run, `None`
    outside of one.
    """

    reading: Reading
    positions: int
    mean_kl_nats: float
    mean_kl_ci95: Interval | None
    top1_agreement: float
    top1_ci95: Interval | None
    perplexity_ratio: float
    coverage: float
    texts: int = 0
    noise_kl_nats: float | None = None
    p_value: float | None = None
    against: str | None = None


def pack_readings(readings: Readings) -> bytes:
    """The stored form."""
    return zlib.compress(pack(readings).encode("ascii"))


def unpack_readings(data: bytes) -> Readings:
    """What `pack_readings` stored. Raises Malformed or NewerSchema."""
    try:
        text = zlib.decompress(data).decode("ascii")
    except (zlib.error, UnicodeDecodeError) as error:
        raise Malformed("$", f"these are no readings: {error}") from error
    return unpack(Readings, text)
