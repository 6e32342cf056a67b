"""Our load client and any peer that is installed, against one golden server that truly answers.

    python benchmarks/loadgen.py [--streams 1 64 256 1024] [--peers-in FOLDER …] [--log]

Every client sends the same closed-loop load. What it reports is compared with what the server
logged in the same run; CPU is that of the client's whole process tree, start-up included. `--log`
appends the table to docs/log.md. Peers are found on PATH and in `FOLDER/*/bin`; their command lines
are those of the versions named, and one is here only if it was run.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.records.load import Target
from paceline.records.load_plan import LengthKind, Lengths, LoadShape
from paceline.testing.golden_server.launch import Golden, golden_server
from paceline.trial.arrivals import plan_load
from paceline.trial.innocence import judge_client
from paceline.trial.timeline import summarise

ROOT = Path(__file__).parent.parent
TTFT_MS, ITL_MS = 100, 20
PATIENCE_S = 180
INPUT_TOKENS, TOKENS = 128, 64
UNKNOWN = "[UNK]"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a client reported, in ms; `None` where it reported nothing."""

    ttft_mean_ms: float | None
    ttft_p99_ms: float | None
    tpot_mean_ms: float | None


NOTHING = Reading(ttft_mean_ms=None, ttft_p99_ms=None, tpot_mean_ms=None)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One client. `arguments(url, streams, requests, folder)` is its command line."""

    name: str
    program: str
    arguments: Callable[[str, int, int, Path], list[str]]
    report: Callable[[Any], Reading]
    report_glob: str

    def prepare(self, folder: Path) -> None:
        """A tokenizer and prompts, for clients that cannot do without."""
        words = {f"w{number}": number for number in range(1000)}
        vocabulary = {**words, UNKNOWN: len(words)}
        tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        (folder / "tokenizer").mkdir()
        tokenizer.save(str(folder / "tokenizer" / "tokenizer.json"))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": UNKNOWN}
        (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config))

    def read(self, folder: Path) -> Reading:
        """What its report says; nothing when there is none."""
        found = sorted(folder.rglob(self.report_glob))
        return self.report(json.loads(found[0].read_text())) if found else NOTHING


def _guidellm(url: str, streams: int, requests: int, folder: Path) -> list[str]:
    data = f"kind=synthetic_text,prompt_tokens={INPUT_TOKENS},output_tokens={TOKENS}"
    return [
        "run",
        "--backend", f"kind=openai_http,target={url},model=golden",
        "--profile", f"kind=concurrent,streams={streams}",
        "--constraint", f"kind=max_requests,count={requests}",
        "--tokenizer", f"kind=huggingface_auto,model={folder / 'tokenizer'}",
        "--data", data,
        "--output", f"kind=json,path={folder / 'report.json'}",
        "--disable-console",
    ]  # fmt: skip


def _guidellm_report(document: Any) -> Reading:
    metrics = document["benchmarks"][0]["metrics"]
    first = metrics["time_to_first_token_ms"]["successful"]
    return Reading(
        ttft_mean_ms=first["mean"],
        ttft_p99_ms=first["percentiles"]["p99"],
        tpot_mean_ms=metrics["inter_token_latency_ms"]["successful"]["mean"],
    )


def _aiperf(url: str, streams: int, requests: int, folder: Path) -> list[str]:
    return [
        "profile",
        "--model", "golden",
        "--url", url,
        "--endpoint-type", "chat",
        "--streaming",
        "--concurrency", str(streams),
        "--request-count", str(requests),
        "--tokenizer", str(folder / "tokenizer"),
        "--isl", str(INPUT_TOKENS),
        "--osl", str(TOKENS),
        "--artifact-dir", str(folder / "artifacts"),
        "--ui", "none",
    ]  # fmt: skip


def _aiperf_report(document: Any) -> Reading:
    return Reading(
        ttft_mean_ms=document["time_to_first_token"]["avg"],
        ttft_p99_ms=document["time_to_first_token"]["p99"],
        tpot_mean_ms=document["inter_token_latency"]["avg"],
    )


PEERS = (
    Peer(  # 0.8.1
        name="guidellm",
        program="guidellm",
        arguments=_guidellm,
        report=_guidellm_report,
        report_glob="report.json",
    ),
    Peer(  # 0.13.0
        name="aiperf",
        program="aiperf",
        arguments=_aiperf,
        report=_aiperf_report,
        report_glob="profile_export_aiperf.json",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One client at one load; times in ms."""

    client: str
    streams: int
    requests: int
    said: Reading
    true_mean_ms: float
    true_p99_ms: float
    true_tpot_ms: float
    cpu_s: float
    verdict: str

    def cells(self) -> list[str]:
        """The row of the table."""
        return [
            self.client,
            str(self.streams),
            str(self.requests),
            _pair(self.said.ttft_mean_ms, self.said.ttft_p99_ms),
            f"{self.true_mean_ms:.1f} / {self.true_p99_ms:.1f}",
            _error(self.said.ttft_mean_ms, self.true_mean_ms),
            _error(self.said.tpot_mean_ms, self.true_tpot_ms),
            f"{self.cpu_s:.2f}",
            self.verdict,
        ]


HEADER = (
    "| client | streams | requests | TTFT mean / p99 | truth | TTFT error | TPOT error |"
    " client CPU s | says |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Run, print and, when asked, log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256, 1024])
    parser.add_argument("--peers-in", type=Path, nargs="*", default=[])
    parser.add_argument("--log", action="store_true")
    parser.add_argument("--ours", nargs=4, metavar=("URL", "STREAMS", "REQUESTS", "OUT"))
    options = parser.parse_args()
    if options.ours:
        url, streams, requests, out = options.ours
        be_ours(url, int(streams), int(requests), Path(out))
        return 0
    _raise_file_limit()
    print(HEADER)
    rows = []
    for streams in options.streams:
        for row in run_all(streams, found_peers(options.peers_in)):
            rows.append(row)
            print("| " + " | ".join(row.cells()) + " |", flush=True)
    if options.log:
        write_log(rows)
    return 0


def run_all(streams: int, peers: Sequence[tuple[Peer, Path]]) -> Iterator[Row]:
    """Ours and each peer at one number of streams, four requests per stream and at least 16."""
    requests = max(4 * streams, 16)
    yield run_ours(streams, requests)
    for peer, program in peers:
        yield run_peer(peer, program, streams, requests)


def run_ours(streams: int, requests: int) -> Row:
    """Our client as a program of its own, so that its start-up is counted like any other's."""
    with golden() as server, tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        argv = [sys.executable, __file__, "--ours"]
        argv += [server.url, str(streams), str(requests), str(out)]
        cpu_s = run_counted(argv, Path(folder))
        document = json.loads(out.read_text())
        reading = Reading(**document["reading"])
        return row(
            "paceline",
            server,
            reading,
            streams=streams,
            requests=requests,
            cpu_s=cpu_s,
            verdict=document["verdict"],
        )


def be_ours(url: str, streams: int, requests: int, out: Path) -> None:
    """The client side of `run_ours`, in its own process."""
    shape = LoadShape(
        concurrency=streams,
        requests=requests,
        input_tokens=Lengths(kind=LengthKind.FIXED, mean=INPUT_TOKENS),
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=TOKENS),
    )
    result = OpenAiHttp().run(Target(base_url=url, model="golden"), plan_load(shape))
    summary = summarise(result.samples, open_loop=False, trim=False)
    client = judge_client(result)
    reading = Reading(
        ttft_mean_ms=summary.ttft_ms.mean,
        ttft_p99_ms=summary.ttft_ms.p99,
        tpot_mean_ms=summary.tpot_ms.mean,
    )
    said = "; ".join([client.verdict.value, *client.reasons])
    out.write_text(json.dumps({"reading": asdict(reading), "verdict": said}))


def run_peer(peer: Peer, program: Path, streams: int, requests: int) -> Row:
    """A peer through its own command line, read from its own report."""
    with golden() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer.prepare(folder)
        argv = [str(program), *peer.arguments(server.url, streams, requests, folder)]
        cpu_s = run_counted(argv, folder)
        return row(
            peer.name,
            server,
            peer.read(folder),
            streams=streams,
            requests=requests,
            cpu_s=cpu_s,
            verdict="–",
        )


def golden() -> AbstractContextManager[Golden]:
    """The server of every row: 100 ms to the first token, 20 ms per token."""
    return golden_server("--ttft-ms", str(TTFT_MS), "--itl-ms", str(ITL_MS), "--model", "golden")


def run_counted(argv: Sequence[str], folder: Path) -> float:
    """Run a client to its end, at most some minutes; the CPU seconds of its process tree."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "client.log").open("wb") as log:
        client = subprocess.Popen(
            argv, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code: int | str = client.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(client.pid, signal.SIGKILL)
            client.wait()
            code = f"no end after {PATIENCE_S} s"
    if code != 0:
        print(f"  {argv[0]} ended with {code}:", file=sys.stderr)
        print((folder / "client.log").read_text()[-2000:], file=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(
    client: str,
    server: Golden,
    said: Reading,
    *,
    streams: int,
    requests: int,
    cpu_s: float,
    verdict: str,
) -> Row:
    """What a client said beside what the server logged; probes and warm-up have other lengths."""
    log = [e for e in server.entries() if e["output_tokens"] == TOKENS and e["ended"] == "ok"]
    log = log[-requests:]
    first_ms = np.array([(e["first_ns"] - e["received_ns"]) / 1e6 for e in log])
    per_token_ms = np.array([(e["last_ns"] - e["first_ns"]) / 1e6 / (TOKENS - 1) for e in log])
    return Row(
        client=client,
        streams=streams,
        requests=len(log),
        said=said,
        true_mean_ms=float(first_ms.mean()) if len(log) else float("nan"),
        true_p99_ms=float(np.quantile(first_ms, 0.99)) if len(log) else float("nan"),
        true_tpot_ms=float(per_token_ms.mean()) if len(log) else float("nan"),
        cpu_s=cpu_s,
        verdict=verdict,
    )


def found_peers(folders: Sequence[Path]) -> list[tuple[Peer, Path]]:
    """Peers with the program that runs them."""
    places = [str(path) for folder in folders for path in sorted(folder.glob("*/bin"))]
    search = os.pathsep.join([*places, os.environ.get("PATH", "")])
    found = [(peer, shutil.which(peer.program, path=search)) for peer in PEERS]
    return [(peer, Path(program)) for peer, program in found if program]


def write_log(rows: Sequence[Row]) -> None:
    """Append the table with what it rests on."""
    git = shutil.which("git") or "git"
    asked = [git, "rev-parse", "--short", "HEAD"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    commit = said.stdout.strip()
    busy = os.getloadavg()[0]
    lines = [
        f"\n## {datetime.now(UTC).date()}: load clients against the golden server\n",
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()},",
        f"Python {platform.python_version()}, commit {commit}; load average {busy:.1f} at the end.",
        f"Server: {TTFT_MS} ms to the first token, {ITL_MS} ms per token, {TOKENS} tokens.",
        "Times in ms; errors are of means against the server's log.",
        "`python benchmarks/loadgen.py --log`\n",
        HEADER,
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
        "",
    ]
    with (ROOT / "docs/log.md").open("a") as log:
        log.write("\n".join(lines))


def _pair(mean: float | None, p99: float | None) -> str:
    return "–" if mean is None or p99 is None else f"{mean:.1f} / {p99:.1f}"


def _error(said: float | None, truth: float) -> str:
    return "–" if said is None else f"{said / truth - 1:+.2%}"


def _raise_file_limit() -> None:
    """Every client gets all the sockets that the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
