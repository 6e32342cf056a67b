import math

import pytest

from paceline.plan.search.guess import Effects, Guess, Noise, guesses, measured_sd, told_apart
from paceline.records.measurement import Verdict
from paceline.records.race import Outlook, Standing
from paceline.records.variant import Variant
from paceline.testing.builders import a_variant

EFFECTS, NOISE = Effects(), Noise()
INT8 = a_variant("quick", "int8")
INT8_WIDE = a_variant("quick", "int8", knobs=(("tokens", 512),))
INT4 = a_variant("quick", "int4")
INT4_WIDE = a_variant("quick", "int4", knobs=(("tokens", 512),))
OTHER = a_variant("slow")


def seen(variant: Variant, score: float, *, complete: bool = True, launches: int = 1) -> Standing:
    return Standing(
        variant=variant,
        verdict=Verdict.PASS,
        score=score,
        low=score - 0.01,
        high=score + 0.01,
        complete=complete,
        launches=launches,
    )


def guess(variant: Variant, *standings: Standing, outlooks: tuple[Outlook, ...] = ()) -> Guess:
    (found,) = guesses([variant], standings, outlooks, effects=EFFECTS, noise=NOISE)
    return found


def test_before_anything_is_measured_next_to_nothing_is_known() -> None:
    assert guess(INT8).sd > 3


def test_what_was_measured_is_guessed_again_within_its_noise() -> None:
    found = guess(INT8, seen(INT8, 5.0))
    assert found.score == pytest.approx(5.0, abs=0.01)
    assert found.sd < 0.04


def test_the_nearer_a_variant_the_narrower_its_band() -> None:
    standing = seen(INT8, 5.0)
    bands = [guess(v, standing).sd for v in (INT8, INT8_WIDE, INT4, OTHER)]
    assert bands == sorted(bands)
    assert bands[1] < 0.2 < bands[3]


def test_what_a_knob_did_for_one_format_is_expected_of_another() -> None:
    done = (seen(INT8, 5.0), seen(INT8_WIDE, 5.2), seen(INT4, 6.0))
    assert 6.1 < guess(INT4_WIDE, *done).score < 6.2
    assert guess(INT4_WIDE, *done).sd < guess(INT4_WIDE, *done[2:]).sd


def test_a_prediction_is_corrected_by_the_error_it_made_on_what_is_alike() -> None:
    told = (
        Outlook(variant_id=INT8.id, score=5.0, sd=0.3),
        Outlook(variant_id=INT4.id, score=5.5, sd=0.3),
    )
    assert guess(INT4, outlooks=told).score == 5.5
    assert guess(INT4, seen(INT8, 4.7), outlooks=told).score == pytest.approx(5.2, abs=0.05)
    assert guess(INT4, outlooks=told).sd < guess(INT4).sd


def test_changed_knobs_without_a_prediction_of_their_own_have_that_of_the_default() -> None:
    told = (Outlook(variant_id=INT8.id, score=5.0, sd=0.3),)
    assert guess(INT8_WIDE, outlooks=told).score == 5.0
    assert guess(INT8_WIDE, outlooks=told).sd < guess(INT8_WIDE).sd


def test_a_prediction_that_tells_a_variant_from_its_default_errs_on_its_own() -> None:
    """A knob that the predictor knows: its own error is not known from that of the default."""
    default = Outlook(variant_id=INT8.id, score=5.0, sd=0.4)
    told, untold = (Outlook(variant_id=INT8_WIDE.id, score=s, sd=0.4) for s in (4.8, 5.0))
    done = seen(INT8, 5.0)
    assert guess(INT8_WIDE, done, outlooks=(default, told)).sd > 0.45 * 0.4
    assert guess(INT8_WIDE, done, outlooks=(default, untold)).sd < 0.1
    expected = {o.variant_id: o for o in (default, told)}
    assert told_apart(INT8_WIDE, expected) == told
    assert told_apart(INT8, expected) == default
    assert told_apart(INT8_WIDE, expected | {untold.variant_id: untold}) is None


@pytest.mark.parametrize(("off", "narrower"), [(0.0, True), (0.35, False)])
def test_trials_tell_how_much_of_their_error_predictions_share(off: float, narrower: bool) -> None:
    """All wrong by the same factor: so is the next. Each wrong in its own way: who knows."""
    kin = [a_variant("quick", f"q{n}") for n in range(10)]
    told = tuple(Outlook(variant_id=v.id, score=5.0, sd=0.6) for v in kin)
    done = [seen(v, 4.3 + off * (-1) ** n) for n, v in enumerate(kin[:9])]
    found = guess(kin[9], *done, outlooks=told)
    assert (found.sd < EFFECTS.predicted * 0.6) is narrower


def test_a_short_window_and_a_single_launch_are_noisier() -> None:
    assert measured_sd(seen(INT8, 5, complete=False), NOISE) > NOISE.rung
    once, twice = (measured_sd(seen(INT8, 5, launches=n), NOISE) for n in (1, 2))
    assert once > twice
    assert once == pytest.approx(math.hypot(0.01 / 1.96, NOISE.run))


def test_a_one_sided_bound_counts_for_both_sides() -> None:
    one_sided = Standing(
        variant=INT8, verdict=Verdict.PASS, score=5.0, low=None, high=5.4, complete=True, launches=1
    )
    assert measured_sd(one_sided, NOISE) == pytest.approx(math.hypot(0.4 / 1.96, NOISE.run))
