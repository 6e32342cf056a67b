"""From a loaded engine to an exit code: signals, serving, draining."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Final

from paceline.runtimes.openai_face.generation import Codec, Embedder, Engine, Scorer
from paceline.runtimes.openai_face.metrics import ServerMetrics
from paceline.runtimes.openai_face.server import ServeOptions, Server

log = logging.getLogger("openai_face")

EXIT_CUT_OFF: Final = 1
"""Requests were still running when the grace period was over."""
EXIT_LOAD: Final = 3
"""The model cannot be loaded."""
EXIT_ADDRESS: Final = 4
"""Somebody else listens on the port."""
EXIT_ENGINE_DEAD: Final = 5
"""The engine failed while serving."""

OnDead = Callable[[], None]


async def serve(
    options: ServeOptions,
    *,
    codec: Codec,
    metrics: ServerMetrics,
    start_engine: Callable[[OnDead], Engine],
    scorer: Scorer | None = None,
    embedder: Embedder | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, or until the engine dies; the exit code.

    The signals keep their default meaning until now, so that a start can be ended at once.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    engine = start_engine(stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(
        options,
        engine=engine,
        codec=codec,
        metrics=metrics,
        scorer=scorer,
        embedder=embedder,
    )
    try:
        cut_off = await server.serve(stop)
    except OSError as error:
        log.critical("cannot listen on port %d: %s", options.port, error)
        return EXIT_ADDRESS
    if not engine.alive:
        return EXIT_ENGINE_DEAD
    return EXIT_CUT_OFF if cut_off else 0
