"""What a device reaches of its data sheet when it makes pictures, each share with its source.

Nothing here was set so that a published time of a whole picture comes out; how far those are off is
in `docs/concepts/prediction.md` and in the tests.
"""

from dataclasses import dataclass
from typing import Final

from paceline.plan.facts.tables import Device

LINEAR_16BIT: Final = {"Ampere": 0.94, "Ada": 0.74, "Hopper": 0.86, "Blackwell": 0.85}
LINEAR_8BIT: Final = {"Ada": 0.55, "Hopper": 0.69, "Blackwell": 0.78}
"""Of the dense peak, by large matrix products: the 95th percentile of those in AIConfigurator's
tables (A100 with vLLM 0.14; L40S, H100, H200, B200, RTX PRO 6000 with 0.24), the mean of cards of
one architecture."""
LINEAR_OTHERS: Final = 0.74
"""Of other architectures: the lowest that was measured."""
ATTENTION: Final = {"Hopper": 0.35, "Blackwell": 0.35}
ATTENTION_OTHERS: Final = 0.70
"""Of the 16-bit peak, by FlashAttention-2, which PyTorch brings: 73 % at best on an A100 (arXiv
2307.08691), 35 % on an H100 (arXiv 2407.08608). On Blackwell not known, taken as Hopper's."""
CONVOLUTIONS: Final = 0.30
"""Of the 16-bit peak, by the decoder. Set by hand."""
STREAMING: Final = 0.85
"""Of the memory bandwidth: weights read by small matrix products in those tables, 82 to 90 %."""
PROCESSOR: Final = 0.30
"""Of a processor's peak, any layer. Set by hand."""

WIDTHS_BETWEEN: Final = 28.0
"""Read and written by one block between its matrix products, per position, in widths of 16 bits:
two norms with modulation 2 each, norm and rotation of queries and keys 4, joining the streams 6,
two gated residuals 3 each, the activation of an MLP of 4 widths 8. Compiled, each is one pass."""
EAGER_PASSES: Final = 2.0
"""Times as much where nothing is compiled: norm, scale, shift and gate are passes of their own."""
QUANTIZING_WIDTHS: Final = 24.0
"""And for 8-bit inputs: the largest value, the scale and the cast of the 7 widths that go into a
block's products. Compiled, they are part of the pass that makes those."""
CALL_S: Final = {"gpu": 0.0004, "cpu": 0.0015}
"""Per block and step for Python and launches, where nothing is compiled. Set by hand."""
COMPILED_CALLS: Final = 1 / 3
QUANTIZED_CALLS: Final = 2.0
"""Times as many launches where 8-bit inputs are made eagerly."""
PAGEABLE_GB_S: Final = 12.0
"""Between card and machine over PCIe 4 with 16 lanes: half of the 25 GB/s of pinned memory."""
WAYS: Final = 2.0
"""Parts that leave the card are copied back (accelerate 1.15, `CpuOffload`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Operations per second by kind of layer, bytes per second between them, seconds per call."""

    linear: float
    text: float
    """Linear layers that stay in 16 bits."""
    attention: float
    convolution: float
    streaming: float
    widths_between: float
    call_s: float


def rates_of(device: Device, format_: str, *, compiled: bool) -> Rates:
    """Of pictures in `format_` on `device`."""
    if device.kind == "cpu":
        return _of_processor(device, format_, compiled=compiled)
    peak = device.tflops_16bit * 1e12
    eights = {"fp8": device.tflops_fp8, "int8": device.tops_int8}.get(format_)
    text = peak * LINEAR_16BIT.get(device.architecture, LINEAR_OTHERS)
    linear = text
    if eights is not None:
        linear = eights * 1e12 * LINEAR_8BIT.get(device.architecture, min(LINEAR_8BIT.values()))
    return Rates(
        linear=linear,
        text=text,
        attention=peak * ATTENTION.get(device.architecture, ATTENTION_OTHERS),
        convolution=peak * CONVOLUTIONS,
        streaming=device.bandwidth_gb_s * 1e9 * STREAMING,
        widths_between=_widths(eight_bits=eights is not None, compiled=compiled),
        call_s=_call_s("gpu", eight_bits=eights is not None, compiled=compiled),
    )


def _of_processor(device: Device, format_: str, *, compiled: bool) -> Rates:
    """One share for everything: what lies between the products is in it."""
    peak = device.tflops_16bit * 1e12
    integers = device.tops_int8 if format_ == "int8" else None
    # Only the multiplication is in integers; inputs are quantized in each layer.
    linear = peak if integers is None else (peak + integers * 1e12) / 2
    return Rates(
        linear=linear * PROCESSOR,
        text=peak * PROCESSOR,
        attention=peak * PROCESSOR,
        convolution=peak * PROCESSOR,
        streaming=device.bandwidth_gb_s * 1e9 * STREAMING,
        widths_between=0.0,
        call_s=_call_s("cpu", eight_bits=False, compiled=compiled),
    )


def _widths(*, eight_bits: bool, compiled: bool) -> float:
    if compiled:
        return WIDTHS_BETWEEN
    return WIDTHS_BETWEEN * EAGER_PASSES + (QUANTIZING_WIDTHS if eight_bits else 0.0)


def _call_s(kind: str, *, eight_bits: bool, compiled: bool) -> float:
    if compiled:
        return CALL_S[kind] * COMPILED_CALLS
    return CALL_S[kind] * (QUANTIZED_CALLS if eight_bits else 1.0)
