"""Score the suite greedily on a model folder, whole or with weights rounded to fewer bits.

Run as `python -m train.score FOLDER SUITE [--bits 8|4]`. The rounding simulates the plainest
post-training quantization (symmetric, to nearest, groups of 128 inputs, no calibration) to show
how much damage the suite can see. It needs torch and transformers.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from train.scoring import is_right

GROUP = 128
_BATCH = 64


def load_items(suite: Path) -> list[dict[str, Any]]:
    """The items of a suite file, without its header."""
    return [json.loads(line) for line in suite.read_text().splitlines()[1:]]


@torch.no_grad()
def round_weights(model: PreTrainedModel, bits: int) -> None:
    """Replace each linear weight by its nearest representable value, in place."""
    top = 2 ** (bits - 1) - 1
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            weight = module.weight.float()
            groups = weight.reshape(weight.shape[0], -1, GROUP)
            scale = groups.abs().amax(-1, keepdim=True).clamp_min(1e-8) / top
            rounded = (groups / scale).round().clamp(-top - 1, top) * scale
            module.weight.copy_(rounded.reshape(weight.shape))


@torch.no_grad()
def reply_to(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: list[dict[str, Any]]
) -> list[str]:
    """One greedy reply per item, in batches of like length."""
    replies: dict[str, str] = {}
    generate: Any = model.generate  # untyped upstream
    prompts = {
        item["id"]: tokenizer.apply_chat_template(
            item["messages"], tokenize=False, add_generation_prompt=True
        )
        for item in items
    }
    by_length = sorted(items, key=lambda item: len(prompts[item["id"]]))
    for at in range(0, len(by_length), _BATCH):
        batch = by_length[at : at + _BATCH]
        inputs = tokenizer(
            [prompts[item["id"]] for item in batch],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            return_token_type_ids=False,
        )
        most = max(item["max_tokens"] for item in batch)
        output = generate(**inputs, max_new_tokens=most, do_sample=False)
        for item, row in zip(batch, output[:, inputs["input_ids"].shape[1] :], strict=True):
            text = tokenizer.decode(row[: item["max_tokens"]], skip_special_tokens=True)
            replies[item["id"]] = str(text)
    return [replies[item["id"]] for item in items]


def shares_right(items: list[dict[str, Any]], replies: list[str]) -> dict[str, float]:
    """Share of right replies by category, and over all items as `overall`."""
    right: dict[str, list[bool]] = defaultdict(list)
    for item, reply in zip(items, replies, strict=True):
        verdict = is_right(reply, item["answer"], item["scorer"])
        right[item["category"]].append(verdict)
        right["overall"].append(verdict)
    return {name: round(sum(found) / len(found), 4) for name, found in sorted(right.items())}


def main() -> None:
    """Print the shares as JSON, and with --wrong every wrong reply."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--bits", type=int, choices=(4, 8))
    parser.add_argument("--wrong", action="store_true")
    arguments = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(arguments.folder, dtype=torch.bfloat16).eval()
    if arguments.bits:
        round_weights(model, arguments.bits)
    items = load_items(arguments.suite)
    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    replies = reply_to(model, tokenizer, items)
    print(json.dumps(shares_right(items, replies)))
    for item, reply in zip(items, replies, strict=True):
        if arguments.wrong and not is_right(reply, item["answer"], item["scorer"]):
            print(item["id"], repr(item["messages"][-1]["content"]), repr(reply), item["answer"])


if __name__ == "__main__":
    main()
