"""Command line of the server: `python run.py openvino_server --model DIR --port N`.

Exit codes: 0 after a clean stop, 2 for a wrong command line, else as in `openai_face.lifecycle`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from paceline.runtimes.openai_face.lifecycle import EXIT_LOAD, OnDead, serve
from paceline.runtimes.openai_face.metrics import ServerMetrics
from paceline.runtimes.openai_face.server import ServeOptions
from paceline.runtimes.openvino_server.engine import (
    EngineOptions,
    EngineThread,
    build_pipeline,
    device_properties,
)
from paceline.runtimes.openvino_server.scoring import OpenVinoScorer
from paceline.runtimes.openvino_server.text import TextCodec

log = logging.getLogger("openvino_server")

_DEFAULT_CONTEXT_TOKENS: Final = 4096


def main() -> int:
    """Parse, load, serve."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    return uvloop.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    metrics = ServerMetrics("openvino_server")
    loop = asyncio.get_running_loop()
    started_s = time.monotonic()
    try:
        options = _serve_options(arguments)
        codec = TextCodec(arguments.model)
        engine_options = _engine_options(arguments)
        pipeline = build_pipeline(engine_options)
    except (RuntimeError, OSError, ValueError) as error:
        log.critical("cannot load %s: %s", arguments.model, error)
        return EXIT_LOAD
    log.info("model loaded in %.3f s", time.monotonic() - started_s)

    def start_engine(on_dead: OnDead) -> EngineThread:
        engine = EngineThread(pipeline, loop=loop, metrics=metrics, on_dead=on_dead)
        engine.start()
        return engine

    scorer = OpenVinoScorer(
        engine_options.model,
        device=engine_options.device,
        properties=device_properties(engine_options),
    )
    return await serve(
        options, codec=codec, metrics=metrics, start_engine=start_engine, scorer=scorer
    )


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
