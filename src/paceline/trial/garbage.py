"""Tells a broken variant from a weak one by its first answers, before its speed is measured.

A weak model answers wrongly; a broken one does not answer: it fails, says nothing, repeats itself,
mixes scripts at random, never ends, or collapses where the baseline does not. Or its next-token
distributions are farther from the baseline's than its format explains, though it still answers.
Small damage is not found here but by the paired comparison.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from paceline.ports.quality import StopRule
from paceline.records.fidelity import Fidelity
from paceline.records.quality import Item, ItemScore, QualityResult, StopCause, Stopped, Suite
from paceline.trial.scorers import visible

FIRST: Final = 12
"""Fewest answers that a judgement rests on."""

LAST: Final = 60
"""Answers after which a variant is no longer judged broken; the comparison judges it."""

BROKEN_SHARE: Final = 0.75
TRUNCATED_SHARE: Final = 0.95
COLLAPSED_RATIO: Final = 0.25
SOUND_BASELINE: Final = 0.5

KL_LIMITS_NATS: Final = ((7.5, 0.03), (5.5, 0.1), (3.9, 0.3), (0.0, 2.0))
"""Bits per weight from which on, and the mean KL divergence that no sound checkpoint of that width
reaches: more than twice what the coarsest honest rounding costs. Seen with the reference model, 5
million weights: int8 0.002, int4 in groups 0.06; rounded to nearest, embeddings included, 0.11 in
groups of 128 and 0.13 with one scale per channel (docs/log.md). Published for models of 7B and
more: 8 bits 0.001, 6 bits 0.003, 4 bits 0.04 to 0.08, 3 bits 0.1 to 0.2, 2 bits 0.45 (llama.cpp
pull requests 6936, 12557); one model's own noise between batch shapes 0.009."""

FEWEST_POSITIONS: Final = 200

_LOOP_CHARS: Final = 40  # a shorter reply repeats by chance: "no, no, no"
_LOOP_VARIETY: Final = 0.35
_NOISE_SHARE: Final = 0.1
_SCRIPTS_MIXED: Final = 3


class Fault(StrEnum):
    """What is wrong with one answer as an answer, right or not."""

    ERROR = "failed"
    EMPTY = "empty"
    LOOP = "repeating themselves"
    NOISE = "noise"
    SCRIPT = "in another script than the questions"
    TRUNCATED = "cut off and wrong"


def garbage_rule(suite: Suite, baseline: QualityResult | None = None) -> StopRule:
    """The rule that ends a suite whose first answers are garbage.

    `baseline` answers the same suite; with it, a collapse of the score counts too.
    """
    scripts = {script for item in suite.items for script in _scripts(_asked(item))}
    reference = {score.item_id: score.score for score in baseline.items} if baseline else {}

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        if not FIRST <= len(scores) <= LAST:
            return None
        because = _broken(scores, scripts) or _collapsed(scores, reference)
        return Stopped(cause=StopCause.GARBAGE, because=because) if because else None

    return rule


def broken_distributions(fidelity: Fidelity, bits: float | None) -> Stopped | None:
    """Why a variant of so many bits per weight must be broken; `None` when nothing says so.

    `bits` of `None` is a format that nobody named: only what no format explains counts.
    """
    limit = next((kl for least, kl in KL_LIMITS_NATS if (bits or 0.0) >= least), 0.0)
    if fidelity.positions < FEWEST_POSITIONS or fidelity.mean_kl_nats <= limit:
        return None
    width = "any format" if bits is None else f"{bits:g} bits per weight"
    return Stopped(
        cause=StopCause.GARBAGE,
        because=f"its distributions are {fidelity.mean_kl_nats:.3f} nats from the baseline's, more "
        f"than {limit:g}, the most that {width} explain",
    )


def fault_of(score: ItemScore, scripts: set[str]) -> Fault | None:
    """The first fault that an answer has; `scripts` are those that the suite is written in."""
    text = visible(score.answer)
    tests: tuple[tuple[Fault, Callable[[], bool]], ...] = (
        (Fault.ERROR, lambda: score.error is not None),
        (Fault.EMPTY, lambda: not text),
        (Fault.LOOP, lambda: loops(text)),
        (Fault.NOISE, lambda: _is_noise(text)),
        (Fault.SCRIPT, lambda: score.score < 1 and _is_foreign(text, scripts)),
        (Fault.TRUNCATED, lambda: score.score < 1 and score.finish_reason == "length"),
    )
    return next((fault for fault, found in tests if found()), None)


def loops(text: str) -> bool:
    """Whether a reply turns in a circle: few different runs of six characters among many."""
    if len(text) < _LOOP_CHARS:
        return False
    runs = [text[at : at + 6] for at in range(len(text) - 5)]
    return len(set(runs)) / len(runs) < _LOOP_VARIETY


def _broken(scores: Sequence[ItemScore], scripts: set[str]) -> str | None:
    faults = Counter(fault for score in scores if (fault := fault_of(score, scripts)))
    everything = sum(faults.values())
    certain = everything - faults[Fault.TRUNCATED]
    total = len(scores)
    if certain < BROKEN_SHARE * total and everything < TRUNCATED_SHARE * total:
        return None
    kinds = ", ".join(f"{count} {fault}" for fault, count in faults.most_common())
    error = next((score.error for score in scores if score.error), None)
    return f"of the first {total} answers: {kinds}" + (f" ({error})" if error else "")


def _collapsed(scores: Sequence[ItemScore], reference: dict[str, float]) -> str | None:
    shared = [score for score in scores if score.item_id in reference]
    if len(shared) < FIRST:
        return None
    was = sum(reference[score.item_id] for score in shared)
    now = sum(score.score for score in shared)
    if was < SOUND_BASELINE * len(shared) or now > COLLAPSED_RATIO * was:
        return None
    return f"{now:.0f} of the first {len(shared)} answers are right; the baseline has {was:.0f}"


def _asked(item: Item) -> str:
    return " ".join(message.content or "" for message in item.messages)


def _scripts(text: str) -> Counter[str]:
    """Letters by script, as the first word of their Unicode names."""
    return Counter(
        unicodedata.name(letter, "UNNAMED").split()[0] for letter in text if letter.isalpha()
    )


def _is_noise(text: str) -> bool:
    """Undecodable or unassigned characters, or a jumble of scripts."""
    bad = sum(
        letter == "\ufffd" or unicodedata.category(letter) in {"Cn", "Co", "Cs"} for letter in text
    )
    letters = _scripts(text)
    total = sum(letters.values())
    present = [script for script, count in letters.items() if count >= _NOISE_SHARE * total]
    return bad > _NOISE_SHARE * len(text) or len(present) > _SCRIPTS_MIXED


def _is_foreign(text: str, scripts: set[str]) -> bool:
    letters = _scripts(text)
    known = sum(letters[script] for script in scripts)
    return sum(letters.values()) > 0 and known < sum(letters.values()) / 2
