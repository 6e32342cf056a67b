import pytest

from paceline.app.registry import engine_names, load_engine
from paceline.plan.facts import tables
from paceline.plan.local.machine import deployment, device_of, is_known_engine, shape_of_counts
from paceline.ports.engine import MakesImages
from paceline.records.variant import Scalar, Variant
from paceline.testing.builders import a_cpu, a_model, a_workload


@pytest.mark.parametrize("name", [name for name in engine_names() if name != "fake"])
def test_what_engines_offer_is_in_the_tables(name: str) -> None:
    engine = load_engine(name)
    if isinstance(engine, MakesImages):  # `plan.images` has its own tables
        return
    assert is_known_engine(name)
    for format_ in engine.formats():
        assert tables.weight_format(format_).bits_linear > 0


@pytest.mark.parametrize(
    ("engine", "knob", "value", "expected"),
    [
        ("vllm", "kv_cache_dtype", "fp8", (8.0, None)),
        ("vllm", "kv_cache_dtype", "auto", (16.0, None)),
        ("vllm", "max_num_seqs", 16, (16.0, 16.0)),
        ("llamacpp", "slots", 4, (16.0, 4.0)),
        ("llamacpp", "kv_type", "q8_0", (8.5, None)),
        ("openvino", "prefix_caching", True, (16.0, None)),
        ("transformers", "continuous_batching", True, (16.0, 64.0)),
        ("transformers", "other", 1, (16.0, 1.0)),
    ],
)
def test_knobs_set_what_the_tables_say(
    engine: str, knob: str, value: Scalar, expected: tuple[float, float | None]
) -> None:
    variant = Variant(
        accelerator="cpu", count=1, format="bf16", engine=engine, knobs=((knob, value),)
    )
    device = device_of(a_cpu())
    assert device is not None
    laid = deployment(variant, shape_of_counts(a_model()), device, a_workload())
    assert laid is not None
    assert (laid.kv_bits, laid.max_sequences) == expected


def test_counts_stand_in_for_a_shape() -> None:
    model = a_model(5_000_000)
    shape = shape_of_counts(model)
    assert shape.kv_elements_per_token() == model.layers * 2 * model.kv_heads * model.head_size
    assert shape.active_parameters == 5_000_000
