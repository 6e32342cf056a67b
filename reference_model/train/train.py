"""Train the reference model on the CPU: `python -m train.train OUT`, resumable, seeded.

Constant learning rate, then a linear fall to zero: the long first part does not depend on the
number of steps, so a run can be stopped early and still be repeated. The same seed gives the
same text, batches and starting weights; the sums of floating point may differ between machines.

Two processes of one thread each share a step: they meet once per step, where threads meet in
every layer, and so lose little on a machine that has other work.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from train.corpus import conversations
from train.score import load_items, reply_to, shares_right
from train.suite import make_items, render
from train.tokenizer import (
    END,
    MAX_POSITIONS,
    PAD,
    VOCABULARY,
    encode,
    id_of,
    make_tokenizer,
    save_tokenizer,
)

SEED = 1
CONTEXT = 256
WORKERS = 2
ROWS = 6  # per worker and step
WARMUP = 150
PEAK_RATE = 1.5e-3
WEIGHT_DECAY = 0.05
# What the user said counts a little: it teaches the words, and copying starts there.
PROMPT_WEIGHT = 0.1
_WAITING = 64

Batch = dict[str, torch.Tensor]
# Token ids of a conversation, and which of them the model has to learn to write.
Encoded = tuple[list[int], list[bool]]


def config(tokenizer: Tokenizer) -> LlamaConfig:
    """A plain Llama: every size is a multiple of 128, so group-wise formats apply."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        initializer_range=0.04,
        bos_token_id=None,
        eos_token_id=id_of(tokenizer, END),
        pad_token_id=id_of(tokenizer, PAD),
    )


def rows(tokenizer: Tokenizer, seed: int) -> Iterator[list[Encoded]]:
    """Conversations packed into rows of at most CONTEXT tokens, the longest that fits first."""
    waiting: list[Encoded] = []
    source = conversations(seed)
    while True:
        row: list[Encoded] = []
        room = CONTEXT
        while True:
            while len(waiting) < _WAITING:
                encoded = encode(tokenizer, next(source))
                if len(encoded[0]) <= CONTEXT:
                    waiting.append(encoded)
            fitting = [pair for pair in waiting if len(pair[0]) <= room]
            if not fitting:
                break
            # The oldest starts a row, so that none waits for ever.
            chosen = max(fitting, key=lambda pair: len(pair[0])) if row else fitting[0]
            waiting.remove(chosen)
            row.append(chosen)
            room -= len(chosen[0])
        yield row


def batch_of(packed: list[list[Encoded]], pad: int) -> Batch:
    """Tensors of one step; conversations in one row cannot see each other."""
    shape = (len(packed), CONTEXT)
    ids = torch.full(shape, pad)
    positions = torch.zeros(shape, dtype=torch.long)
    owner = torch.full(shape, -1)
    weights = torch.zeros(shape)
    for index, row in enumerate(packed):
        at = 0
        for number, (tokens, learned) in enumerate(row):
            span = slice(at, at + len(tokens))
            ids[index, span] = torch.tensor(tokens)
            positions[index, span] = torch.arange(len(tokens))
            owner[index, span] = number
            weights[index, span] = torch.tensor([1.0 if it else PROMPT_WEIGHT for it in learned])
            weights[index, at] = 0.0  # nothing comes before the first token of a conversation
            at += len(tokens)
    causal = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril()
    mask = (owner[:, :, None] == owner[:, None, :]) & causal
    return {"ids": ids, "positions": positions, "mask": mask[:, None], "weights": weights}


def loss_of(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of the next token, weighted."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(
            input_ids=batch["ids"],
            attention_mask=batch["mask"],
            position_ids=batch["positions"],
            use_cache=False,
        ).logits
    each = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), batch["ids"][:, 1:].flatten(), reduction="none"
    )
    weights = batch["weights"][:, 1:].flatten()
    return (each * weights).sum() / weights.sum()


def rate_at(step: int, steps: int, fall: int) -> float:
    """Learning rate of a step: rise, stay, fall to zero over the last `fall` steps."""
    return PEAK_RATE * min(1.0, (step + 1) / WARMUP, (steps - step) / fall)


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder as users get it: bf16 weights, configs, tokenizer."""
    copy = LlamaForCausalLM(model.config).bfloat16()
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    copy.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def score(folder: Path, suite: Path) -> dict[str, float]:
    """Shares of right replies of the saved folder."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    items = load_items(suite)
    return shares_right(items, reply_to(model, AutoTokenizer.from_pretrained(folder), items))


def train(rank: int, out: Path, steps: int, fall: int, every: int) -> None:
    """Be one of the workers: train for `steps`, going on from a checkpoint in `out` if any."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    distributed.init_process_group(
        "gloo", init_method=f"file://{out / 'meeting'}", rank=rank, world_size=WORKERS
    )
    tokenizer = make_tokenizer(SEED)
    model = LlamaForCausalLM(config(tokenizer))
    optimizer = _optimizer(model)
    source = rows(tokenizer, SEED)
    pad = id_of(tokenizer, PAD)
    done = _restore(out / "checkpoint.pt", model, optimizer)
    for _ in range(done * WORKERS * ROWS):
        next(source)
    shared = DistributedDataParallel(model)
    began = time.monotonic()
    for step in range(done, steps):
        packed = [next(source) for _ in range(WORKERS * ROWS)]
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, fall)
        loss = loss_of(shared, batch_of(packed[rank::WORKERS], pad))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if rank == 0 and (step + 1) % 50 == 0:
            tokens = (step + 1 - done) * WORKERS * ROWS * CONTEXT
            rate = tokens / (time.monotonic() - began)
            print(f"step {step + 1} loss {loss.item():.4f} {rate:,.0f} tokens/s", flush=True)
        if rank == 0 and ((step + 1) % every == 0 or step + 1 == steps):
            _checkpoint(out / "checkpoint.pt", model, optimizer, step + 1)
            save(model, tokenizer, out / "model")
            print(json.dumps(score(out / "model", out / "suite.jsonl")), flush=True)
    distributed.destroy_process_group()


def _optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)


def _checkpoint(
    path: Path, model: LlamaForCausalLM, optimizer: torch.optim.AdamW, step: int
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _restore(path: Path, model: LlamaForCausalLM, optimizer: torch.optim.AdamW) -> int:
    if not path.exists():
        return 0
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--fall", type=int, default=1500)
    parser.add_argument("--every", type=int, default=500)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "meeting").unlink(missing_ok=True)
    (arguments.out / "suite.jsonl").write_text(render(make_items()))
    settings = (arguments.out.resolve(), arguments.steps, arguments.fall, arguments.every)
    spawn(train, args=settings, nprocs=WORKERS)


if __name__ == "__main__":
    main()
