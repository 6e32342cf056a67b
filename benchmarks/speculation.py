"""Does guessing ahead pay? `python benchmarks/speculation.py [FORMAT…] [--draft FOLDER]`.

Optimizes the reference model on llama.cpp once per format and concurrency, and prints for every
variant that guesses what its guesses were worth. Needs `paceline engines install llamacpp` and a
quiet machine; about six minutes per format.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

CONCURRENCIES = (1, 8)
BUDGET = "3m"
METRICS = (
    "output_tokens_per_s",
    "tpot_mean_ms",
    "ttft_mean_ms",
    "speculation_acceptance",
    "speculation_mean_length_tokens",
    "speculation_draft_ratio",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=["gguf-bf16", "gguf-q8_0", "gguf-q4_k_m"])
    parser.add_argument("--draft")
    options = parser.parse_args()
    print(
        "| format | in flight | guesses | tok/s | TPOT ms | TTFT ms | accepted | length | drafted |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for format_ in options.formats:
        for concurrency in CONCURRENCIES:
            document = optimized(format_, concurrency, options.draft)
            for row in rows(document):
                print(f"| {format_} | {concurrency} | {' | '.join(row)} |", flush=True)


def optimized(format_: str, concurrency: int, draft: str | None) -> Mapping[str, Any]:
    """The run's own document; progress goes to stderr."""
    command = [
        *("paceline", "optimize", "reference", "--engine", "llamacpp", "--format", format_),
        *("--priority", "throughput", "--workload", f"reference,concurrency={concurrency}"),
        *("--budget", BUDGET, "--json", *(("--draft", draft) if draft else ())),
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=True
    )
    document: Mapping[str, Any] = json.loads(done.stdout)
    return document


def rows(document: Mapping[str, Any]) -> Iterator[list[str]]:
    """Plain variants at default knobs and those that guess; then why what guesses is out."""
    for variant in document["variants"]:
        if not variant["knobs"]:
            found = [variant["metrics"].get(name) for name in METRICS]
            figures = ["–" if metric is None else f"{metric['value']:.4g}" for metric in found]
            yield [variant["speculation"] or "none", *figures]
    for rejection in document["rejected"]:
        if rejection["reason"] == "speculation-does-not-pay":
            print(f"{rejection['variant']['id']}: {rejection['detail']}", file=sys.stderr)


if __name__ == "__main__":
    main()
