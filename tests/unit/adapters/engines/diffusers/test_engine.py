"""The command line of the image server, and what loads where."""

import json
from dataclasses import asdict, replace

import pytest

from paceline.adapters.engines.diffusers import Diffusers
from paceline.ports.engine import HasSupportTable, MakesImages, WarmsUp, WritesModels
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.image import ImageLoad
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

MODEL = replace(a_model(), name="acme/pictures", image_family="flux-schnell")
ENVIRONMENT = Environment(
    name="diffusers", python="/e/bin/python", bin_dir="/e/bin", lock=(), lock_sha256=""
)


def a_card(name: str, capability: float) -> Accelerator:
    return replace(
        a_cpu(), name=name, kind=AcceleratorKind.GPU, cores=None, compute_capability=capability
    )


def launch(place: Accelerator | None = None, **knobs: Scalar) -> LaunchSpec:
    return Diffusers().launch(
        a_variant("diffusers", knobs=tuple(sorted(knobs.items()))),
        Artefact(folder="/models/f", format="bf16", sha256="0", size_bytes=1000),
        model=MODEL,
        environment=ENVIRONMENT,
        accelerator=place or a_cpu(cores=2),
        port=20_001,
    )


def test_the_family_travels_as_its_row_and_the_server_needs_no_name() -> None:
    argv = launch().argv
    row = json.loads(argv[argv.index("--family") + 1])
    assert row == json.loads(json.dumps(asdict(IMAGE_FAMILIES["flux-schnell"])))
    assert argv[0] == "/e/bin/python"
    assert argv[2] == "image_server"
    assert argv[argv.index("--model-name") + 1] == "acme/pictures"


def test_a_launch_is_warm_for_the_size_that_is_asked_for() -> None:
    plain = launch()
    assert "--warmup-size" not in plain.argv  # the family's own
    engine = Diffusers()
    assert isinstance(engine, WarmsUp)
    warm = engine.warmed(plain, ImageLoad(width_px=768, height_px=512))
    assert warm.argv == (*plain.argv, "--warmup-size", "768x512")


@pytest.mark.parametrize(
    ("knobs", "flags"),
    [
        ({"compile": True}, "--compile"),
        ({"compile": False}, "--no-compile"),
        ({"batch": 4}, "--batch 4"),
        ({"offload": True}, "--offload"),
        ({"max_waiting": 9}, "--max-waiting 9"),
    ],
)
def test_knobs_become_flags(knobs: dict[str, Scalar], flags: str) -> None:
    assert f" {flags} " in f" {' '.join(launch(None, **knobs).argv)} "


def test_a_processor_gets_threads_and_a_card_itself() -> None:
    on_cpu, on_card = " ".join(launch().argv), " ".join(launch(a_card("H100", 9.0)).argv)
    assert "--device cpu" in on_cpu
    assert "--threads 2" in on_cpu
    assert "--device cuda" in on_card
    assert "--threads" not in on_card


def test_compiled_code_is_kept_beside_the_torch_that_made_it() -> None:
    argv = launch(compile=True).argv
    assert argv[argv.index("--compile-cache") + 1] == "/e/compiled"


def test_the_start_has_the_budget_of_image_models_and_nothing_is_fetched() -> None:
    spec = launch()
    assert spec.ready_timeout_s == 240.0
    assert spec.env["HF_HUB_OFFLINE"] == "1"
    assert spec.env["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.parametrize(
    ("place", "format_", "words"),
    [
        (a_cpu(), "bf16", None),
        (a_cpu(), "int8", None),
        (a_cpu(), "fp16", "emulated"),
        (a_cpu(), "fp8", "on cards only"),
        (a_card("A100", 8.0), "bf16", None),
        (a_card("A100", 8.0), "fp16", None),
        (a_card("A100", 8.0), "fp8", "needs compute capability 8.9, A100 has 8.0"),
        (a_card("A10G", 8.6), "fp8", "needs compute capability 8.9, A10G has 8.6"),
        (a_card("L4", 8.9), "fp8", None),
        (a_card("H100", 9.0), "fp8", None),
        (a_card("B200", 10.0), "fp8", None),
        (a_card("T4", 7.5), "bf16", "needs compute capability 8.0, T4 has 7.5"),
        (a_card("T4", 7.5), "fp16", None),
        (a_card("H100", 9.0), "int8", "fp8 is the 8-bit format"),
        (a_cpu(), "int4", "serves bf16, fp16, fp8, int8, not int4"),
    ],
)
def test_what_loads_where(place: Accelerator, format_: str, words: str | None) -> None:
    refusal = Diffusers().unsupported(MODEL, place, format_)
    if words is None:
        assert refusal is None
    else:
        assert words in (refusal or "")


def test_it_makes_pictures_of_every_family_and_shows_its_table() -> None:
    engine = Diffusers()
    assert isinstance(engine, MakesImages)
    assert isinstance(engine, HasSupportTable)
    assert isinstance(engine, WritesModels)
    assert {family.pipeline for family in IMAGE_FAMILIES.values()} <= set(engine.pipelines())
    assert all(row.source for row in engine.support())
    assert engine.formats()[0] == "bf16"


def test_offload_is_worth_a_try_only_beside_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = {}
    for version in (None, "580.1"):
        monkeypatch.setattr(
            "paceline.adapters.engines.diffusers.engine.driver_version", lambda _=version: _
        )
        knobs[version] = [knob.name for knob in Diffusers().knobs()]
    assert knobs == {None: ["compile", "batch"], "580.1": ["compile", "batch", "offload"]}
