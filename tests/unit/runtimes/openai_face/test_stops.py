"""Stop strings are cut off exactly and never leak in part."""

import itertools

import pytest

from paceline.runtimes.openai_face.stops import StopMatcher


def feed(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    out = ""
    for piece in pieces:
        text, stopped = matcher.push(piece)
        out += text
        if stopped:
            return out, True
    return out + matcher.flush(), False


def test_without_stops_text_passes_through() -> None:
    assert StopMatcher([]).push("abc") == ("abc", False)


@pytest.mark.parametrize("cuts", list(itertools.combinations(range(1, 12), 2)))
def test_the_cut_does_not_depend_on_how_text_arrives(cuts: tuple[int, int]) -> None:
    text = "one END two."
    pieces = [text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :]]
    assert feed(["END"], pieces) == ("one ", True)


def test_the_first_of_several_stops_counts() -> None:
    assert feed(["two", "one"], ["zero one two"]) == ("zero ", True)


def test_a_false_start_is_let_out_at_last() -> None:
    matcher = StopMatcher(["</s>"])
    assert matcher.push("a </") == ("a ", False)
    assert matcher.push("b>") == ("</b>", False)


def test_what_is_held_back_comes_out_at_the_end() -> None:
    assert feed(["END"], ["the EN"]) == ("the EN", False)


def test_a_stop_that_begins_like_another_is_found() -> None:
    assert feed(["aab"], ["a", "a", "a", "b", "c"]) == ("a", True)
