import numpy as np
import pytest

from paceline.plan.local.correct import NOISE_SD, SHARES, Key, corrections
from paceline.plan.predict.deployment import Array

KEY = Key(place="cpu", engine="openvino", format="int8", model="m", variant="v", load="8")
OTHER = Key(place="gpu", engine="vllm", format="fp8", model="m", variant="w", load="8")


def one(wanted: Key, *seen: Key, error: float = 0.5) -> tuple[float, float]:
    ones: Array = np.ones(1)
    found = corrections([wanted], ones, list(seen), np.full(len(seen), error), np.ones(len(seen)))
    return float(found.shift[0]), float(found.narrower[0])


def test_without_trials_nothing_moves() -> None:
    assert one(KEY) == (0.0, 1.0)


def test_the_same_variant_under_the_same_load_is_known_but_for_the_noise() -> None:
    shift, narrower = one(KEY, KEY)
    assert shift == pytest.approx(0.5 / (1 + NOISE_SD**2))
    assert narrower == pytest.approx(NOISE_SD, rel=0.05)


def test_the_more_is_shared_the_more_it_moves_and_narrows() -> None:
    engine = Key(place="cpu", engine="openvino", format="fp16", model="n", variant="x", load="1")
    place = Key(place="cpu", engine="vllm", format="fp16", model="n", variant="y", load="1")
    seen = [one(key, KEY) for key in (KEY, engine, place, OTHER)]
    shifts, widths = zip(*seen, strict=True)
    assert list(shifts) == sorted(shifts, reverse=True)
    assert list(widths) == sorted(widths)
    assert seen[-1] == (0.0, 1.0), "another machine teaches nothing"


def test_one_trial_moves_its_engine_by_what_they_share() -> None:
    engine = Key(place="cpu", engine="openvino", format="fp16", model="n", variant="x", load="1")
    shares = dict(SHARES)
    expected = 0.5 * (shares["place"] + shares["engine"]) / (1 + NOISE_SD**2)
    assert one(engine, KEY)[0] == pytest.approx(expected)


def test_many_trials_shrink_less_than_one() -> None:
    wanted = Key(place="cpu", engine="openvino", format="int8", model="z", variant="z", load="z")
    rivals = [
        Key(place="cpu", engine="openvino", format="int8", model=str(n), variant=str(n), load="8")
        for n in range(8)
    ]
    few, many = one(wanted, *rivals[:1]), one(wanted, *rivals)
    assert 0.5 > many[0] > few[0] > 0
    assert many[1] < few[1]


def test_parts_of_the_variance_add_up_to_all_of_it() -> None:
    assert sum(share for _, share in SHARES) == pytest.approx(1.0)
    assert len(KEY.effects()) == len(SHARES)
