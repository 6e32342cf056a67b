"""Which devices, formats and engines a request is about, by the names people type."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.facts import tables
from paceline.plan.facts.tables import Device, EngineFacts, Format, KnobEffect
from paceline.plan.shapes import Shape
from paceline.plan.survey.space import Axes, EngineAxis, Setting, layouts

ALL: Final = "all"
ENGINES: Final = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "transformers", "openvino")
"""Engines that Paceline launches; others known to the tables are looked at when named."""


def axes_of(
    shape: Shape, *, hardware: Sequence[str], formats: Sequence[str], engines: Sequence[str]
) -> Axes:
    """What to cross; an empty choice means all. Raises SpecError for a name nobody knows."""
    return Axes(
        shape=shape,
        devices=devices_called(hardware),
        formats=_formats(formats),
        engines=tuple(_engine(name) for name in engines or ENGINES),
        layouts=layouts(experts=shape.experts > 0),
    )


def devices_called(names: Sequence[str]) -> tuple[Device, ...]:
    """Accelerators by name, by part of a name (`l40s`, `h100-sxm`) or by class.

    A class is a kind (`gpu`, `tpu`, `npu`, `cpu`), a vendor or an architecture. Raises SpecError.
    """
    known = tuple(tables.devices().values())
    if not names or ALL in names:
        return known
    chosen: dict[str, Device] = {}
    for name in names:
        found = [device for device in known if _is_called(device, name)]
        if not found:
            raise _nobody(name, known)
        chosen |= {device.name: device for device in found}
    return tuple(chosen.values())


def is_known_hardware(name: str) -> bool:
    """Whether the tables have an accelerator or a class of that name."""
    return name == ALL or any(_is_called(device, name) for device in tables.devices().values())


def _is_called(device: Device, name: str) -> bool:
    wanted = name.lower().replace("_", "-").strip()
    if wanted in (device.kind, device.vendor.lower(), device.architecture.lower()):
        return True
    parts = device.name.lower().split("-")
    return all(part in parts for part in wanted.split("-"))


def _nobody(name: str, known: Sequence[Device]) -> SpecError:
    near = get_close_matches(
        name.lower(), [device.name.lower() for device in known], n=3, cutoff=0.3
    )
    names = {device.name.lower(): device.name for device in known}
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no accelerator is called {name!r}",
        why=f"{name!r} is part of none of the {len(known)} names in the table, and no class"
        " (gpu, tpu, npu, cpu, a vendor, an architecture)",
        fix=f"--hardware {names[near[0]]}" if near else "--hardware all",
    )


def _formats(names: Sequence[str]) -> tuple[Format, ...]:
    chosen = [tables.weight_format(name) for name in names] or list(tables.formats().values())
    return tuple(dict.fromkeys(chosen))


def _engine(name: str) -> EngineAxis:
    facts = tables.engine(name)
    effects = tables.knob_effects(facts.name)
    usual = [effect for effect in effects if effect.is_default]
    changes = [_setting(effect) for effect in effects if _matters(effect, facts)]
    default = _setting(usual[0]) if usual else Setting(knobs=())
    return EngineAxis(
        name=name,
        facts=facts,
        settings=(replace(default, knobs=()), *changes),
        release_year=tables.newest_release(facts.name),
    )


def _matters(change: KnobEffect, facts: EngineFacts) -> bool:
    """Lower limits on sequences are left out: the search for the highest load covers them."""
    if change.is_default:
        return False
    lowers = change.effect == "max_sequences" and change.amount < facts.max_sequences
    return not lowers


def _setting(change: KnobEffect) -> Setting:
    """One knob turned."""
    return Setting(
        knobs=((change.knob, change.value),),
        kv_bits=change.amount if change.effect == "kv_bits" else 16.0,
        memory_share=change.amount if change.effect == "memory_share" else None,
        max_sequences=change.amount if change.effect == "max_sequences" else None,
        needs=change.needs,
    )
