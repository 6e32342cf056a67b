"""The painter's thread: what it does with failures, leavers and memory. Without a pipeline."""

from collections.abc import Callable, Sequence

import pytest

from paceline.runtimes.image_server.ask import Ask, Shape
from paceline.runtimes.image_server.metrics import ImageMetrics
from paceline.runtimes.image_server.orders import Job, Line, Order, Painted, Result
from paceline.runtimes.image_server.problems import Problem
from paceline.runtimes.image_server.starting import Starting, Unservable
from paceline.runtimes.image_server.worker import Broken, Left, OutOfMemory, Worker

WAIT_S = 5.0
STEPS = 4


class Brush:
    """Paints at once, `most` at a time; fails where the prompt says so."""

    def __init__(self, most: int = 9) -> None:
        self.most = most
        self.batches: list[int] = []
        self.on_first_step: Callable[[], None] = lambda: None

    def paint(self, jobs: Sequence[Job], on_step: Callable[[int], bool]) -> Sequence[Painted]:
        self.batches.append(len(jobs))
        if len(jobs) > self.most:
            raise OutOfMemory("wanted 3 GiB (1 GiB free of 8 GiB)")
        match jobs[0].order.ask.prompt:
            case "break":
                raise Broken("CUDA error: an illegal memory access was encountered")
            case "too large":
                raise OutOfMemory("wanted 9 GiB (1 GiB free of 8 GiB)")
            case _ if any(job.order.ask.prompt == "fail" for job in jobs):
                raise ValueError("no such thing")
        for step in range(1, STEPS + 1):
            self.on_first_step()
            if not on_step(step):
                raise Left
        return [Painted(pixels=job.seed) for job in jobs]


class Shop:
    """A worker that paints what was ordered and then ends, because its accelerator breaks."""

    def __init__(self, brush: Brush, *, batch: int = 4) -> None:
        self.metrics, self.starting = ImageMetrics(), Starting()
        self.dead = 0
        self.answers: dict[str, Result | Problem] = {}
        self.worker = Worker(
            lambda _starting: brush,
            line=Line(most_waiting=20, most_batch=batch),
            metrics=self.metrics,
            starting=self.starting,
            on_dead=self._die,
            clock=lambda: 0.0,
        )

    def order(self, prompt: str, *, count: int = 1, width_px: int = 64) -> Order:
        shape = Shape(width_px=width_px, height_px=64, steps=STEPS, guidance=0.0, scheduler="euler")
        ask = Ask(
            prompt=prompt,
            negative_prompt="",
            shape=shape,
            seed=0,
            count=count,
            as_url=False,
            with_metadata=False,
            with_latents=False,
        )

        def answer(outcome: Result | Problem) -> None:
            self.answers[prompt] = outcome

        order = Order(ask, submitted_s=0.0, answer=answer)
        self.worker.submit(order)
        return order

    def run(self) -> None:
        """Everything ordered so far, in the order it came."""
        self.order("break", width_px=1024)
        self.worker.run()
        assert self.worker.broken

    def _die(self) -> None:
        self.dead += 1


def problem(outcome: Result | Problem) -> Problem:
    assert isinstance(outcome, Problem)
    return outcome


def pixels(outcome: Result | Problem) -> list[object]:
    assert isinstance(outcome, Result)
    return [picture.pixels for picture in outcome.pictures]


def test_pictures_come_back_in_the_order_of_their_seeds() -> None:
    shop = Shop(Brush())
    shop.order("three", count=3)
    shop.order("two", count=2)
    shop.run()
    assert pixels(shop.answers["three"]) == [0, 1, 2]
    assert pixels(shop.answers["two"]) == [0, 1]
    assert shop.metrics.images == 5
    assert shop.metrics.finished["done"] == 2


def test_requests_are_counted_besides_their_pictures() -> None:
    brush = Brush()
    shop = Shop(brush, batch=2)
    seen = []

    def look() -> None:
        one = shop.metrics
        seen.append((one.requests_running, one.running, one.requests_waiting, one.waiting))

    brush.on_first_step = look
    shop.order("three", count=3)
    assert (shop.metrics.requests_waiting, shop.metrics.waiting) == (1, 3)
    shop.order("alone")
    shop.run()
    # "break" waits behind them all the time; the third picture is made together with "alone".
    assert seen[::STEPS] == [(1, 2, 2, 3), (2, 2, 1, 1)]


def test_a_request_that_fails_fails_alone() -> None:
    shop = Shop(Brush(), batch=1)
    shop.order("fail")
    shop.order("fine")
    shop.run()
    failed = problem(shop.answers["fail"])
    assert (failed.status, failed.code) == (500, "painting_failed")
    assert "ValueError: no such thing" in str(failed)
    assert pixels(shop.answers["fine"]) == [0]


def test_neighbours_of_a_picture_that_fails_are_made_all_the_same() -> None:
    brush = Brush()
    shop = Shop(brush)
    shop.order("fine")
    shop.order("fail", count=2)
    shop.order("good")
    shop.run()
    assert problem(shop.answers["fail"]).code == "painting_failed"
    assert pixels(shop.answers["fine"]) == pixels(shop.answers["good"]) == [0]
    assert brush.batches[:-1] == [4, 1, 1, 1]  # the second picture of "fail" is not tried
    assert shop.metrics.finished == {"done": 2, "abort": 0, "out_of_memory": 0, "error": 2}


def test_what_does_not_fit_together_is_made_one_by_one() -> None:
    brush = Brush(most=1)
    shop = Shop(brush)
    shop.order("four", count=4)
    shop.run()
    assert pixels(shop.answers["four"]) == [0, 1, 2, 3]
    assert brush.batches[:-1] == [4, 2, 1, 1, 2, 1, 1]


def test_no_memory_for_one_is_a_503_with_the_numbers_and_the_next_is_served() -> None:
    shop = Shop(Brush(), batch=1)
    shop.order("too large")
    shop.order("fine")
    shop.run()
    full = problem(shop.answers["too large"])
    assert (full.status, full.code, full.param) == (503, "out_of_memory", "size")
    assert "64x64" in str(full)
    assert "1 GiB free of 8 GiB" in str(full)
    assert full.headers() == {"Retry-After": "5"}
    assert pixels(shop.answers["fine"]) == [0]
    assert shop.metrics.finished["out_of_memory"] == 1


def test_a_client_that_leaves_stops_the_work_at_the_next_step() -> None:
    brush = Brush()
    shop = Shop(brush)
    order = shop.order("left")
    brush.on_first_step = lambda: shop.worker.leave(order)
    shop.run()
    assert "left" not in shop.answers
    assert shop.metrics.steps == 1
    assert shop.metrics.finished == {"done": 0, "abort": 1, "out_of_memory": 0, "error": 1}


def test_a_neighbour_in_the_batch_still_gets_its_picture() -> None:
    brush = Brush()
    shop = Shop(brush)
    left = shop.order("left")
    shop.order("stays")
    brush.on_first_step = lambda: shop.worker.leave(left)
    shop.run()
    assert brush.batches[0] == 2
    assert pixels(shop.answers["stays"]) == [0]
    assert "left" not in shop.answers


def test_a_broken_accelerator_answers_everybody_and_ends_it() -> None:
    shop = Shop(Brush())
    shop.order("break", width_px=128)
    shop.order("behind", width_px=256)
    shop.run()
    for prompt in ("break", "behind"):
        assert problem(shop.answers[prompt]).code == "accelerator_failed"
    assert shop.dead == 1
    with pytest.raises(Problem, match="this server ends"):
        shop.order("late")


@pytest.mark.parametrize(
    ("error", "traced"),
    [
        (Unservable("no CUDA device"), False),
        (OutOfMemory("wanted 9 GiB"), False),
        (OSError("no file named config.json"), False),
        (KeyError("_class_name"), True),
        (TypeError("load() missing 1 argument"), True),
    ],
)
def test_a_load_that_fails_ends_it_and_is_traced_unless_the_folder_explains_it(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    starting, dead, tried_first = Starting(), [], ImportError("no such package")

    def load(_starting: Starting) -> Brush:
        raise error from tried_first

    worker = Worker(
        load,
        line=Line(most_waiting=1, most_batch=1),
        metrics=ImageMetrics(),
        starting=starting,
        on_dead=lambda: dead.append(True),
    )
    worker.start()
    worker.join(WAIT_S)
    assert dead == [True]
    assert not starting.done
    assert starting.error is error
    assert ["in load\n" in record.getMessage() for record in caplog.records] == [True] * traced
    assert "ImportError" not in caplog.text, "it would be taken for a missing package"
