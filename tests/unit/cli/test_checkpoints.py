"""What people read of found and made checkpoints."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from paceline.app.artefacts import Kept
from paceline.app.models import Made, ToMake
from paceline.cli import checkpoints
from paceline.cli.models import app
from paceline.records.checkpoint import Candidate, Gate, Misfit, Relatives, RemoteFile
from paceline.records.launch import Artefact
from paceline.testing.builders import a_model

RELATIVES = Relatives(
    repo="acme/chat",
    revision="0123456789",
    licence="mit",
    gate=Gate.OPEN,
    parameters=10,
    candidates=(
        Candidate(
            repo="labs/chat-gguf",
            revision="abcdef0123",
            format="gguf-q4_0",
            method="gguf",
            files=(RemoteFile(path="chat-Q4_0.gguf", size_bytes=2_000_000),),
            licence="mit",
            gate=Gate.OPEN,
            downloads=5,
            reasons=("tagged as made from acme/chat", "5 downloads"),
            note="importance matrix",
        ),
    ),
    misfits=(Misfit(repo="x/y", revision="1", reason="another base", have="a", need="b"),),
    not_examined=3,
)
MADE = (
    Made(
        format="w8a8",
        artefact=Artefact(folder="/c/w8a8-1", format="w8a8", sha256="5", size_bytes=5_000_000),
        why_not=None,
    ),
    Made(format="gptq-4", artefact=None, why_not="128 does not divide 100"),
)

Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The commands over answers of ours."""
    kept = Kept(
        tool="t", name="w8a8-1", folder="/c", size_bytes=1_500_000, used_at_s=0.0, stays="in use"
    )
    monkeypatch.setattr(checkpoints, "find_relatives", lambda *_, **__: RELATIVES)
    monkeypatch.setattr(checkpoints, "quantize", lambda *_, **__: (a_model(), MADE))
    monkeypatch.setattr(checkpoints, "cached", lambda _: (kept,))
    monkeypatch.setattr(checkpoints, "empty_cache", lambda *_, **__: (kept,))
    monkeypatch.setattr(checkpoints, "Workshop", lambda: None)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_what_was_found_and_what_was_refused_are_both_told(run: Run) -> None:
    lines = run("find", "acme/chat").stdout.splitlines()
    assert lines[0] == "acme/chat@0123456, licence mit"
    assert "gguf-q4_0" in lines[1] and "2.0 MB" in lines[1]
    assert lines[1].endswith("labs/chat-gguf@abcdef0 chat-Q4_0.gguf")
    assert lines[2].strip().startswith("gguf (importance matrix); tagged as made from acme/chat")
    assert lines[3:5] == ["refused:", "  x/y: another base: a; needed b"]
    assert "3 or more not looked at" in lines[5]


def test_json_has_ranks_sizes_and_whole_commits(run: Run) -> None:
    document = json.loads(run("find", "acme/chat", "--json").stdout)
    (one,) = document["candidates"]
    assert (one["rank"], one["size_bytes"], one["revision"]) == (1, 2_000_000, "abcdef0123")


def test_what_was_not_made_ends_in_an_error_code_after_the_rest(run: Run) -> None:
    done = run("quantize", "m", "--format", "w8a8", "--format", "gptq-4")
    assert done.exit_code == 2
    assert "5.0 MB" in done.stdout and "/c/w8a8-1" in done.stdout
    assert "not made: 128 does not divide 100" in done.stdout
    document = json.loads(run("quantize", "m", "--format", "w8a8", "--json").stdout)
    assert [one["why_not"] for one in document["checkpoints"]] == [None, "128 does not divide 100"]


def test_dry_run_says_by_whom_and_why_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = (
        ToMake(format="w8a8", maker="llmcompressor", why_not=None),
        ToMake(format="gptq-4", maker="llmcompressor", why_not="128 does not divide 100"),
    )
    monkeypatch.setattr(checkpoints, "plan_quantize", lambda *_: plan)
    done = run("quantize", "m", "--format", "w8a8", "--dry-run")
    assert done.exit_code == 0
    assert [line.split(maxsplit=1) for line in done.stdout.splitlines()] == [
        ["w8a8", "by llmcompressor"],
        ["gptq-4", "refused: 128 does not divide 100"],
    ]
    document = json.loads(run("quantize", "m", "--format", "w8a8", "--dry-run", "--json").stdout)
    assert document["checkpoints"][0]["maker"] == "llmcompressor"


def test_the_cache_says_what_stays_and_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_CACHE_LIMIT", "2MB")
    listed = run("cache", "list").stdout
    assert "t/w8a8-1  stays: in use" in listed
    assert "1 checkpoints, 1.5 MB of 2.0 MB" in listed
    assert json.loads(run("cache", "list", "--json").stdout)["limit_bytes"] == 2_000_000
    assert run("cache", "prune", "--limit", "0B").stdout == "removed 1 checkpoints, 1.5 MB\n"
