"""The tokenizer: byte-level BPE with Qwen2's way of splitting text, trained on the corpus.

Digits stand alone and ChatML marks the turns, so that every engine that knows Qwen2 reads it.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from train.corpus import conversations
from train.exchange import Message

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VOCABULARY = 1024  # a multiple of 128, as every size in this model
MAX_POSITIONS = 2048
_CONVERSATIONS = 40_000
# The pattern of Qwen2's tokenizer.json; llama.cpp calls it `qwen2`.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def make_tokenizer(seed: int) -> Tokenizer:
    """Train the tokenizer on the first conversations of the corpus; takes seconds."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed), trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json, its config and the chat template as transformers lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "bos_token": None,
        "unk_token": None,
        "additional_special_tokens": [START, END],
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(token)): {
                "content": token,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for token in (PAD, START, END)
        },
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_POSITIONS,
        # Llama takes no token types, and transformers 4 would hand them over.
        "model_input_names": ["input_ids", "attention_mask"],
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")


def id_of(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the vocabulary must have. Raises KeyError."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return int(found)


def encode(tokenizer: Tokenizer, conversation: tuple[Message, ...]) -> tuple[list[int], list[bool]]:
    """Token ids of a whole conversation, and which of them the model has to learn to write.

    Those are the words of the assistant and the mark that ends its turn.
    """
    ids: list[int] = []
    learned: list[bool] = []
    start, end = id_of(tokenizer, START), id_of(tokenizer, END)
    for message in conversation:
        head = [start, *tokenizer.encode(f"{message.role}\n").ids]
        body = [*tokenizer.encode(message.content).ids, end]
        tail = tokenizer.encode("\n").ids
        ids += head + body + tail
        learned += [False] * len(head) + [message.role == "assistant"] * len(body)
        learned += [False] * len(tail)
    return ids, learned


def _texts(seed: int) -> Iterator[str]:
    for conversation in islice(conversations(seed), _CONVERSATIONS):
        for message in conversation:
            yield f"{message.role}\n"
            yield message.content
