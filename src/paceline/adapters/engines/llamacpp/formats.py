"""The GGUF formats on offer, and what llama-quantize calls them.

All names begin with `gguf-`: an 8-bit GGUF and another engine's 8-bit weights are different weights
with different answers, so they are different formats.
"""

from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.support import Support

BASE: Final = "gguf-bf16"
"""Made by the converter; the others are made from it."""

QUANTIZED: Final = {
    "gguf-q8_0": "Q8_0",
    "gguf-q6_k": "Q6_K",
    "gguf-q5_k_m": "Q5_K_M",
    "gguf-q4_k_m": "Q4_K_M",
    "gguf-q4_0": "Q4_0",
    "gguf-q4_k_m-imatrix": "Q4_K_M",
    "gguf-iq4_xs": "IQ4_XS",
}
CALIBRATED: Final = ("gguf-q4_k_m-imatrix", "gguf-iq4_xs")
"""Made with an importance matrix, which takes a text that the model reads."""
FORMATS: Final = (BASE, *QUANTIZED)

SUPPORT: Final = tuple(
    row
    for format_ in FORMATS
    for row in (
        Support(
            format=format_,
            kind=AcceleratorKind.CPU,
            source="llama.cpp 0c1e570, ggml/src/ggml-cpu/ggml-cpu.c: type_traits_cpu",
        ),
        Support(
            format=format_,
            kind=AcceleratorKind.GPU,
            why_not="the programs are built for processors only",
            source="CMake options of this adapter",
        ),
    )
)
