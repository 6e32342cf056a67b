"""A receipt as bytes, and the check that its arithmetic still holds.

The document is JSON with sorted keys, so that one receipt has one text; its file is named by the
SHA-256 of that text, which `sha256sum` prints too. Inside, `sections` has a hash for every part:
when the name no longer fits, they tell which part was changed. They prove nothing by themselves,
and nor does the name: who edits a receipt can compute both anew. What cannot be made to fit so
easily are the raw samples that every figure is computed from again here.

Reading files is not done here; `Recompute` is handed in.
"""

import hashlib
import json
import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from paceline import __version__
from paceline.rank.ranking import rank
from paceline.records.receipt import Fault, Finding, Receipt, Verification
from paceline.records.serial import (
    SCHEMA_VERSION,
    VERSION_KEY,
    Json,
    Malformed,
    NewerSchema,
    canonical,
    dump,
    load,
)
from paceline.records.trial import TrialRecord

KIND: Final = "paceline-receipt"
ENVELOPE: Final = ("kind", VERSION_KEY, "sections")
SECTION_DEPTH: Final = 3
"""So deep that hashes name the field: `$.request.workload.concurrency`, `$.trials[3].cause`."""
SECTION_DIGITS: Final = 16
"""Of SHA-256, in hexadecimal: these hashes find an edit, they do not prove that there was none."""

SHOWN_CHARACTERS: Final = 80

PROSE: Final = frozenset({"because", "chips", "detail", "formula", "notes", "text"})
"""Fields in words. Another version may word them anew, which makes no figure wrong; an edit of
them shows in the hash of their section."""

REL_TOLERANCE: Final = 1e-9
"""Another processor or numpy may sum in another order; that moves the last of 16 digits."""

FORMULAS: Final[Mapping[str, str]] = {
    "ttft_ms": "first chunk that carries output − request written to the socket",
    "scheduled_ttft_ms": "first chunk that carries output − scheduled arrival",
    "e2e_ms": "last chunk − request written to the socket",
    "scheduled_e2e_ms": "last chunk − scheduled arrival",
    "tpot_ms": "(e2e − ttft) ÷ (output tokens − 1); undefined for one token",
    "itl_ms": "gaps between successive chunks, pooled over requests",
    "output_tokens_per_s": "output tokens in the steady window ÷ its length",
    "requests_per_s": "requests answered in the steady window ÷ its length",
    "goodput_requests_per_s": "requests within every latency limit that ended in the steady window "
    "÷ its length; failed ones are misses",
    "failed_share": "failed ÷ (answered + failed)",
    "cost_usd_per_mtok": "price per hour × accelerators ÷ 3600 ÷ output_tokens_per_s × 1e6",
    "cost_usd_per_request": "price per hour × accelerators ÷ 3600 ÷ requests_per_s",
    "cost_usd_per_image": "as per request; a request of a run asks for one picture",
    "cost_usd_per_month": "price per hour × accelerators × 730 h",
    "peak_memory_gib": "the most that the engine's processes held, as the executor saw it",
    "memory_percent": "peak_memory_gib ÷ memory of the accelerator × 100",
    "cold_start_s": "process start to first good health answer + from there to first answer",
    "speculation_acceptance": "accepted ÷ drafted tokens, by the engine's counters over the load",
    "speculation_mean_length_tokens": "1 + accepted tokens ÷ drafts",
    "speculation_draft_ratio": "drafted ÷ written tokens",
    "speculation_break_even": "acceptance + (TPOT ÷ TPOT without it − 1) ÷ draft ratio",
    "quality_mine": "as quality, over the items of the user's own test set",
    "quality_under_load": "as quality, over items asked again in full batches",
    "quality_long_context": "as quality, over texts of the workload's length with codes in them",
    "quality_time_share": "seconds of the quality part ÷ seconds of the trial",
    "fidelity_kl_nats": "mean over positions of Σ p ln(p ÷ q), tokens that one side does not list "
    "taken as one; p of the reference, q of the variant",
    "fidelity_top1_agreement": "positions with the same most likely token ÷ positions",
    "fidelity_perplexity_ratio": "exp(mean of ln p − ln q of the token that stands there)",
    "quality": "Σ over categories of share × weighted mean of the item scores",
    "picture": "a picture's score: SSIM to the baseline's of the same prompt and seed, of pixels "
    "or latents, whichever is less, at least 0; the baseline's own is its second beside its first",
    "pixels_ssim": "mean SSIM of the pixels over the pictures that have a baseline's beside them",
    "latents_ssim": "mean SSIM of what the pictures were decoded from, a channel being one window",
    "shows": "1 where the pixels show the colour and the shape that were asked for, else 0",
}
"""Percentiles, means and their 95 % intervals are over the requests of the steady window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A trial with every derived field computed again; a field that could not be is as stored."""

    trial: TrialRecord
    findings: tuple[Finding, ...]
    samples: int


class Recompute(Protocol):
    """Computes trial `index` of a receipt again from its raw data."""

    def __call__(self, receipt: Receipt, index: int) -> Recomputed: ...


def seal(receipt: Receipt) -> bytes:
    """The receipt's text: what its file holds and its name is the hash of."""
    content = dump(receipt)
    document: dict[str, Json] = {
        "kind": KIND,
        VERSION_KEY: SCHEMA_VERSION,
        "sections": dict(section_hashes(content)),
        **content,
    }
    return _text(document)


def section_hashes(content: Mapping[str, Json]) -> dict[str, str]:
    """A hash of every part of a receipt, by its JSON path."""
    return {
        path: hashlib.sha256(canonical(part).encode("ascii")).hexdigest()[:SECTION_DIGITS]
        for path, part in _parts(dict(content), "$", SECTION_DEPTH)
    }


def receipt_of(data: bytes) -> Receipt:
    """The receipt in a file's bytes, as it stands. Raises Malformed or NewerSchema."""
    document = _parsed(data)
    if document is None:
        raise Malformed("$", "this is no JSON object")
    content = {name: part for name, part in document.items() if name not in ENVELOPE}
    return _receipt(document, content)


def check(data: bytes, sha256: str, recompute: Recompute) -> Verification:
    """Everything that can be checked: name, sections, raw data, figures, verdicts, ranking.

    `sha256` is what the file is named. Raises NewerSchema for an intact receipt of a later
    program.
    """
    document = _parsed(data)
    if document is None:
        detail = "this is no JSON object, so nothing in it can be checked"
        return _verdict(sha256, None, [Finding(path="$", fault=Fault.MALFORMED, detail=detail)])
    findings = _check_name(data, sha256, document)
    content = {name: part for name, part in document.items() if name not in ENVELOPE}
    sections = _check_sections(document.get("sections"), content)
    try:
        receipt = _receipt(document, content)
    except Malformed as error:
        broken = Finding(path=error.path, fault=Fault.MALFORMED, detail=error.because)
        return _verdict(sha256, None, [*findings, broken, *_unexplained(sections, [broken])])
    except NewerSchema as error:
        if not findings:
            raise
        newer = Finding(path=f"$.{VERSION_KEY}", fault=Fault.MALFORMED, detail=str(error))
        return _verdict(sha256, None, [*findings, newer])
    return _recheck(sha256, receipt, recompute, findings, sections)


def differences(stored: Json, found: Json, path: str) -> Iterator[Finding]:
    """Where two values differ, leaf by leaf; floats by less than rounding are equal."""
    if isinstance(stored, dict) and isinstance(found, dict):
        for name in sorted(stored.keys() | found.keys()):
            place = f"{path}.{name}"
            if name in stored and name in found:
                yield from differences(stored[name], found[name], place)
            else:
                yield _differs(place, stored.get(name, ...), found.get(name, ...))
    elif isinstance(stored, list) and isinstance(found, list):
        for i in range(max(len(stored), len(found))):
            if i < len(stored) and i < len(found):
                yield from differences(stored[i], found[i], f"{path}[{i}]")
            else:
                sides = [side[i] if i < len(side) else ... for side in (stored, found)]
                yield _differs(f"{path}[{i}]", *sides)
    elif not _same(stored, found):
        yield _differs(path, stored, found)


def _text(document: Mapping[str, Json]) -> bytes:
    text = json.dumps(document, sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode("ascii")


def _parts(value: Json, path: str, depth: int) -> Iterator[tuple[str, Json]]:
    """Objects are taken apart `depth` times; until then a list stands for its entries."""
    if isinstance(value, dict) and value and depth:
        for name, part in value.items():
            yield from _parts(part, f"{path}.{name}", depth - 1)
    elif isinstance(value, list) and value and depth:
        for i, part in enumerate(value):
            yield from _parts(part, f"{path}[{i}]", depth)
    else:
        yield path, value


def _parsed(data: bytes) -> dict[str, Json] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        return None
    return document if isinstance(document, dict) else None


def _check_name(data: bytes, sha256: str, document: Mapping[str, Json]) -> list[Finding]:
    found = hashlib.sha256(data).hexdigest()
    if found == sha256:
        return []
    try:
        reformatted = hashlib.sha256(_text(document)).hexdigest() == sha256
    except ValueError:  # NaN, which Python's reader lets in
        reformatted = False
    why = "only its spaces or the order of its keys were changed" if reformatted else "it changed"
    detail = f"the content does not hash to the file's name; {why}"
    return [Finding(path="$", fault=Fault.NAME, detail=detail, stored=sha256, found=found)]


def _check_sections(stored: Json | None, content: Mapping[str, Json]) -> list[Finding]:
    if not isinstance(stored, dict):
        return [Finding(path="$.sections", fault=Fault.MALFORMED, detail="missing")]
    try:
        parts = dict(_parts(dict(content), "$", SECTION_DEPTH))
        found = section_hashes(content)
    except ValueError as error:
        return [Finding(path="$", fault=Fault.MALFORMED, detail=str(error))]
    changed = sorted(p for p in stored.keys() | found.keys() if stored.get(p) != found.get(p))
    return [
        Finding(path=path, fault=Fault.SECTION, detail=_how_changed(path, stored, parts))
        for path in changed
    ]


def _how_changed(path: str, stored: Mapping[str, Json], parts: Mapping[str, Json]) -> str:
    """Only hashes of what was there are left, so the old value cannot be told."""
    if path not in parts:
        return "this part was removed"
    value = textwrap.shorten(json.dumps(parts[path]), SHOWN_CHARACTERS, placeholder=" …")
    return f"this part was {'changed to' if path in stored else 'added:'} {value}"


def _receipt(document: Mapping[str, Json], content: Mapping[str, Json]) -> Receipt:
    if document.get("kind") != KIND:
        raise Malformed("$.kind", f"{document.get('kind')!r} where {KIND!r} belongs")
    version = document.get(VERSION_KEY)
    if not isinstance(version, int):
        raise Malformed(f"$.{VERSION_KEY}", f"{version!r} where a number belongs")
    if version > SCHEMA_VERSION:
        raise NewerSchema(version)
    return load(Receipt, content)


def _recheck(
    sha256: str,
    receipt: Receipt,
    recompute: Recompute,
    findings: list[Finding],
    sections: list[Finding],
) -> Verification:
    try:
        again = [recompute(receipt, index) for index in range(len(receipt.trials))]
        trials = tuple(result.trial for result in again)
        # From the recomputed trials: an edited figure is reported where it stands, and only there.
        ranking = rank(receipt.request, receipt.plan, trials)
    except (ArithmeticError, LookupError, ValueError) as error:
        if not sections:
            raise  # nobody changed anything: a bug of ours
        detail = f"the arithmetic cannot be repeated: {type(error).__name__}: {error}"
        broken = Finding(path="$", fault=Fault.ARITHMETIC, detail=detail)
        return _verdict(sha256, receipt.run_id, [*findings, *sections, broken])
    found = [finding for result in again for finding in result.findings]
    for index, (stored, trial) in enumerate(zip(receipt.trials, trials, strict=True)):
        found += differences(dump(stored), dump(trial), f"$.trials[{index}]")
    found += [*_unpriced(receipt), *_unplanned(receipt)]
    stored_ranking, own = dump(receipt.ranking), receipt.software.get("paceline") == __version__
    found += differences(
        stored_ranking if own else _figures(stored_ranking),
        dump(ranking) if own else _figures(dump(ranking)),
        "$.ranking",
    )
    return Verification(
        sha256=sha256,
        run_id=receipt.run_id,
        trials=len(trials),
        samples=sum(result.samples for result in again),
        figures=_leaves(dump(ranking)) + sum(len(trial.metrics) for trial in trials),
        findings=(*findings, *_edits_first(sections, list(dict.fromkeys(found)))),
    )


def _unpriced(receipt: Receipt) -> Iterator[Finding]:
    """Prices that are not those that the costs are computed with."""
    for index, price in enumerate(receipt.prices):
        used = receipt.request.price_of(price.accelerator)
        yield from differences(price.usd_per_hour, used, f"$.prices[{index}].usd_per_hour")


def _unplanned(receipt: Receipt) -> Iterator[Finding]:
    """Trials of variants that the plan neither holds nor rejects: a ranking passes them over."""
    plan = receipt.plan
    known = {plan.baseline, *plan.variants, *(one.variant for one in plan.rejected)}
    for index, trial in enumerate(receipt.trials):
        if trial.variant not in known:
            detail = f"{trial.variant.id} was measured, but the plan does not know it"
            path = f"$.trials[{index}].variant"
            yield Finding(path=path, fault=Fault.ARITHMETIC, detail=detail)


def _figures(value: Json) -> Json:
    """Without what is put in words."""
    if isinstance(value, dict):
        return {name: _figures(part) for name, part in value.items() if name not in PROSE}
    return [_figures(part) for part in value] if isinstance(value, list) else value


def _edits_first(sections: list[Finding], found: list[Finding]) -> list[Finding]:
    """What was edited before what follows from it.

    A difference outside every changed section is a consequence: its own text is as it was made.
    """
    edited = [f for f in found if any(_within(f.path, section.path) for section in sections)]
    return [
        *edited,
        *_unexplained(sections, edited),
        *(finding for finding in found if finding not in edited),
    ]


def _unexplained(sections: list[Finding], found: list[Finding]) -> list[Finding]:
    """Changed parts in which no finding names the field already."""
    named = [finding.path for finding in found if finding.fault is not Fault.BLOB]
    return [s for s in sections if not any(_within(path, s.path) for path in named)]


def _within(path: str, section: str) -> bool:
    return path == section or path.startswith((f"{section}.", f"{section}["))


def _differs(path: str, stored: object, found: object) -> Finding:
    sides = [None if side is ... else json.dumps(side) for side in (stored, found)]
    return Finding(
        path=path,
        fault=Fault.ARITHMETIC,
        detail="differs from what the raw data give",
        stored=sides[0],
        found=sides[1],
    )


def _same(stored: Json, found: Json) -> bool:
    if isinstance(stored, float) and isinstance(found, float):
        return math.isclose(stored, found, rel_tol=REL_TOLERANCE)
    return type(stored) is type(found) and stored == found


def _leaves(value: Json) -> int:
    if isinstance(value, dict):
        return sum(_leaves(part) for part in value.values())
    if isinstance(value, list):
        return sum(_leaves(part) for part in value)
    return 1


def _verdict(sha256: str, run_id: str | None, findings: list[Finding]) -> Verification:
    return Verification(
        sha256=sha256, run_id=run_id, trials=0, samples=0, figures=0, findings=tuple(findings)
    )
