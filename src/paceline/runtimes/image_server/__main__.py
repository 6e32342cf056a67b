"""Command line of the server: `python run.py image_server --model DIR --family JSON --port N`.

Exit codes: 0 after a clean stop, 1 when requests were cut off, 2 for a wrong command line, 3 when
the model cannot be loaded, 4 when somebody else listens on the port, 5 when the accelerator failed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import uvicorn

from paceline.runtimes.image_server.app import Desk, build_app
from paceline.runtimes.image_server.ask import Reader
from paceline.runtimes.image_server.family import MOST_SEED, MOST_SIDE_PX, Family, read_family
from paceline.runtimes.image_server.fields import sides_of
from paceline.runtimes.image_server.files import FileShelf
from paceline.runtimes.image_server.kept_code import KeptCode
from paceline.runtimes.image_server.metrics import ImageMetrics
from paceline.runtimes.image_server.orders import Line
from paceline.runtimes.image_server.starting import Starting, Unservable
from paceline.runtimes.image_server.worker import Painter, Worker

log = logging.getLogger("image_server")

EXIT_CUT_OFF: Final = 1
EXIT_LOAD: Final = 3
EXIT_ADDRESS: Final = 4
EXIT_BROKEN: Final = 5
_KEEP_ALIVE_S: Final = 600
"""Longer than any client of ours keeps an idle connection, so that it is never us who closes."""


def main() -> int:
    """Parse, listen, load, serve."""
    parser = _parser()
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        family = read_family(arguments.family, most_side_px=arguments.max_side_px)
        warmup_px = _warmup_sizes(arguments.warmup_size, family)
    except ValueError as error:
        parser.error(str(error))
    try:
        listener = socket.create_server(("127.0.0.1", arguments.port), backlog=1024)
    except OSError as error:
        log.critical("cannot listen on port %d: %s", arguments.port, error)
        return EXIT_ADDRESS
    kept = _keep_compiled_code(arguments.compile_cache)
    with listener:
        return asyncio.run(_serve(arguments, family, warmup_px, listener, kept))


async def _serve(
    arguments: argparse.Namespace,
    family: Family,
    warmup_px: tuple[tuple[int, int], ...],
    listener: socket.socket,
    kept: KeptCode | None,
) -> int:
    loop = asyncio.get_running_loop()
    metrics, starting, shelf = ImageMetrics(), Starting(), FileShelf()
    place = _Place(kept)

    def on_dead() -> None:
        loop.call_soon_threadsafe(stop)

    worker = Worker(
        lambda starting: place.load(arguments, family, warmup_px, starting, metrics),
        line=Line(most_waiting=arguments.max_waiting, most_batch=arguments.batch),
        metrics=metrics,
        starting=starting,
        on_dead=on_dead,
    )
    desk = Desk(
        reader=Reader(
            family,
            model_name=arguments.model_name or arguments.model.name,
            new_seed=lambda: secrets.randbelow(MOST_SEED + 1),
        ),
        worker=worker,
        starting=starting,
        metrics=metrics,
        shelf=shelf,
        facts=place.facts,
    )
    server = uvicorn.Server(_config(build_app(desk), arguments.grace_s))

    def stop() -> None:
        server.should_exit = True

    # uvicorn catches these while it serves, and raises them again afterwards for whoever was there
    # before: nobody, since leaving is already under way then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    worker.start()
    await server.serve(sockets=[listener])
    shelf.close()
    return _exit_code(starting, worker, metrics, arguments.model)


class _Place:
    """Where the worker puts the painter, for `/inspect` to read."""

    def __init__(self, kept: KeptCode | None) -> None:
        self._kept = kept
        self._painter: Any = None

    def load(
        self,
        arguments: argparse.Namespace,
        family: Family,
        warmup_px: tuple[tuple[int, int], ...],
        starting: Starting,
        metrics: ImageMetrics,
    ) -> Painter:
        """Called once, in the worker's thread."""
        with starting.phase("import"):  # here, for it takes seconds, in which /health answers
            loading = importlib.import_module("paceline.runtimes.image_server.loading")

        def on_nan() -> None:
            metrics.not_a_number += 1

        options = loading.LoadOptions(
            model=arguments.model,
            family=family,
            format=arguments.format,
            device=arguments.device,
            compile=arguments.compile,
            offload=arguments.offload,
            batch=arguments.batch,
            warmup_px=warmup_px,
            threads=arguments.threads,
        )
        self._painter = loading.load(options, starting, kept=self._kept, on_nan=on_nan)
        painter: Painter = self._painter
        return painter

    def facts(self) -> Mapping[str, Any]:
        """What the loaded painter finds in itself."""
        facts: Mapping[str, Any] = self._painter.facts()
        return facts


def _exit_code(starting: Starting, worker: Worker, metrics: ImageMetrics, model: Path) -> int:
    error = starting.error
    if error is not None:
        kind = "serve" if isinstance(error, Unservable) else "load"
        log.critical("cannot %s %s: %s: %s", kind, model, type(error).__name__, error)
        return EXIT_LOAD
    if worker.broken:
        return EXIT_BROKEN
    return EXIT_CUT_OFF if metrics.running or metrics.waiting else 0


def _config(app: Callable[..., Any], grace_s: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="httptools",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(grace_s),
    )


def _warmup_sizes(sizes: list[str], family: Family) -> tuple[tuple[int, int], ...]:
    """Raises ValueError for a size that no request may ask for."""
    sides = family.sides_px()
    found = []
    for size in sizes or [f"{family.side_px}x{family.side_px}"]:
        wanted = sides_of(size)
        if wanted is None or any(side not in sides for side in wanted):
            raise ValueError(
                f"--warmup-size {size!r}: sides are {sides.start} to {sides[-1]} px in steps of "
                f"{sides.step}"
            )
        found.append(wanted)
    return tuple(found)


def _keep_compiled_code(folder: Path | None) -> KeptCode | None:
    """Tell PyTorch and Triton where, before they are imported; theirs is a folder in /tmp."""
    if folder is None:
        return None
    try:
        kept = KeptCode(folder)
    except OSError as error:
        log.warning("compiled code is not kept: %s", error)
        return None
    os.environ.update(kept.environment())
    return kept


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="image_server")
    add = parser.add_argument
    flag = argparse.BooleanOptionalAction
    add("--model", type=Path, required=True, help="folder of a Diffusers pipeline")
    add("--model-name", help="name that requests use; default: the folder's")
    add("--family", required=True, help="steps, bounds and schedulers as JSON")
    add("--port", type=int, required=True)
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--format", choices=("bf16", "fp16", "int8", "fp8"), default="bf16")
    add("--compile", action=flag, default=False, help="compile the denoiser's blocks")
    add("--compile-cache", type=Path, help="folder that keeps compiled code between starts")
    add("--batch", type=_at_least_one, default=1, help="pictures of one shape made at once")
    add("--offload", action=flag, default=False, help="parts take turns on the card")
    add("--warmup-size", nargs="*", default=[], help="WxH …; default: the family's")
    add("--threads", type=_at_least_one, help="threads for the processor; default: all cores")
    add("--max-side-px", type=_at_least_one, default=MOST_SIDE_PX)
    add("--max-waiting", type=_at_least_one, default=64, help="pictures in the queue")
    add("--grace-s", type=float, default=20.0, help="time to finish after SIGTERM")
    return parser


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


if __name__ == "__main__":
    exit_code = main()
    # The painter's thread may be inside a native call: leaving the usual way would pull the
    # interpreter from under it.
    logging.shutdown()
    os._exit(exit_code)
