import shutil
from pathlib import Path

import pytest

from paceline.adapters.quality.lm_eval.harness import VERSION, LmEval, command
from paceline.errors import PacelineError, SetupError, SpecError
from paceline.records.launch import Environment
from paceline.records.load import Route, Target
from paceline.records.quality import QualityResult
from paceline.trial.scoring import SuiteGrader

GOLDEN = Path(__file__).parents[5] / "tests/golden/lm_eval/samples_doubles_0.4.13.jsonl"
TARGET = Target(base_url="http://engine/", model="m", api_key="secret")


def program(folder: Path, script: str) -> Environment:
    """An environment whose `lm_eval` is a shell script."""
    path = folder / "lm_eval"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Environment(
        name="lm-eval", python="python", bin_dir=str(folder), lock=(), lock_sha256=""
    )


def run(environment: Environment, data: Path | None = None) -> QualityResult:
    return LmEval().evaluate(
        TARGET,
        ("doubles",),
        environment=environment,
        grader=SuiteGrader(),
        seed=3,
        concurrency=2,
        limit=None,
        data=data,
        say=lambda _line: None,
    )


def test_reads_what_the_program_logged(tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "samples.jsonl")
    script = f"""
while [ "$1" != --output_path ]; do shift; done
cp {tmp_path}/samples.jsonl "$2/samples_doubles_2026.jsonl"
test "$OPENAI_API_KEY" = secret && test "$HF_HUB_OFFLINE" = 1
"""
    result = run(program(tmp_path, script), data=tmp_path)
    assert result.score == pytest.approx(2 / 3)
    assert result.by_category == {"doubles": result.score}
    assert result.ci95 is not None


@pytest.mark.parametrize(
    ("script", "kind", "why"),
    [
        ("echo 'ValueError: Tasks not found: doubles' >&2; exit 1", SpecError, "Tasks not found"),
        ("echo 'no route' >&2; exit 7", SetupError, "exit code 7: no route"),
        ("exit 0", SetupError, "no samples"),
    ],
)
def test_a_failure_says_why(
    tmp_path: Path, script: str, kind: type[PacelineError], why: str
) -> None:
    with pytest.raises(kind) as caught:
        run(program(tmp_path, script))
    assert why in caught.value.why


def arguments(target: Target, *, limit: int | None = None, data: Path | None = None) -> str:
    return " ".join(
        command(target, ("a", "b"), seed=3, concurrency=2, limit=limit, data=data, out=Path("/out"))
    )


def test_the_chat_route_applies_the_template_and_hides_the_key() -> None:
    found = arguments(TARGET)
    assert "--model local-chat-completions" in found
    assert "base_url=http://engine/v1/chat/completions" in found
    assert "--tasks a,b --seed 3" in found
    assert "--apply_chat_template" in found
    assert "secret" not in found


def test_the_completions_route_limits_and_data() -> None:
    target = Target(base_url="http://engine", model="m", route=Route.COMPLETIONS)
    found = arguments(target, limit=5, data=Path("/data"))
    assert "--model local-completions" in found
    assert "--apply_chat_template" not in found
    assert "--limit 5 --include_path /data" in found


def test_a_name_that_the_arguments_cannot_carry_is_refused() -> None:
    with pytest.raises(SpecError, match="comma"):
        arguments(Target(base_url="http://engine", model="a,b=c"))


def test_the_version_is_pinned() -> None:
    assert LmEval().environment().requirements == (f"lm_eval[api]=={VERSION}",)
