"""What waits, and what is made together."""

from dataclasses import replace

import pytest

from paceline.runtimes.image_server.ask import Ask, Shape
from paceline.runtimes.image_server.orders import Line, Order, Painted, Result, batch_sizes
from paceline.runtimes.image_server.problems import Problem

SQUARE = Shape(width_px=64, height_px=64, steps=4, guidance=0.0, scheduler="euler")
WIDE = replace(SQUARE, width_px=128)


def an_order(
    count: int = 1, shape: Shape = SQUARE, answers: list[Result | Problem] | None = None
) -> Order:
    ask = Ask(
        prompt="a",
        negative_prompt="",
        shape=shape,
        seed=7,
        count=count,
        as_url=False,
        with_metadata=False,
        with_latents=False,
    )
    told = [] if answers is None else answers
    return Order(ask, submitted_s=0.0, answer=told.append)


@pytest.mark.parametrize(("most", "sizes"), [(1, (1,)), (4, (4, 2, 1)), (6, (6, 4, 2, 1))])
def test_batches_have_few_sizes(most: int, sizes: tuple[int, ...]) -> None:
    assert batch_sizes(most) == sizes


def test_equal_shapes_are_taken_together_and_the_oldest_first() -> None:
    line = Line(most_waiting=10, most_batch=4)
    first, wide, second = an_order(2), an_order(shape=WIDE), an_order(2)
    for order in (first, wide, second):
        line.put(order)
    batch = line.take()
    assert [(job.order, job.index) for job in batch] == [
        (first, 0), (first, 1), (second, 0), (second, 1),
    ]  # fmt: skip
    assert [job.seed for job in batch] == [7, 8, 7, 8]
    assert [job.order for job in line.take()] == [wide]
    assert line.take() == ()


def test_a_batch_is_one_of_the_sizes_that_were_warmed_up() -> None:
    line = Line(most_waiting=10, most_batch=4)
    line.put(an_order(3))
    assert [len(line.take()), len(line.take()), len(line)] == [2, 1, 0]


def test_any_difference_in_shape_keeps_pictures_apart() -> None:
    for other in (
        replace(SQUARE, height_px=128),
        replace(SQUARE, steps=5),
        replace(SQUARE, guidance=0.5),
        replace(SQUARE, scheduler="heun"),
    ):
        line = Line(most_waiting=10, most_batch=4)
        line.put(an_order())
        line.put(an_order(shape=other))
        assert len(line.take()) == 1


def test_a_full_line_refuses_with_its_numbers() -> None:
    line = Line(most_waiting=3, most_batch=1)
    line.put(an_order(2))
    with pytest.raises(Problem) as caught:
        line.put(an_order(2))
    problem = caught.value
    assert (problem.status, problem.code) == (503, "queue_full")
    assert "2 pictures wait and 2 more would be 4; at most 3" in str(problem)
    assert int(problem.headers()["Retry-After"]) > 0
    assert len(line) == 2  # nothing of the refused order was kept
    line.put(an_order(1))


def test_what_a_client_left_makes_room() -> None:
    line = Line(most_waiting=2, most_batch=2)
    left = an_order(2)
    line.put(left)
    left.close(None)
    kept = an_order(2)
    line.put(kept)
    assert {job.order for job in line.take()} == {kept}


def test_an_order_answers_once_when_its_last_picture_is_there() -> None:
    answers: list[Result | Problem] = []
    order = an_order(2, answers=answers)
    assert not order.add(1, Painted(pixels="second"))
    assert order.add(0, Painted(pixels="first"))
    order.close(Problem(500, "late", code="late"))
    (answer,) = answers
    assert isinstance(answer, Result)
    assert [picture.pixels for picture in answer.pictures] == ["first", "second"]


def test_an_order_that_was_left_hears_nothing() -> None:
    answers: list[Result | Problem] = []
    order = an_order(answers=answers)
    order.close(None)
    assert not order.add(0, Painted(pixels="x"))
    assert answers == []


def test_what_is_emptied_names_the_open_orders_once() -> None:
    line = Line(most_waiting=9, most_batch=1)
    kept, left = an_order(2), an_order()
    line.put(kept)
    line.put(left)
    left.close(None)
    assert line.empty() == [kept]
    assert len(line) == 0
