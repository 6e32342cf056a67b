"""Traces and prompt files, and errors that name the line."""

import pytest

from paceline.errors import SpecError
from paceline.records.load_plan import Message, TraceRow
from paceline.trial.trace import read_prompts, read_trace


def test_a_trace_is_read_and_starts_at_zero() -> None:
    lines = ["t_s,input_tokens,output_tokens", "# a comment", "", "3.5,10,20", "2.5, 30, 40"]
    assert read_trace(lines, name="a.csv") == (
        TraceRow(t_s=0.0, input_tokens=30, output_tokens=40),
        TraceRow(t_s=1.0, input_tokens=10, output_tokens=20),
    )


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("1.0,5", "2 columns"),
        ("soon,5,5", "'soon,5,5' is not a number"),
        ("1.0,5.5,5", "two whole numbers"),
        ("-1,5,5", "not 0 or later"),
        ("nan,5,5", "not 0 or later"),
        ("1.0,0,5", "at least 1"),
    ],
)
def test_a_bad_trace_line_is_named_by_number(bad: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_trace(["0.0,1,1", "", bad], name="a.csv")
    assert "line 3 of 'a.csv'" in str(caught.value)
    assert said in str(caught.value)


def test_an_empty_trace_is_refused() -> None:
    with pytest.raises(SpecError, match="no rows"):
        read_trace(["# nothing"], name="a.csv")


def test_prompts_are_read() -> None:
    lines = [
        '{"prompt": "hi", "output_tokens": 5}',
        "",
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}',
    ]
    first, second = read_prompts(lines, name="p.jsonl")
    assert (first.messages, first.output_tokens) == ((Message(role="user", content="hi"),), 5)
    assert [message.role for message in second.messages] == ["system", "user"]


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "{}",
        '{"prompt": ""}',
        '{"prompt": "x", "output_tokens": 0}',
        '{"messages": []}',
        '{"messages": [{"role": "nobody", "content": "x"}]}',
        '{"messages": [{"role": "user"}]}',
    ],
)
def test_a_bad_prompt_line_is_named_by_number(bad: str) -> None:
    with pytest.raises(SpecError, match=r"line 2 of 'p\.jsonl'"):
        read_prompts(['{"prompt": "fine"}', bad], name="p.jsonl")
