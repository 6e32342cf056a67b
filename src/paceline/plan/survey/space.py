"""Every combination that could be deployed, as arrays: device, layout, format, engine, setting.

Combinations that an engine, a device or the model rules out are counted in blocks and never laid
out; the others become rows of indices, ready for `plan.predict`. Covers one node of up to
`MOST_DEVICES` devices of one type.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paceline.plan.facts.tables import Device, EngineFacts, Format
from paceline.plan.predict.deployment import Array, Batch, Index, Load
from paceline.plan.shapes import Shape
from paceline.plan.support import split_reason, unsupported
from paceline.records.request import Workload
from paceline.records.variant import Scalar, Variant

MOST_DEVICES: Final = 8
"""One node: links beyond it are not modelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many devices there are, and how a model lies on them: tensor x pipeline x data."""

    count: int
    tensor: int
    pipeline: int
    data: int
    experts_spread: bool

    @property
    def knobs(self) -> tuple[tuple[str, Scalar], ...]:
        """What differs from splitting every layer over all devices, sorted by name."""
        knobs: list[tuple[str, Scalar]] = []
        if self.data > 1:
            knobs.append(("data_parallel", self.data))
        if self.experts_spread:
            knobs.append(("expert_parallel", True))
        if self.pipeline > 1:
            knobs.append(("pipeline_parallel", self.pipeline))
        if self.count > 1:
            knobs.append(("tensor_parallel", self.tensor))
        return tuple(knobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Values of an engine's knobs, and what the predictor makes of them (`None`: the default)."""

    knobs: tuple[tuple[str, Scalar], ...]
    kv_bits: float = 16.0
    max_sequences: float | None = None
    memory_share: float | None = None
    needs: str | None = None
    """A type that the device must compute in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAxis:
    """One engine with the settings worth trying; the first is its default.

    `name` is what people type, which may differ from the name of the facts. `release_year` is of
    the version that would be used.
    """

    name: str
    facts: EngineFacts
    settings: tuple[Setting, ...]
    release_year: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What is crossed with what. No axis is empty."""

    shape: Shape
    devices: tuple[Device, ...]
    formats: tuple[Format, ...]
    engines: tuple[EngineAxis, ...]
    layouts: tuple[Layout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledOut:
    """A block of combinations that cannot run, by one of them. `kind` groups blocks."""

    kind: str
    variant: Variant
    because: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The combinations that are left, as indices into the axes `[rows]`."""

    device: Index
    engine: Index
    format: Index
    layout: Index
    setting: Index

    def __len__(self) -> int:
        return len(self.device)

    def take(self, chosen: Index | NDArray[np.bool_]) -> "Rows":
        """Some of the rows, by index or mask."""
        return Rows(
            device=self.device[chosen],
            engine=self.engine[chosen],
            format=self.format[chosen],
            layout=self.layout[chosen],
            setting=self.setting[chosen],
        )


def layouts(*, experts: bool, most: int = MOST_DEVICES) -> tuple[Layout, ...]:
    """Every split of 1, 2, 4 … `most` devices; with experts, each also with those spread out."""
    powers = [2**n for n in range(most.bit_length()) if 2**n <= most]
    found = [
        Layout(count=count, tensor=t, pipeline=p, data=count // (t * p), experts_spread=False)
        for count in powers
        for t in powers
        for p in powers
        if count % (t * p) == 0
    ]
    found.sort(key=lambda layout: (layout.count, -layout.tensor, layout.pipeline))
    if not experts:
        return tuple(found)
    spread = [
        replace(layout, experts_spread=True) for layout in found if layout.count > layout.pipeline
    ]
    return (*found, *spread)


def combinations(axes: Axes) -> int:
    """How many there are before anything is ruled out."""
    settings = sum(len(engine.settings) for engine in axes.engines)
    return len(axes.devices) * len(axes.formats) * len(axes.layouts) * settings


def lay_out(axes: Axes) -> tuple[Rows, tuple[RuledOut, ...]]:
    """The combinations that could run, and those ruled out by kind, in blocks.

    The order follows the axes: engine, device, format, layout, setting.
    """
    found: list[Rows] = []
    ruled_out: list[RuledOut] = []
    for at, engine in enumerate(axes.engines):
        able, blocks = _able(axes, at)
        placed = [_misplaced(axes.shape, engine, layout) for layout in axes.layouts]
        cube, misfits = _misfits(axes, at, able, placed)
        rows, unusable = _with_usable_settings(axes, _rows(at, cube, len(engine.settings)))
        ruled_out += (*blocks, *misfits, *unusable)
        found.append(rows)
    return _joined(found), tuple(ruled_out)


def _rows(at: int, cube: NDArray[np.bool_], settings: int) -> Rows:
    device, format_, layout = np.nonzero(cube)
    count = len(device) * settings
    return Rows(
        device=np.repeat(device, settings),
        engine=np.full(count, at, dtype=np.intp),
        format=np.repeat(format_, settings),
        layout=np.repeat(layout, settings),
        setting=np.tile(np.arange(settings, dtype=np.intp), len(device)),
    )


def _with_usable_settings(axes: Axes, rows: Rows) -> tuple[Rows, list[RuledOut]]:
    """Rows of one engine whose device has what their setting needs."""
    if not len(rows):
        return rows, []
    settings = axes.engines[rows.engine[0]].settings
    usable = np.array([[s.needs is None or s.needs in d.native for s in settings]
                       for d in axes.devices])[rows.device, rows.setting]  # fmt: skip
    gone = np.flatnonzero(~usable)
    if not len(gone):
        return rows, []
    first = int(gone[0])
    device, setting = axes.devices[rows.device[first]], settings[rows.setting[first]]
    knob, value = setting.knobs[0]
    because = f"{knob}={value} needs {setting.needs}; {device.name} has {' '.join(device.native)}"
    block = RuledOut(
        kind="device cannot use the setting",
        variant=variant_of(axes, rows, first),
        because=because,
        count=len(gone),
    )
    return rows.take(usable), [block]


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(
        device=np.concatenate([part.device for part in parts]),
        engine=np.concatenate([part.engine for part in parts]),
        format=np.concatenate([part.format for part in parts]),
        layout=np.concatenate([part.layout for part in parts]),
        setting=np.concatenate([part.setting for part in parts]),
    )


def variant_of(axes: Axes, rows: Rows, at: int) -> Variant:
    """One row as a variant."""
    engine = axes.engines[rows.engine[at]]
    where = (int(rows.device[at]), int(rows.format[at]), int(rows.layout[at]))
    return _variant(axes, engine, where, engine.settings[rows.setting[at]])


def batch(axes: Axes, rows: Rows, workload: Workload, *, in_flight: Array | None = None) -> Batch:
    """The rows as deployments under `workload`, or with `in_flight` requests each instead."""
    settings, first = _settings(axes)
    setting = first[rows.engine] + rows.setting
    years = [np.nan if e.release_year is None else e.release_year for e in axes.engines]
    count = len(rows)

    def same(value: float) -> Array:
        return np.broadcast_to(np.float64(value), count)

    rate = workload.rate_rps if in_flight is None else None
    load = Load.CLOSED if rate is None else Load.OPEN
    if in_flight is None:
        in_flight = same(float(workload.concurrency) if rate is None else np.nan)

    def of_layout(values: Sequence[float]) -> Array:
        column: Array = np.array(values, dtype=np.float64)[rows.layout]
        return column

    def of_setting(values: Sequence[float | None]) -> Array:
        known = [np.nan if value is None else value for value in values]
        column: Array = np.array(known, dtype=np.float64)[setting]
        return column

    return Batch(
        shapes=[axes.shape],
        devices=axes.devices,
        engines=[engine.facts for engine in axes.engines],
        formats=axes.formats,
        shape_at=np.zeros(count, dtype=np.intp),
        device_at=rows.device,
        engine_at=rows.engine,
        format_at=rows.format,
        count=of_layout([o.count for o in axes.layouts]),
        tensor_parallel=of_layout([o.tensor for o in axes.layouts]),
        pipeline_parallel=of_layout([o.pipeline for o in axes.layouts]),
        expert_parallel=of_layout([o.count if o.experts_spread else 1 for o in axes.layouts]),
        data_parallel=of_layout([o.data for o in axes.layouts]),
        kv_bits=of_setting([s.kv_bits for s in settings]),
        load=np.full(count, int(load), dtype=np.intp),
        input_tokens=same(workload.input_tokens),
        output_tokens=same(workload.output_tokens),
        concurrency=in_flight,
        requests_per_s=same(np.nan if rate is None else rate),
        release_year=np.array(years, dtype=np.float64)[rows.engine],
        max_sequences=of_setting([s.max_sequences for s in settings]),
        memory_share=of_setting([s.memory_share for s in settings]),
    )


def _settings(axes: Axes) -> tuple[list[Setting], Index]:
    """All settings in one list, and where each engine's begin."""
    flat = [setting for engine in axes.engines for setting in engine.settings]
    lengths = [len(engine.settings) for engine in axes.engines]
    return flat, np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)


def _able(axes: Axes, at: int) -> tuple[NDArray[np.bool_], list[RuledOut]]:
    """Which pairs of device and format an engine takes, and why not the others."""
    engine = axes.engines[at]
    able = np.ones((len(axes.devices), len(axes.formats)), dtype=np.bool_)
    first: dict[str, RuledOut] = {}
    pairs: Counter[str] = Counter()
    for f, format_ in enumerate(axes.formats):
        common = _no_experts(axes.shape, format_)
        for d, device in enumerate(axes.devices):
            because = common or unsupported(device, format_, engine.facts)
            if because is not None:
                able[d, f] = False
                kind = "no experts to quantize" if common else _kind(device, format_, engine.facts)
                if kind not in first:
                    first[kind] = _block(axes, at, kind, because, (d, f, 0))
                pairs[kind] += 1
    return able, [replace(block, count=block.count * pairs[kind]) for kind, block in first.items()]


def _kind(device: Device, format_: Format, engine: EngineFacts) -> str:
    if engine.vendors and device.vendor not in engine.vendors:
        return "engine has no back end for the vendor"
    formats = engine.formats_on(device.vendor)
    if formats and format_.name not in formats:
        return "engine does not load the format"
    return "device cannot compute in the format"


def _no_experts(shape: Shape, format_: Format) -> str | None:
    if shape.experts or format_.bits_experts >= format_.bits_linear:
        return None
    return f"{format_.name} quantizes experts only, and the model has none"


def _misplaced(shape: Shape, engine: EngineAxis, layout: Layout) -> str | None:
    if engine.facts.parallelism == "layers":
        if layout.tensor > 1 or layout.data > 1 or layout.experts_spread:
            return f"{engine.name} gives each device whole layers"
        return None
    if layout.pipeline > 1 and layout.pipeline > shape.layers:
        return f"{shape.layers} layers for {layout.pipeline} stages"
    return split_reason(shape, engine.facts, layout.tensor)


def _misfits(
    axes: Axes, at: int, able: NDArray[np.bool_], placed: Sequence[str | None]
) -> tuple[NDArray[np.bool_], list[RuledOut]]:
    """Of the supported pairs, the layouts they can have `[devices, formats, layouts]`."""
    pairs = np.argwhere(able)
    most = np.array([device.most_per_host for device in axes.devices])
    counts = np.array([layout.count for layout in axes.layouts])
    fine = np.array([reason is None for reason in placed])
    cube = able[:, :, None] & fine & (most[:, None, None] >= counts)
    settings = len(axes.engines[at].settings)
    blocks = []
    for o, because in enumerate(placed):
        kind, gone = "layers cannot be split so", pairs
        if because is None:
            kind, gone = "too many devices for one machine", pairs[most[pairs[:, 0]] < counts[o]]
        if len(gone):
            d, f = (int(index) for index in gone[0])
            text = because or f"a machine holds {most[d]} x {axes.devices[d].name}, not {counts[o]}"
            block = _block(axes, at, kind, text, (d, f, o))
            blocks.append(replace(block, count=len(gone) * settings))
    return cube, blocks


def _block(axes: Axes, at: int, kind: str, because: str, where: tuple[int, int, int]) -> RuledOut:
    """All layouts and settings of one device and format."""
    engine = axes.engines[at]
    return RuledOut(
        kind=kind,
        variant=_variant(axes, engine, where, engine.settings[0]),
        because=because,
        count=len(axes.layouts) * len(engine.settings),
    )


def _variant(
    axes: Axes, engine: EngineAxis, where: tuple[int, int, int], setting: Setting
) -> Variant:
    """`where` indexes device, format and layout."""
    device, format_, layout = where
    chosen = axes.layouts[layout]
    return Variant(
        accelerator=axes.devices[device].name,
        count=chosen.count,
        format=axes.formats[format_].name,
        engine=engine.name,
        knobs=tuple(sorted((*chosen.knobs, *setting.knobs))),
    )
