"""Traces and prompt files of the user's own: text lines in, records out, errors by line number."""

import json
import math
from collections.abc import Iterable
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.load_plan import Message, Prompt, TraceRow

COLUMNS: Final = ("t_s", "input_tokens", "output_tokens")
ROLES: Final = ("system", "developer", "user", "assistant")


def read_trace(lines: Iterable[str], *, name: str) -> tuple[TraceRow, ...]:
    """Rows of `t_s,input_tokens,output_tokens`, sorted by time; the first becomes time zero.

    A header with these names, blank lines and lines that start with `#` are skipped. `name` is
    the file's, for the SpecError that any other line raises.
    """
    rows: list[TraceRow] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        cells = [cell.strip() for cell in text.split(",")]
        if not rows and tuple(cell.lower() for cell in cells) == COLUMNS:
            continue
        rows.append(_trace_row(cells, name, number))
    if not rows:
        raise _bad(name, None, "it has no rows", "a trace")
    rows.sort(key=lambda row: row.t_s)
    start_s = rows[0].t_s
    return tuple(
        TraceRow(
            t_s=row.t_s - start_s, input_tokens=row.input_tokens, output_tokens=row.output_tokens
        )
        for row in rows
    )


def read_prompts(lines: Iterable[str], *, name: str) -> tuple[Prompt, ...]:
    """Prompts of a JSONL file, one object per line; anything else is a SpecError.

    `{"prompt": TEXT}` or `{"messages": [{"role", "content"}, …]}`, each with an optional
    `output_tokens`; other keys are ignored.
    """
    prompts = [
        _prompt(line, name, number) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not prompts:
        raise _bad(name, None, "it has no lines", "a prompt file")
    return tuple(prompts)


def _trace_row(cells: list[str], name: str, number: int) -> TraceRow:
    if len(cells) != len(COLUMNS):
        why = f"{len(cells)} columns, {len(COLUMNS)} are needed: {','.join(COLUMNS)}"
        raise _bad(name, number, why, "a trace")
    try:
        t_s, input_tokens, output_tokens = float(cells[0]), int(cells[1]), int(cells[2])
    except ValueError as error:
        why = f"{','.join(cells)!r} is not a number of seconds and two whole numbers"
        raise _bad(name, number, why, "a trace") from error
    if not (math.isfinite(t_s) and t_s >= 0):
        raise _bad(name, number, f"time {cells[0]} s is not 0 or later", "a trace")
    if input_tokens < 1 or output_tokens < 1:
        why = f"{input_tokens} input and {output_tokens} output tokens; each is at least 1"
        raise _bad(name, number, why, "a trace")
    return TraceRow(t_s=t_s, input_tokens=input_tokens, output_tokens=output_tokens)


def _prompt(line: str, name: str, number: int) -> Prompt:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise _bad(name, number, f"it is not JSON: {error}", "a prompt file") from error
    if not isinstance(row, dict):
        raise _bad(name, number, "it is no JSON object", "a prompt file")
    tokens = row.get("output_tokens")
    if tokens is not None and not (isinstance(tokens, int) and tokens > 0):
        raise _bad(name, number, f"output_tokens is {tokens!r}, not above 0", "a prompt file")
    if isinstance(row.get("prompt"), str) and row["prompt"]:
        messages: tuple[Message, ...] = (Message(role="user", content=row["prompt"]),)
    else:
        messages = _messages(row.get("messages"), name, number)
    return Prompt(messages=messages, output_tokens=tokens)


def _messages(found: object, name: str, number: int) -> tuple[Message, ...]:
    if not isinstance(found, list) or not found:
        raise _bad(name, number, 'neither "prompt" nor "messages" is there', "a prompt file")
    messages = []
    for message in found:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if role not in ROLES or not isinstance(content, str):
            why = f"a message needs a role ({', '.join(ROLES)}) and text, not {message!r:.60}"
            raise _bad(name, number, why, "a prompt file")
        messages.append(Message(role=role, content=content))
    return tuple(messages)


def _bad(name: str, number: int | None, why: str, what: str) -> SpecError:
    where = repr(name) if number is None else f"line {number} of {name!r}"
    forms = {
        "a trace": "write one request per line: t_s,input_tokens,output_tokens, e.g. 0.25,512,64",
        "a prompt file": 'write one object per line, e.g. {"prompt": "…", "output_tokens": 64}',
    }
    return SpecError(Code.BAD_INPUT_FILE, f"{where} is no line of {what}", why=why, fix=forms[what])
