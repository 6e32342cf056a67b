"""File + flags + plain words → Request.

Flags win over the file. Plain words stand beside flags, as both were typed for this run: when the
two say different things about the same, that is an error.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeVar

from paceline.errors import Code, SpecError
from paceline.records.image import Mode
from paceline.records.request import (
    MOST_SEED,
    Beside,
    Budget,
    Constraint,
    DevicePrice,
    Priority,
    Request,
    Workload,
)
from paceline.spec.contradiction import refuse_contradictions, subject
from paceline.spec.grammar import parse_budget, parse_constraint
from paceline.spec.images import model_of_mode, read_mode, usual_preset
from paceline.spec.names import unknown_name
from paceline.spec.suites import SuiteNames, parse_suites, require_own_suite, with_limited
from paceline.spec.words import Understood, parse_words
from paceline.spec.workloads import DEFAULT, PRESETS, parse_workload, workload_of

if TYPE_CHECKING:
    from paceline.spec.positions import Document
    from paceline.spec.schema import RequestFile, WorkloadSection

DEFAULT_PRIORITY: Final = Priority.BALANCED
USUAL_SHARE: Final = 0.25
"""Of a trial's time for its questions, where nobody said otherwise."""
MODEL_FIX: Final = "name a folder, ORG/NAME of a hub, or `reference` before the words"
NOTHING_SAID: Final = Understood(priority=None, constraints=(), budget=Budget())
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one source (the flags, or a file) says, as text where it has a grammar.

    `None` and empty mean that it says nothing. `price_usd_per_hour` is of one accelerator
    of any kind, `prices` are by kind.
    """

    model: str | None = None
    pipeline: str | None = None
    priority: str | None = None
    constraints: tuple[str, ...] = ()
    workload: str | None = None
    engines: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    pin: str | None = None
    budget: str | None = None
    price_usd_per_hour: float | None = None
    prices: tuple[DevicePrice, ...] = ()
    seed: int | None = None
    quality_items: int | None = None
    quality_share: float | None = None
    beside: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    draft: str | None = None
    mode: str | None = None
    accept_license: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestText:
    """A request file as text, with its name for messages."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One source after its texts were read."""

    asked: Asked
    priority: Priority | None
    constraints: tuple[Constraint, ...]
    workload: Workload | None
    budget: Budget
    suites: SuiteNames
    mode: Mode | None


Usual = Callable[[str], str]
"""The preset of a model that comes without a workload."""


def read_request(
    flags: Asked,
    *,
    words: str | None = None,
    file: RequestText | None = None,
    usual: Usual = usual_preset,
) -> Request:
    """The request of one run as understood.

    `usual` knows which load fits which model. Raises SpecError for anything that is wrong,
    unknown, contradictory or not understood; errors in a file name its line.
    """
    parsed = None if file is None else _parsed(file)
    content = None if parsed is None else parsed.content
    model = flags.model or (None if content is None else content.model) or _of_mode(flags, content)
    preset = DEFAULT if model is None else usual(model)
    typed = read_flags(flags, preset)
    stored = read_flags(Asked(), preset) if parsed is None else _read_file(parsed, preset)
    said = parse_words(words) if words is not None else NOTHING_SAID
    refuse_conflicts(typed, said)
    if model is None:
        raise _bad("no model was named", "neither the command nor a file has one", MODEL_FIX)
    constraints = _merged(typed, said, stored)
    refuse_contradictions(constraints)
    own_suite = first(typed.suites.own, stored.suites.own)
    require_own_suite(constraints, own_suite)
    return Request(
        model=model,
        pipeline=flags.pipeline or stored.asked.pipeline or pipeline_name(model),
        priority=typed.priority or said.priority or stored.priority or DEFAULT_PRIORITY,
        constraints=constraints,
        workload=typed.workload or stored.workload or PRESETS[preset],
        engines=flags.engines or stored.asked.engines,
        formats=_formats(flags) or _formats(stored.asked),
        hardware=flags.hardware or stored.asked.hardware,
        budget=first_budget(typed.budget, said.budget, stored.budget),
        price_usd_per_hour=None
        if flags.prices
        else first(flags.price_usd_per_hour, stored.asked.price_usd_per_hour),
        prices=flags.prices,
        seed=first(flags.seed, stored.asked.seed) or 0,
        quality_items=first(flags.quality_items, stored.asked.quality_items),
        quality_share=first(flags.quality_share, stored.asked.quality_share) or USUAL_SHARE,
        beside=with_limited(
            read_beside(flags.beside) or read_beside(stored.asked.beside), constraints
        ),
        suite=first(typed.suites.main, stored.suites.main),
        own_suite=own_suite,
        draft=flags.draft or stored.asked.draft,
        mode=typed.mode or stored.mode,
        accept_license=flags.accept_license or stored.asked.accept_license,
    )


def asked_by_file(file: RequestText, *, usual: str) -> Asked:
    """What a request file says, as texts that the grammars of flags read.

    `usual` is the preset of a workload section that names none. Raises SpecError at the line of
    what is wrong.
    """
    parsed = _parsed(file)
    content = parsed.content
    told = _read_file(parsed, usual)
    return replace(
        told.asked,
        priority=content.priority,
        constraints=tuple(content.constraints),
        workload=_workload_text(content.workload, usual),
        budget=content.budget,
        mode=content.mode,
    )


def _workload_text(section: "str | WorkloadSection | None", usual: str) -> str | None:
    if section is None or isinstance(section, str):
        return section
    given = section.model_dump(exclude_none=True, exclude={"preset"})
    return ",".join([section.preset or usual, *(f"{key}={given[key]}" for key in given)])


def pipeline_name(model: str) -> str:
    """The last part of a path or hub id, in lower case, of letters, digits, `.`, `_` and `-`."""
    name = re.sub(r"[^a-z0-9._-]+", "-", PurePath(model).name.lower()).strip("-.")
    return name or "model"


def _check_pipeline(name: str | None) -> None:
    """Raises SpecError for a name that `deploy PIPELINE@N` or an endpoint could not have."""
    if name is not None and name != pipeline_name(name):
        raise _bad(
            f"{name!r} cannot be the name of a pipeline",
            "it is what clients may send as `model`: lower-case letters, digits, '.', '_' and '-'",
            f"--pipeline {pipeline_name(name)}",
        )


def _of_mode(flags: Asked, content: "RequestFile | None") -> str | None:
    """The model that a mode stands for where none was named."""
    mode = flags.mode or (None if content is None else content.mode)
    return None if mode is None else model_of_mode(read_mode(mode))


def read_flags(asked: Asked, preset: str) -> Told:
    """The texts of flags by their grammars; `preset` is the load where a workload names none.

    Raises SpecError for the first that is wrong.
    """
    _check_pipeline(asked.pipeline)
    _check_price(asked)
    _check_seed(asked)
    _check_items(asked)
    _check_share(asked.quality_share)
    read_beside(asked.beside)
    _check_pin(asked)
    return Told(
        asked=asked,
        priority=None if asked.priority is None else _priority(asked.priority),
        constraints=tuple(parse_constraint(text) for text in asked.constraints),
        workload=None if asked.workload is None else parse_workload(asked.workload, usual=preset),
        budget=Budget() if asked.budget is None else parse_budget(asked.budget),
        suites=parse_suites(asked.suites),
        mode=None if asked.mode is None else read_mode(asked.mode),
    )


def _check_price(asked: Asked) -> None:
    price = asked.price_usd_per_hour
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise _bad(f"the price is {price:g} usd/h", "it must be 0 usd/h or more", "--price 0.50")
    if price is not None and asked.prices:
        raise SpecError(
            Code.CONTRADICTION,
            "--price and --prices both say what an hour costs",
            why=f"one says {price:g} usd/h for every accelerator, the other has a row for each",
            fix="leave one of them out",
        )


def _check_seed(asked: Asked) -> None:
    seed = asked.seed
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise _bad(f"the seed is {seed}", f"it is a whole number from 0 to {MOST_SEED}", "--seed 1")


def _check_items(asked: Asked) -> None:
    items = asked.quality_items
    if items is not None and items < 1:
        raise _bad(f"{items} quality items", "at least 1 is asked", "leave it out to ask all")


def _check_share(share: float | None) -> None:
    """Raises SpecError for a share of a trial's time that is none."""
    if share is not None and not 0 < share <= 1:
        raise _bad(
            f"a quality share of {share:g}",
            "it is a part of each trial's time: above 0, at most 1",
            f"--quality-share {USUAL_SHARE}; 1 is no limit",
        )


def read_beside(names: tuple[str, ...]) -> tuple[Beside, ...]:
    """What is asked besides the suite, by name. Raises SpecError (`unknown-name`)."""
    known = [beside.value for beside in Beside]
    for name in names:
        if name not in known:
            raise unknown_name("further question", name, known)
    return tuple(beside for beside in Beside if beside.value in names)


def _check_pin(asked: Asked) -> None:
    if asked.pin is not None and asked.formats and asked.pin not in asked.formats:
        raise SpecError(
            Code.CONTRADICTION,
            f"pinned to {asked.pin!r}, which is not among the formats",
            why=f"the formats are {', '.join(asked.formats)}",
            fix=f"leave the formats out, or add {asked.pin!r} to them",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    """A request file: its keys with their lines, and checked against the schema."""

    document: "Document"
    content: "RequestFile"


def _parsed(file: RequestText) -> _Parsed:
    # YAML and the schema take longer to set up than flags take to read; most requests have no file
    from paceline.spec.positions import read_yaml  # noqa: PLC0415
    from paceline.spec.schema import validated  # noqa: PLC0415

    document = read_yaml(file.text, file.name)
    return _Parsed(document=document, content=validated(document))


def _read_file(parsed: _Parsed, preset: str) -> Told:
    """The same grammars as for flags, with each error at its line."""
    from paceline.spec.positions import at  # noqa: PLC0415 - as in `_parsed`

    document, content = parsed.document, parsed.content
    plain = Asked(
        model=content.model,
        pipeline=content.pipeline,
        engines=tuple(content.engines),
        formats=tuple(content.formats),
        hardware=tuple(content.hardware),
        pin=content.pin,
        price_usd_per_hour=content.price,
        seed=content.seed,
        quality_items=content.quality_items,
        quality_share=content.quality_share,
        beside=tuple(content.beside),
        suites=tuple(content.suites),
        draft=content.draft,
        accept_license=content.accept_license,
    )
    with at(document, "mode"):
        mode = None if content.mode is None else read_mode(content.mode)
    with at(document, "suites"):
        suites = parse_suites(plain.suites)
    with at(document, "price"):
        _check_price(plain)
    with at(document, "seed"):
        _check_seed(plain)
    with at(document, "quality_items"):
        _check_items(plain)
    with at(document, "quality_share"):
        _check_share(plain.quality_share)
    with at(document, "beside"):
        read_beside(plain.beside)
    with at(document, "pin"):
        _check_pin(plain)
    constraints = []
    for index, text in enumerate(content.constraints):
        with at(document, "constraints", index):
            constraints.append(parse_constraint(text))
    with at(document, "priority"):
        priority = None if content.priority is None else _priority(content.priority)
    with at(document, "workload"):
        workload = None if content.workload is None else _workload(content.workload, preset)
    with at(document, "budget"):
        budget = Budget() if content.budget is None else parse_budget(content.budget)
    return Told(
        asked=plain,
        priority=priority,
        constraints=tuple(constraints),
        workload=workload,
        budget=budget,
        suites=suites,
        mode=mode,
    )


def _workload(section: "str | WorkloadSection", preset: str) -> Workload:
    if isinstance(section, str):
        return parse_workload(section, usual=preset)
    given = section.model_dump(exclude_none=True, exclude={"preset"})
    return workload_of(section.preset or preset, given)


def _priority(text: str) -> Priority:
    """A priority by its name, in any case. Raises SpecError (`unknown-name`)."""
    names = [priority.value for priority in Priority]
    if text.lower() not in names:
        raise unknown_name("priority", text, names)
    return Priority(text.lower())


def refuse_conflicts(typed: Told, said: Understood) -> None:
    """Raises SpecError where flags and words speak of the same and do not agree."""
    pairs: list[tuple[object, object, str]] = [
        (typed.priority, said.priority, "the priority"),
        (typed.budget.seconds, said.budget.seconds, "the time of the run"),
        (typed.budget.usd, said.budget.usd, "the dollars of the run"),
    ]
    by_subject = {subject(constraint): constraint for constraint in typed.constraints}
    for constraint in said.constraints:
        flag = by_subject.get(subject(constraint))
        pairs.append((flag and flag.text, constraint.text, "the same figure"))
    for flagged, spoken, what in pairs:
        if flagged is not None and spoken is not None and flagged != spoken:
            raise SpecError(
                Code.CONTRADICTION,
                f"the flags and the words disagree on {what}",
                why=f"the flags say {_plain(flagged)}, the words say {_plain(spoken)}",
                fix="say it once",
            )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(str(value))


def _merged(typed: Told, said: Understood, stored: Told) -> tuple[Constraint, ...]:
    """Of flags and words, then those of the file that limit something else."""
    now = (*typed.constraints, *said.constraints)
    taken = {subject(constraint) for constraint in now}
    kept = (constraint for constraint in stored.constraints if subject(constraint) not in taken)
    return tuple(dict.fromkeys((*now, *kept)))


def _formats(asked: Asked) -> tuple[str, ...]:
    """A pinned format is the only one; the baseline is measured beside any formats."""
    return asked.formats if asked.pin is None else (asked.pin,)


def first_budget(*budgets: Budget) -> Budget:
    """Each limit from the first source that has it."""
    return Budget(
        seconds=first(*(budget.seconds for budget in budgets)),
        usd=first(*(budget.usd for budget in budgets)),
    )


def first(*values: Given | None) -> Given | None:
    """The first that says something."""
    return next((value for value in values if value is not None), None)


def _bad(what: str, why: str, fix: str) -> SpecError:
    return SpecError(Code.BAD_OPTION, what, why=why, fix=fix)
