"""The harness's logged samples → items and scores.

Each task is a category, its items weigh the same, and every task weighs the same. The score of an
item is the first metric that is between 0 and 1, of the first filter.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from paceline.errors import Code, SetupError
from paceline.records.quality import Item, ItemScore, Message, Scorer, Suite

NAME: Final = "lm-eval"


def read_samples(folder: Path) -> tuple[Suite, tuple[ItemScore, ...]]:
    """Everything under `folder`. Raises SetupError when there is nothing that can be read."""
    items: dict[str, Item] = {}
    scores: dict[str, ItemScore] = {}
    for path in sorted(folder.rglob("samples_*.jsonl")):
        task = path.name.removeprefix("samples_").rpartition("_")[0]
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                _add(task, _parsed(path, line), items, scores)
    if not items:
        raise _unreadable(str(folder), "no samples were logged")
    tasks = {item.category for item in items.values()}
    suite = Suite(
        name=f"{NAME}: {', '.join(sorted(tasks))}",
        version="logged",
        sha256=_hash(items),
        items=tuple(items.values()),
        weights={task: 1 / len(tasks) for task in tasks},
    )
    return suite, tuple(scores.values())


def _add(
    task: str, sample: Mapping[str, Any], items: dict[str, Item], scores: dict[str, ItemScore]
) -> None:
    item_id = f"{task}/{sample['doc_id']}"
    if item_id in items:  # the same item under another filter
        return
    items[item_id] = Item(
        item_id=item_id,
        category=task,
        messages=(Message(role="user", content=json.dumps(sample["arguments"])),),
        scorer=Scorer.PYTHON,  # marked by the harness: its rules are not ours to repeat
        answer=str(sample["target"]),
        max_tokens=1,
    )
    scores[item_id] = ItemScore(
        item_id=item_id,
        category=task,
        score=_score(sample),
        answer=json.dumps(sample["filtered_resps"]),
    )


def _score(sample: Mapping[str, Any]) -> float:
    for metric in sample["metrics"]:
        value = sample[metric]
        if isinstance(value, bool | int | float) and 0.0 <= float(value) <= 1.0:
            return float(value)
    raise _unreadable(f"item {sample['doc_id']}", f"none of {sample['metrics']} is between 0 and 1")


def _parsed(path: Path, line: str) -> Mapping[str, Any]:
    needed = {"doc_id", "target", "arguments", "filtered_resps", "metrics"}
    try:
        sample: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise _unreadable(path.name, str(error)) from error
    if not needed <= sample.keys():
        raise _unreadable(path.name, f"a sample lacks {sorted(needed - sample.keys())}")
    return sample


def _hash(items: Mapping[str, Item]) -> str:
    """Over what was asked and what is right, so that only equal askings are compared."""
    asked = [[one.item_id, one.messages[0].content, one.answer] for one in items.values()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _unreadable(what: str, why: str) -> SetupError:
    return SetupError(
        Code.ENGINE_FAILED,
        f"the log of lm-eval cannot be used: {what}",
        why=why,
        fix="choose a task with a metric per item",
    )
