"""Facts as data: accelerators, formats, engines and prices, one sourced row each.

The rows live in CSV files beside this module; this is their only reader. Names found in requests
and tables are matched case-insensitively, by name or alias.
"""

import csv
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, TypeVar

from paceline.errors import Code, SpecError

LISTED: Final = 30
"""Rows of a table whose names are all told to who typed another; of a longer one the nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Data-sheet figures of one accelerator; rates are dense, bandwidths in one direction.

    A processor found on the spot is described by the same record, with measured or computed
    figures and `source` saying so.
    """

    name: str
    kind: str
    vendor: str
    """Whose drivers engines have a back end for: `CPU` is a processor of any maker, and of Intel's
    accelerators the table has Gaudi alone."""
    architecture: str
    year: int
    memory_gib: float
    bandwidth_gb_s: float
    tflops_16bit: float
    tflops_fp8: float | None
    tflops_fp4: float | None
    tops_int8: float | None
    compute_capability: float | None
    native: tuple[str, ...]
    link: str
    """`nvlink`, `fabric` (all devices of a node), `bridge` (pairs) or `none` (PCIe only)."""
    link_gb_s: float
    power_w: float | None
    source: str
    most_per_host: int = 8
    """Devices that one machine can hold; links beyond it are not modelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How many bits a weight takes, scales included, and what computes with it."""

    name: str
    bits_linear: float
    bits_experts: float
    bits_embedding: float
    compute: str
    """`16bit`, `fp8`, `fp4`, `int8` or `fp32`: the matrix unit used where it is native."""
    weight_only: bool
    min_compute_capability: float | None
    emulated_from: float | None
    """Below the native capability it still runs, weight-only, from this one on."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine supports and how it uses a device by default."""

    name: str
    kind: str
    """`serving`, `local` (one user, low overhead) or `library` (a Python loop)."""
    continuous_batching: bool
    parallelism: str
    """`tensor`; `uneven`: the same in shards that may differ, so that heads need not divide; or
    `layers`: several devices hold the model but take turns."""
    max_sequences: int
    max_sequences_large: int
    """The default on large devices newer than Ampere, in releases since mid 2025."""
    memory_share: float
    overhead_gib: float
    """Per device beside weights, cache and activations: driver context, captured graphs,
    communication buffers. Estimates by kind of engine, not fitted and not published as a figure by
    the engines: the 154 recorded outcomes of `tests/unit/plan/test_memory.py` are told the same
    with nothing at all as with this; a quarter more misses two that ran."""
    vendors: tuple[str, ...]
    formats: tuple[str, ...]
    source: str
    vendor_formats: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Vendors on whose devices fewer formats load, each with those that do."""

    def formats_on(self, vendor: str) -> tuple[str, ...]:
        """Formats that load on devices of `vendor`; empty where nothing is known."""
        return dict(self.vendor_formats).get(vendor, self.formats)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one device costs per hour at one provider, and when that was read."""

    accelerator: str
    provider: str
    market: str
    """`on-demand`, `spot`, `serverless-flex` or `serverless-active`."""
    usd_per_device_hour: float
    region: str
    instance: str
    as_of: str
    """Year, month or day, as precise as the source."""
    source: str


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one table in this folder."""
    text = files("paceline.plan.facts").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def devices() -> Mapping[str, Device]:
    """All accelerators, by name."""
    return {row["name"]: _device(row) for row in rows("accelerators.csv")}


@cache
def formats() -> Mapping[str, Format]:
    """All weight formats, by name."""
    return {row["name"]: _format(row) for row in rows("formats.csv")}


@cache
def engines() -> Mapping[str, EngineFacts]:
    """All engines, by name."""
    return {row["name"]: _engine(row) for row in rows("engines.csv")}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobEffect:
    """A value of an engine's knob that the predictor can speak of, beside the default."""

    knob: str
    value: str | float | bool
    effect: str
    """`kv_bits`, `memory_share` or `max_sequences`."""
    amount: float
    needs: str | None
    """A type that the device must compute in."""

    @property
    def is_default(self) -> bool:
        """Whether this is what happens while the knob is left alone."""
        return self.value == "default"


@cache
def knob_effects(engine_name: str) -> tuple[KnobEffect, ...]:
    """The settings of one engine that change what is predicted."""
    return tuple(
        KnobEffect(
            knob=row["knob"],
            value=_scalar(row["value"]),
            effect=row["effect"],
            amount=float(row["amount"]),
            needs=row["needs"] or None,
        )
        for row in rows("knobs.csv")
        if row["engine"] == engine_name
    )


def _scalar(text: str) -> str | float | bool:
    if text == "true":
        return True
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


@cache
def prices() -> tuple[Price, ...]:
    """All prices, as shipped."""
    return tuple(
        Price(
            accelerator=row["accelerator"],
            provider=row["provider"],
            market=row["market"],
            usd_per_device_hour=float(row["usd_per_device_hour"]),
            region=row["region"],
            instance=row["instance"],
            as_of=row["as_of"],
            source=row["source"],
        )
        for row in rows("prices.csv")
    )


def device(name: str) -> Device:
    """One accelerator by name. Raises `SpecError` naming the closest ones."""
    return _found(devices(), _spelled("accelerators.csv"), name, "accelerator")


def weight_format(name: str) -> Format:
    """One format by name or alias. Raises `SpecError`."""
    return _found(formats(), _spelled("formats.csv"), name, "format")


def engine(name: str) -> EngineFacts:
    """One engine by name or alias. Raises `SpecError`."""
    return _found(engines(), _spelled("engines.csv"), name, "engine")


T = TypeVar("T")


@cache
def newest_release(engine_name: str) -> float | None:
    """When the newest release known here came out, as a decimal year."""
    return max((year for _, year in _releases().get(engine_name, ())), default=None)


@cache
def release_year(engine_name: str, version: str) -> float | None:
    """When a version came out, as a decimal year; the longest matching prefix decides.

    One that is newer than all known here counts as the newest of them.
    """
    text = version.lower().strip().rpartition(":")[2].lstrip("v~ ")
    known = {_numbers(prefix): when for prefix, when in _releases().get(engine_name, ())}
    newest = max(known, default=())
    if newest and _numbers(text) > newest:
        return known[newest]
    best, year = -1, None
    for prefix, when in _releases().get(engine_name, ()):
        if len(prefix) > best and _covers(prefix, text):
            best, year = len(prefix), when
    return year


def _numbers(version: str) -> tuple[int, ...]:
    """`0.5.23` and `0.5.23rc1` as (0, 5, 23); empty for a word, a year or a digest."""
    plain = re.match(r"\d+(\.\d+)+", version)
    return tuple(int(part) for part in plain[0].split(".")) if plain else ()


def _covers(prefix: str, text: str) -> bool:
    """`0.1` covers `0.1.2` and `0.1rc1`, not `0.10`; words cover any text they appear in."""
    if prefix[0].isalpha():
        return prefix in text
    if not text.startswith(prefix):
        return False
    rest = text[len(prefix) :]
    return not rest[:1].isdigit()


@cache
def _releases() -> Mapping[str, tuple[tuple[str, float], ...]]:
    table: dict[str, tuple[tuple[str, float], ...]] = {}
    for row in rows("engine_releases.csv"):
        known = table.get(row["engine"], ())
        table[row["engine"]] = (*known, (row["version"], float(row["year"])))
    return table


@cache
def _spelled(table: str) -> Mapping[str, str]:
    """Every accepted spelling, lower-case, to the row's name."""
    spelled: dict[str, str] = {}
    for row in rows(table):
        for alias in (row["name"], *_aliases(row)):
            spelled[alias.lower()] = row["name"]
    return spelled


def _aliases(row: Mapping[str, str]) -> list[str]:
    return [alias for alias in (row.get("aliases") or "").split(";") if alias]


def _found(table: Mapping[str, T], spelled: Mapping[str, str], name: str, noun: str) -> T:
    known = spelled.get(name.strip().lower())
    if known is not None:
        return table[known]
    typed = name.strip().lower()
    alike = dict.fromkeys(spelled[one] for one in _nearest(typed, tuple(spelled), least=0.0))
    few = len(table) <= LISTED
    named = f": {', '.join(sorted(table))}" if few else f"; most alike are {', '.join(alike)}"
    meant = _nearest(typed, tuple(spelled), least=0.6)
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no {noun} is called {name!r}",
        why=f"{name!r} is none of the {len(table)} known{named}",
        fix=f"write {spelled[meant[0]]!r}" if meant else "choose one of these",
    )


@cache  # a table of a thousand rows may have the same wrong name in each
def _nearest(name: str, known: tuple[str, ...], *, least: float) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name, known, n=4, cutoff=least))


def _number(text: str) -> float | None:
    return float(text) if text else None


def _device(row: Mapping[str, str]) -> Device:
    return Device(
        name=row["name"],
        kind=row["kind"],
        vendor=row["vendor"],
        architecture=row["architecture"],
        year=int(row["year"]),
        memory_gib=float(row["memory_gib"]),
        bandwidth_gb_s=float(row["bandwidth_gb_s"]),
        tflops_16bit=float(row["tflops_16bit"]),
        tflops_fp8=_number(row["tflops_fp8"]),
        tflops_fp4=_number(row["tflops_fp4"]),
        tops_int8=_number(row["tops_int8"]),
        compute_capability=_number(row["compute_capability"]),
        native=tuple(row["native"].split()),
        link=row["link"],
        link_gb_s=float(row["link_gb_s"]),
        power_w=_number(row["power_w"]),
        most_per_host=int(row["most_per_host"]),
        source=row["source"],
    )


@cache
def _vendor_formats() -> Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    found: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {}
    for row in rows("engine_vendors.csv"):
        entry = (row["vendor"], tuple(row["formats"].split()))
        found[row["engine"]] = (*found.get(row["engine"], ()), entry)
    return found


def _format(row: Mapping[str, str]) -> Format:
    return Format(
        name=row["name"],
        bits_linear=float(row["bits_linear"]),
        bits_experts=float(row["bits_experts"]),
        bits_embedding=float(row["bits_embedding"]),
        compute=row["compute"],
        weight_only=row["weight_only"] == "yes",
        min_compute_capability=_number(row["min_compute_capability"]),
        emulated_from=_number(row["emulated_from"]),
        source=row["source"],
    )


def _engine(row: Mapping[str, str]) -> EngineFacts:
    return EngineFacts(
        name=row["name"],
        kind=row["kind"],
        continuous_batching=row["continuous_batching"] == "yes",
        parallelism=row["parallelism"],
        max_sequences=int(row["max_sequences"]),
        max_sequences_large=int(row["max_sequences_large"]),
        memory_share=float(row["memory_share"]),
        overhead_gib=float(row["overhead_gib"]),
        vendors=tuple(row["vendors"].split()),
        formats=tuple(row["formats"].split()),
        source=row["source"],
        vendor_formats=_vendor_formats().get(row["name"], ()),
    )
