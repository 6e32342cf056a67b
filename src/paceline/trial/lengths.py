"""Token-length distributions: their grammar and how they are drawn.

`64` · `fixed:64` · `uniform:LOW,HIGH` · `normal:MEAN,DEVIATION` · `lognormal:MEAN,DEVIATION` ·
`exponential:MEAN`, each optionally followed by `[LOW,HIGH]`, which clips the draws.
"""

import math
import re
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.errors import Code, SpecError
from paceline.records.load_plan import LengthKind, Lengths

GRAMMAR: Final = (
    "N | uniform:LOW,HIGH | normal:MEAN,DEVIATION | lognormal:MEAN,DEVIATION | exponential:MEAN,"
    " each optionally followed by [LOW,HIGH]"
)
_NUMBER: Final = r"\d+(?:\.\d+)?"
_FORM: Final = re.compile(
    rf"(?:(?P<kind>[a-z]+):)?(?P<a>{_NUMBER})(?:,(?P<b>{_NUMBER}))?"
    r"(?:\[(?P<low>\d+),(?P<high>\d+)\])?",
    re.IGNORECASE,
)
_PARAMETERS: Final = {
    LengthKind.FIXED: 1,
    LengthKind.UNIFORM: 2,
    LengthKind.NORMAL: 2,
    LengthKind.LOGNORMAL: 2,
    LengthKind.EXPONENTIAL: 1,
}


def parse_lengths(text: str, *, option: str) -> Lengths:
    """Read a distribution; `option` names it in the SpecError that anything else raises."""
    match = _FORM.fullmatch(re.sub(r"\s", "", text))
    kinds = {kind.value: kind for kind in LengthKind}
    kind = kinds.get((match["kind"] or "fixed").lower()) if match else None
    if match is None or kind is None:
        raise _refused(option, text, "it is no distribution of token counts")
    given = [float(match[name]) for name in "ab" if match[name]]
    if len(given) != _PARAMETERS[kind]:
        raise _refused(
            option, text, f"{kind.value} takes {_PARAMETERS[kind]} numbers, {len(given)} are given"
        )
    low, high = int(match["low"] or 1), int(match["high"] or 1_000_000)
    if kind is LengthKind.UNIFORM:
        low, high = max(low, int(given[0])), min(high, int(given[1]))
    if low > high or low < 1 or given[0] < 1:
        raise _refused(option, text, f"lengths go from 1 up, and {low} is not below {high}")
    mean = (low + high) / 2 if kind is LengthKind.UNIFORM else given[0]
    deviation = given[1] if kind in (LengthKind.NORMAL, LengthKind.LOGNORMAL) else 0.0
    return Lengths(kind=kind, mean=mean, deviation=deviation, low=low, high=high)


def draw(lengths: Lengths, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`count` token counts of a distribution."""
    if lengths.kind is LengthKind.UNIFORM:
        return rng.integers(lengths.low, lengths.high, size=count, endpoint=True)
    rounded: npt.NDArray[np.int64] = np.rint(_values(lengths, count, rng)).astype(np.int64)
    return np.clip(rounded, lengths.low, lengths.high)


def _values(lengths: Lengths, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    match lengths.kind:
        case LengthKind.NORMAL:
            return rng.normal(lengths.mean, lengths.deviation, size=count)
        case LengthKind.LOGNORMAL:
            # The two parameters of the logarithm that give this mean and deviation.
            variance = math.log1p((lengths.deviation / lengths.mean) ** 2)
            center = math.log(lengths.mean) - variance / 2
            return rng.lognormal(center, math.sqrt(variance), size=count)
        case LengthKind.EXPONENTIAL:
            return rng.exponential(lengths.mean, size=count)
        case _:
            return np.full(count, lengths.mean)


def _refused(option: str, text: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"{option} {text!r} is not understood",
        why=why,
        fix=f"write it as {GRAMMAR}",
    )
