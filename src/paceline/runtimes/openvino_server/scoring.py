"""What the model itself says of a given text: the continuous batching pipeline does not tell.

The pipeline gives the log probability of the token it chose and of no other (OpenVINO GenAI
2026.4.1). So the same exported model is compiled a second time, when it is first asked, and run
over whole texts without batching. Same weights and arithmetic; its attention is the plain one, not
the paged one. It takes the memory of the weights once more, until nobody has asked for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino

from paceline.runtimes.openai_face.generation import TokenScore
from paceline.runtimes.openvino_server.likelihood import Logits, token_scores

log = logging.getLogger("openvino_server")

CHUNK_TOKENS: Final = 256
"""Read at once: the logits of so many positions over a vocabulary of 150k take 150 MB."""


IDLE_S: Final = 0.3
"""After the last text the second compilation is given up: the next asker pays for a new one."""


class OpenVinoScorer:
    """A `Scorer`. One thread asks; another gives the memory back."""

    def __init__(self, model: Path, *, device: str, properties: Mapping[str, Any]) -> None:
        self._model = model
        self._device = device
        self._properties = dict(properties)
        self._request: Any = None
        self._inputs: frozenset[str] = frozenset()
        self._in_use = threading.Lock()
        self._release: threading.Timer | None = None

    def score(self, ids: Sequence[int], *, top: int) -> Sequence[TokenScore]:
        """See `Scorer.score`. The first call compiles the model, which takes seconds."""
        with self._in_use:
            if self._release is not None:
                self._release.cancel()
            try:
                return self._score(ids, top=top)
            finally:
                self._release = threading.Timer(IDLE_S, self._give_up)
                self._release.daemon = True
                self._release.start()

    def _give_up(self) -> None:
        with self._in_use:
            if threading.current_thread() is self._release:  # nobody asked meanwhile
                self._request = None
                log.info("compilation for scoring given up after %.1f s without use", IDLE_S)

    def _score(self, ids: Sequence[int], *, top: int) -> Sequence[TokenScore]:
        if self._request is None:
            self._compile()
        self._request.reset_state()
        found = [TokenScore(logprob=None, top=())]
        for start in range(0, len(ids) - 1, CHUNK_TOKENS):
            chunk = ids[start : min(start + CHUNK_TOKENS, len(ids) - 1)]
            logits = self._infer(chunk, already=start)
            found += token_scores(logits, ids[start + 1 : start + 1 + len(chunk)], top=top)
        return found

    def _compile(self) -> None:
        started_s = time.monotonic()
        core = openvino.Core()
        compiled = core.compile_model(
            str(self._model / "openvino_model.xml"), self._device, self._properties
        )
        self._inputs = frozenset(port.get_any_name() for port in compiled.inputs)
        self._request = compiled.create_infer_request()
        log.info("model compiled for scoring in %.3f s", time.monotonic() - started_s)

    def _infer(self, ids: Sequence[int], *, already: int) -> Logits:
        """Logits of the positions of `ids`, which follow `already` others; `[ids, vocabulary]`."""
        count = len(ids)
        feed = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, already + count), dtype=np.int64),
            "position_ids": np.arange(already, already + count, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        self._request.infer({name: value for name, value in feed.items() if name in self._inputs})
        logits: Logits = self._request.get_tensor("logits").data[0]
        return logits
