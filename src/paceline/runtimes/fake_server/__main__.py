"""Command line: `python run.py fake_server --behaviour JSON --model-name NAME --port N`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from paceline.runtimes.fake_server.answers import AnswerBook, WordCodec
from paceline.runtimes.fake_server.behaviour import Behaviour, Fault, read_behaviour
from paceline.runtimes.fake_server.embedding import FakeEmbedder
from paceline.runtimes.fake_server.engine import FakeEngine
from paceline.runtimes.fake_server.likelihood import FakeScorer
from paceline.runtimes.openai_face.lifecycle import serve
from paceline.runtimes.openai_face.metrics import ServerMetrics
from paceline.runtimes.openai_face.server import ServeOptions

log = logging.getLogger("fake_server")

_BYTES_PER_MIB: Final = 2**20
_MS_PER_S: Final = 1000.0


def main() -> int:
    """Parse, fail if told so, serve."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    behaviour = read_behaviour(arguments.behaviour)
    time.sleep(behaviour.start_ms / _MS_PER_S)
    _fail_at_start(behaviour.fault)
    ballast = bytearray(os.urandom(1) * behaviour.memory_mib * _BYTES_PER_MIB)
    code = uvloop.run(_run(arguments, behaviour))
    del ballast
    return code


async def _run(arguments: argparse.Namespace, behaviour: Behaviour) -> int:
    metrics = ServerMetrics("fake_server")
    codec = WordCodec()
    book = AnswerBook(*arguments.suite, accuracy=behaviour.accuracy)
    engine = FakeEngine(behaviour, codec=codec, book=book, metrics=metrics)
    options = ServeOptions(
        host="127.0.0.1",
        port=arguments.port,
        model_name=arguments.model_name,
        context_tokens=arguments.context_tokens,
        max_in_flight=arguments.max_in_flight,
        grace_s=arguments.grace_s,
    )
    if behaviour.fault is Fault.IGNORE_SIGTERM:
        asyncio.get_running_loop().call_later(
            0.0, lambda: asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _ignore)
        )
    scorer = FakeScorer(codec, divergence=behaviour.divergence)
    return await serve(
        options,
        codec=codec,
        metrics=metrics,
        start_engine=lambda _: engine,
        scorer=scorer,
        embedder=FakeEmbedder(codec),
    )


def _ignore() -> None:
    log.warning("told to ignore SIGTERM")


def _fail_at_start(fault: Fault) -> None:
    match fault:
        case Fault.CRASH_AT_START:
            log.critical("told to crash")
            os.abort()
        case Fault.OUT_OF_MEMORY:
            log.critical("told to run out of memory")
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does
        case Fault.UNSUPPORTED:
            log.critical("told to be unsupported")
            sys.exit(1)
        case Fault.HANG_AT_START:
            log.critical("told to hang")
            signal.pause()
        case _:
            return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fake_server")
    add = parser.add_argument
    add("--behaviour", default="{}", help="fields of Behaviour as JSON")
    add("--suite", type=Path, action="append", default=[], help="a suite whose items are known")
    add("--model-name", required=True)
    add("--port", type=int, required=True)
    add("--context-tokens", type=int, default=100_000)
    add("--max-in-flight", type=int, default=4096)
    add("--grace-s", type=float, default=5.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
