"""Runs `lm-eval` against an endpoint and reads back what it logged.

What is known of 0.4.13: an unknown task ends it with exit code 1 and `Tasks not found` on stderr;
samples are logged per task in `samples_TASK_TIME.jsonl`, one line per item and filter.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from paceline.adapters.quality.lm_eval.samples import read_samples
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Say
from paceline.ports.quality import Grader
from paceline.records.launch import Environment, EnvironmentSpec
from paceline.records.load import Route, Target
from paceline.records.quality import QualityResult
from paceline.scratch import scratch_folder

VERSION: Final = "0.4.13"
NO_KEY: Final = "none"  # the harness refuses to start without any
_TAIL_LINES: Final = 5
_KINDS: Final[Mapping[Route, str]] = {
    Route.CHAT: "local-chat-completions",
    Route.COMPLETIONS: "local-completions",
}


class LmEval:
    """A `Harness`."""

    def environment(self) -> EnvironmentSpec:
        """See `Harness.environment`."""
        return EnvironmentSpec(
            name="lm-eval", requirements=(f"lm_eval[api]=={VERSION}",), program="lm_eval"
        )

    def evaluate(
        self,
        target: Target,
        tasks: Sequence[str],
        *,
        environment: Environment,
        grader: Grader,
        seed: int,
        concurrency: int,
        limit: int | None,
        data: Path | None,
        say: Say,
    ) -> QualityResult:
        """See `Harness.evaluate`."""
        with scratch_folder("eval") as folder:
            out = folder.path
            argv = command(
                target, tasks, seed=seed, concurrency=concurrency, limit=limit, data=data, out=out
            )
            say(f"lm-eval {VERSION}: {', '.join(tasks)}")
            done = subprocess.run(  # noqa: S603 - the program of our own environment
                [str(Path(environment.bin_dir) / "lm_eval"), *argv],
                env=_environment(target, data),
                cwd=data or out,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode != 0:
                raise _failure(tasks, done)
            suite, scores = read_samples(out)
        return grader.summarize(suite, scores, stopped=None)


def command(
    target: Target,
    tasks: Sequence[str],
    *,
    seed: int,
    concurrency: int,
    limit: int | None,
    data: Path | None,
    out: Path,
) -> tuple[str, ...]:
    """The arguments of `lm_eval`; the key is not among them.

    Raises SpecError for text that its `key=value` arguments cannot carry.
    """
    url = target.base_url.rstrip("/") + target.route
    for text in (url, target.model):
        if "," in text:
            raise SpecError(
                Code.BAD_OPTION,
                f"{text!r} cannot be given to lm-eval",
                why="it holds a comma, which separates lm-eval's arguments",
                fix="serve the model under a name without commas",
            )
    model = {
        "model": target.model,
        "base_url": url,
        "num_concurrent": concurrency,
        "max_retries": 1,
        "tokenizer_backend": "None",
        "tokenized_requests": "False",
        "seed": seed,
    }
    return (
        "run",
        *("--model", _KINDS[target.route]),
        *("--model_args", ",".join(f"{name}={value}" for name, value in model.items())),
        *("--tasks", ",".join(tasks)),
        *("--seed", str(seed)),
        *("--output_path", str(out)),
        "--log_samples",
        *(("--apply_chat_template",) if target.route is Route.CHAT else ()),
        *(("--limit", str(limit)) if limit is not None else ()),
        *(("--include_path", str(data)) if data is not None else ()),
    )


def _environment(target: Target, data: Path | None) -> dict[str, str]:
    """This environment with the key, and without the network for data sets when there is data."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if data else {}
    return {**os.environ, **offline, "OPENAI_API_KEY": target.api_key or NO_KEY}


def _failure(
    tasks: Sequence[str], done: subprocess.CompletedProcess[str]
) -> SpecError | SetupError:
    said = done.stderr.strip().splitlines()
    tail = " | ".join(line.strip() for line in said[-_TAIL_LINES:]) or "nothing said"
    if "Tasks not found" in done.stderr:
        line = next(line for line in reversed(said) if "Tasks not found" in line)
        return SpecError(
            Code.UNKNOWN_NAME,
            f"lm-eval does not know all of {', '.join(tasks)}",
            why=line.strip(),
            fix="list what there is with `lm-eval ls tasks`, or name the folder with --data",
        )
    return SetupError(
        Code.ENGINE_FAILED,
        "lm-eval failed",
        why=f"exit code {done.returncode}: {tail}",
        fix="without a network, give --data; tasks of log likelihoods need --completions",
    )
