"""Command line of the server: `python -m openvino_server --model DIR --port N`.

Exit codes: 0 after a clean stop, 1 when requests were cut off by the grace period, 2 for a wrong
command line, 3 when the model cannot be loaded, 4 when the address is in use, 5 when the engine
died. The log lines named in the adapter's classification are written here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from .engine import EngineOptions, EngineThread
from .metrics import ServerMetrics
from .server import ServeOptions, Server
from .text import TextCodec

log = logging.getLogger("openvino_server")

EXIT_CUT_OFF: Final = 1
EXIT_LOAD: Final = 3
EXIT_ADDRESS: Final = 4
EXIT_ENGINE_DEAD: Final = 5
_DEFAULT_CONTEXT_TOKENS: Final = 4096


def main() -> int:
    """Parse, load, serve."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    return uvloop.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = ServerMetrics()
    started_s = time.monotonic()
    try:
        codec = TextCodec(arguments.model)
        engine = EngineThread(
            _engine_options(arguments), loop=loop, metrics=metrics, on_dead=stop.set
        )
    except (RuntimeError, OSError, ValueError) as error:
        log.critical("cannot load %s: %s", arguments.model, error)
        return EXIT_LOAD
    log.info("model loaded in %.3f s", time.monotonic() - started_s)
    engine.start()
    server = Server(_serve_options(arguments), engine=engine, codec=codec, metrics=metrics)
    try:
        cut_off = await server.serve(stop)
    except OSError as error:
        log.critical("cannot listen on port %d: %s", arguments.port, error)
        return EXIT_ADDRESS
    if not engine.alive:
        return EXIT_ENGINE_DEAD
    return EXIT_CUT_OFF if cut_off else 0


def _engine_options(arguments: argparse.Namespace) -> EngineOptions:
    return EngineOptions(
        model=arguments.model,
        device=arguments.device,
        threads=arguments.threads,
        cache_gib=arguments.cache_gib,
        max_batched_tokens=arguments.max_num_batched_tokens,
        max_sequences=arguments.max_num_seqs,
        split_prompts=arguments.split_prompts,
        prefix_caching=arguments.prefix_caching,
        kv_cache_precision=arguments.kv_cache_precision,
        inference_precision=arguments.inference_precision,
    )


def _serve_options(arguments: argparse.Namespace) -> ServeOptions:
    return ServeOptions(
        host=arguments.host,
        port=arguments.port,
        model_name=arguments.model_name or arguments.model.name,
        context_tokens=_context_tokens(arguments.model),
        max_in_flight=arguments.max_num_seqs + arguments.max_waiting,
        grace_s=arguments.grace_s,
    )


def _context_tokens(model: Path) -> int:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    tokens = config.get("max_position_embeddings")
    return tokens if isinstance(tokens, int) else _DEFAULT_CONTEXT_TOKENS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openvino_server")
    add = parser.add_argument
    flag = argparse.BooleanOptionalAction
    add("--model", type=Path, required=True, help="folder of an exported model")
    add("--model-name", help="name that requests use; default: the folder's")
    add("--host", default="127.0.0.1")
    add("--port", type=int, required=True)
    add("--device", default="CPU")
    add("--threads", type=int, help="threads for inference; default: all cores")
    add("--cache-gib", type=int, default=0, help="size of the KV cache; 0 lets it grow")
    add("--max-num-batched-tokens", type=int, default=256)
    add("--max-num-seqs", type=int, default=256)
    add("--split-prompts", action=flag, default=True, help="mix prompt and generation in a step")
    add("--prefix-caching", action=flag, default=False)
    add("--kv-cache-precision", choices=("u8", "f16", "bf16", "f32"))
    add("--inference-precision", choices=("f32", "f16", "bf16"))
    add("--max-waiting", type=int, default=1024, help="requests beyond --max-num-seqs")
    add("--grace-s", type=float, default=30.0, help="time to finish after SIGTERM")
    return parser


if __name__ == "__main__":
    sys.exit(main())
