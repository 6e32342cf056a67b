"""Compiles the denoiser's repeated blocks and counts what really ran compiled.

A flag says what was asked for; whether a graph ran is seen only where it runs. So every compiled
graph is wrapped in a counter, and a call of the denoiser counts as compiled when as many graphs ran
in it as it has compiled blocks.
Blocks instead of the whole: they are alike, so one is compiled for all of them, in a fraction of
the time (PyTorch's "regional compilation"; Diffusers has it as `compile_repeated_blocks`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import torch
from torch._dynamo import callback, config
from torch._dynamo.utils import counters
from torch._inductor.compile_fx import compile_fx

from paceline.runtimes.image_server.kept_code import KeptCode

# Each block meets few shapes, but a shape per deployed size, batch and guidance adds up.
_MOST_RECOMPILES: Final = 64


class CompileWatch:
    """Graphs run so far, and the time that compiling took. `kept` is where the code goes."""

    def __init__(self, kept: KeptCode | None) -> None:
        self._kept = kept
        self.graphs_run = 0
        self.compiling_s = 0.0
        self._began_s = 0.0
        callback.on_compile_start(self._begin)
        callback.on_compile_end(self._end)

    def backend(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        """Inductor, with a counter around what it makes."""
        run = compile_fx(graph, inputs)

        def counted(*arguments: Any) -> Any:
            self.graphs_run += 1
            return run(*arguments)

        return counted

    @staticmethod
    def cache() -> str:
        """`hit` when all compiled code came from the cache, `miss` when some was made."""
        seen = counters["inductor"]
        if seen["fxgraph_cache_miss"] or seen["fxgraph_cache_bypass"]:
            return "miss"
        return "hit" if seen["fxgraph_cache_hit"] or _autograd_hits() else "none"

    def _begin(self, *_: Any) -> None:
        self._began_s = time.monotonic()
        if self._kept is not None:
            self._kept.begin()

    def _end(self, *_: Any) -> None:
        self.compiling_s += time.monotonic() - self._began_s
        if self._kept is not None:
            self._kept.end()


class CallCounter:
    """Counts calls of the denoiser by whether they ran compiled."""

    def __init__(self, denoiser: Any, watch: CompileWatch | None, blocks: int) -> None:
        self.compiled = 0
        self.eager = 0
        self._watch = watch
        self._blocks = blocks
        self._before = 0
        denoiser.register_forward_pre_hook(self._begin)
        denoiser.register_forward_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self._before = self._watch.graphs_run if self._watch else 0

    def _end(self, *_: Any) -> None:
        ran = self._watch.graphs_run - self._before if self._watch else 0
        if self._blocks and ran >= self._blocks:
            self.compiled += 1
        else:
            self.eager += 1


def compile_blocks(denoiser: Any, watch: CompileWatch) -> int:
    """Have every repeated block compiled at its first call; how many there are."""
    config.recompile_limit = _MOST_RECOMPILES
    config.accumulated_recompile_limit = _MOST_RECOMPILES**2
    blocks = repeated_blocks(denoiser)
    for block in blocks:
        block.compile(backend=watch.backend)
    return len(blocks)


def repeated_blocks(denoiser: Any) -> list[Any]:
    """The blocks that make up the denoiser: those it names itself, else the items of its lists."""
    names = set(getattr(denoiser, "_repeated_blocks", None) or ())
    if not names:
        lists = [child for child in denoiser.children() if isinstance(child, torch.nn.ModuleList)]
        names = {type(item).__name__ for items in lists for item in items}
    return [module for module in denoiser.modules() if type(module).__name__ in names]


def _autograd_hits() -> int:
    return int(counters["aot_autograd"]["autograd_cache_hit"])
