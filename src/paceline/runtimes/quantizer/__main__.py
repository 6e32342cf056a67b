"""`python run.py quantizer JOB.json`: one checkpoint, made with llmcompressor.

Everything that chance or the machine could change is fixed: the seed, the order of the texts, the
number of threads, deterministic kernels only. Writes safetensors and config.json; the tokenizer is
the original's, which Paceline copies, because saving it again would tie it to this transformers.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer

from paceline.runtimes.quantizer.job import Job, read_job

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Read the job, quantize, save."""
    _die_with_parent()
    job = read_job(Path(sys.argv[1]))
    _fix_chance(job)
    _mend_llmcompressor()
    model = AutoModelForCausalLM.from_pretrained(
        job.model, dtype="auto", use_safetensors=True, local_files_only=True
    )
    oneshot(model=model, recipe=_recipe(job), **_calibration(job))
    model.save_pretrained(job.out, save_compressed=True, safe_serialization=True)


def _die_with_parent() -> None:
    """A killed Paceline must not leave a quantization running for an hour."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:  # the parent went away before the signal was set
        sys.exit(1)


def _fix_chance(job: Job) -> None:
    random.seed(job.seed)
    numpy.random.seed(job.seed)
    torch.manual_seed(job.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(job.threads)  # sums of floats depend on how they are split


def _mend_llmcompressor() -> None:
    """AWQ of llmcompressor 0.14 pins memory for an accelerator also where there is none."""
    if not torch.accelerator.is_available():
        IntermediatesCache.pin_memory = lambda *_args, **_kwargs: None


def _recipe(job: Job) -> list[Any]:
    scheme: dict[str, Any] = {
        "targets": ["Linear"],
        "scheme": job.scheme,
        "ignore": list(job.ignore),
    }
    match job.algorithm:
        case "gptq":
            return [GPTQModifier(**scheme)]
        case "awq":
            return [AWQModifier(), QuantizationModifier(**scheme)]
        case _:
            return [QuantizationModifier(**scheme)]


def _calibration(job: Job) -> dict[str, Any]:
    """The texts as token batches of one, in their order; nothing for a scheme without any."""
    if not job.texts:
        return {}
    tokenizer = AutoTokenizer.from_pretrained(job.model, local_files_only=True)
    batches = [
        tokenizer(text, return_tensors="pt", truncation=True, max_length=job.max_tokens)
        for text in job.texts
    ]
    inputs = [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in batches]
    return {
        "dataset": DataLoader(inputs, batch_size=None, shuffle=False),
        "num_calibration_samples": len(inputs),
        "shuffle_calibration_samples": False,
        "max_seq_length": job.max_tokens,
    }


if __name__ == "__main__":
    main()
