"""What this server has done since it started, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from paceline.runtimes.openai_face.metrics import Histogram

_BUCKETS_S: Final = (
    *(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0),
)
ENDS: Final = ("done", "abort", "out_of_memory", "error")


class ImageMetrics:
    """Written by the worker, read by `/metrics`; single numbers, so a reading needs no lock."""

    def __init__(self) -> None:
        self.finished = dict.fromkeys(ENDS, 0)
        self.images = 0
        self.not_a_number = 0
        self.steps = 0
        self.batches = 0
        self.refused = 0
        self.waiting = 0
        self.running = 0
        self.requests_waiting = 0
        self.requests_running = 0
        self.progress = 0.0
        self.queue_s = Histogram(_BUCKETS_S)
        self.inference_s = Histogram(_BUCKETS_S)
        self.request_s = Histogram(_BUCKETS_S)

    def page(self) -> bytes:
        """The whole `/metrics` page."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        for name, kind, text, value in (
            ("requests_waiting", "gauge", "Requests not begun.", self.requests_waiting),
            ("requests_running", "gauge", "Requests being made.", self.requests_running),
            ("images_waiting", "gauge", "Pictures in the queue.", self.waiting),
            ("images_running", "gauge", "Pictures being made.", self.running),
            ("progress_ratio", "gauge", "Done part of the batch being made, 0-1.", self.progress),
            ("images_total", "counter", "Pictures made.", self.images),
            ("steps_total", "counter", "Denoising steps run, one per batch.", self.steps),
            ("batches_total", "counter", "Batches run.", self.batches),
            ("requests_refused_total", "counter", "Requests refused: queue full.", self.refused),
            (
                "images_not_a_number_total",
                "counter",
                "Pictures in which the model computed NaN or infinity.",
                self.not_a_number,
            ),
        ):
            yield from _head(f"image_server_{name}", kind, text)
            yield f"image_server_{name} {value}"
        yield from _head("image_server_requests_finished_total", "counter", "Requests by end.")
        for reason, count in self.finished.items():
            yield f'image_server_requests_finished_total{{reason="{reason}"}} {count}'
        for short, text, histogram in (
            ("queue", "From receipt to the start of its first picture.", self.queue_s),
            ("inference", "Time in the pipeline, prompt to pixels.", self.inference_s),
            ("request", "From receipt to an answer with every picture written.", self.request_s),
        ):
            name = f"image_server_{short}_seconds"
            yield from _head(name, "histogram", text)
            yield from histogram.lines(name)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
