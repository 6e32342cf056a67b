"""The importance matrix: how large the inputs of each weight are while the model reads a text.

llama-quantize then rounds so that the weights with large inputs are kept best.
"""

from pathlib import Path
from typing import Final

from paceline.adapters.engines.llamacpp.kitchen import Kitchen, run_tool

CHUNK_TOKENS: Final = 128
"""Read at once; a text of two such chunks is the least that llama-imatrix takes. Its own 512 would
refuse short texts, and a few thousand tokens make few chunks of that length."""
THREADS: Final = 1
"""Sums of floats depend on how they are split: with one thread the same text gives the same bytes
everywhere. Reading is a small part of making the file."""
_TEXT: Final = "calibration.txt"
_MATRIX: Final = "imatrix.gguf"


def importance_matrix(kitchen: Kitchen, source: Path, scratch: Path) -> str:
    """Reads the calibration text with the unquantized model; the name of the matrix in `scratch`.

    Names are relative, because llama.cpp writes them into the quantized file. Raises CandidateError
    when the text is too short.
    """
    texts = kitchen.calibration.texts if kitchen.calibration else ()
    (scratch / _TEXT).write_text("\n\n".join(texts), encoding="utf-8")
    kitchen.say(f"reading {len(texts)} texts with {kitchen.model.name}")
    command = [
        *(kitchen.program("llama-imatrix"), "--model", str(source), "--file", _TEXT),
        *("--output", _MATRIX, "--ctx-size", str(CHUNK_TOKENS), "--no-ppl"),
        *("--threads", str(THREADS), "--threads-batch", str(THREADS)),
    ]
    run_tool(command, {"PATH": kitchen.environment.bin_dir}, kitchen, folder=scratch)
    return _MATRIX
