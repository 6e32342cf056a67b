"""`python run.py gguf_convert SOURCE_DIR ARGUMENT…`: the arguments are the converter's own.

Prints `pre-tokenizer: NAME (found by its rules)` when the converter did not know the tokenizer.
Runs in an environment with torch, transformers and sentencepiece; of llama.cpp it needs the source
only, since the `gguf` on the package index may lag behind the converter.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from paceline.runtimes.gguf_convert.pre_tokenizers import name_of


def main() -> None:
    """Let the converter run, with one question answered differently."""
    source = Path(sys.argv.pop(1))
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    converter = import_module("convert_hf_to_gguf")
    base = import_module("conversion.base").TextModel
    base.get_vocab_base_pre = recognizing(base.get_vocab_base_pre)
    converter.main()


def recognizing(ask: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """The converter's own answer; where it has none, the name found in `tokenizer.json`."""

    def get_vocab_base_pre(model: Any, tokenizer: Any) -> str:
        try:
            return ask(model, tokenizer)
        except NotImplementedError:
            text = (Path(model.dir_model) / "tokenizer.json").read_text(encoding="utf-8")
            name = name_of(json.loads(text))
            if name is None:
                raise
            sys.stdout.write(f"pre-tokenizer: {name} (found by its rules)\n")
            sys.stdout.flush()
            return name

    return get_vocab_base_pre


if __name__ == "__main__":
    main()
