"""The rule that applies support tables."""

from dataclasses import replace

from paceline.records.hardware import AcceleratorKind
from paceline.records.support import Support, why_unsupported
from paceline.testing.builders import a_cpu

ROWS = (
    Support(format="bf16", kind=AcceleratorKind.CPU, source="the manual"),
    Support(format="bf16", kind=AcceleratorKind.GPU, from_capability=8.0, source="the manual"),
    Support(
        format="fp8", kind=AcceleratorKind.CPU, features=("amx_fp8", "vfp8"), source="kernels.py"
    ),
    Support(format="awq", kind=AcceleratorKind.CPU, why_not="no kernel", source="kernels.py"),
    Support(format="nvfp4", kind=AcceleratorKind.GPU, from_capability=7.5, source="kernels.py"),
)
GPU = replace(a_cpu(), name="A30", kind=AcceleratorKind.GPU, compute_capability=8.0)


def test_a_row_without_conditions_supports() -> None:
    assert why_unsupported(ROWS, engine="x", accelerator=a_cpu(), format_="bf16") is None


def test_a_capability_is_a_threshold_and_both_sides_are_shown() -> None:
    assert why_unsupported(ROWS, engine="x", accelerator=GPU, format_="bf16") is None
    old = replace(GPU, name="T4", compute_capability=7.5)
    reason = why_unsupported(ROWS, engine="x", accelerator=old, format_="bf16")
    assert reason == "x, bf16: needs compute capability 8.0, T4 has 7.5 (the manual)"


def test_an_unknown_capability_is_left_to_the_engine() -> None:
    unknown = replace(GPU, compute_capability=None)
    assert why_unsupported(ROWS, engine="x", accelerator=unknown, format_="bf16") is None


def test_one_of_the_features_is_enough() -> None:
    reason = why_unsupported(ROWS, engine="x", accelerator=a_cpu(), format_="fp8")
    assert reason == "x, fp8: needs amx_fp8 or vfp8, cpu has none (kernels.py)"
    able = replace(a_cpu(), features=("avx2", "vfp8"))
    assert why_unsupported(ROWS, engine="x", accelerator=able, format_="fp8") is None


def test_what_has_no_kernel_says_so_with_its_source() -> None:
    reason = why_unsupported(ROWS, engine="x", accelerator=a_cpu(), format_="awq")
    assert reason == "x, awq: no kernel (kernels.py)"


def test_other_kinds_and_other_formats_are_named() -> None:
    reason = why_unsupported(ROWS, engine="x", accelerator=a_cpu(), format_="nvfp4")
    assert reason == "x loads nvfp4 on gpu only, not on a cpu"
    reason = why_unsupported(ROWS, engine="x", accelerator=GPU, format_="q4_0")
    assert reason == "x serves bf16, fp8, awq, nvfp4, not q4_0"
