from dataclasses import replace

from paceline.app.ledger import ledger
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.testing.builders import a_variant

PLAIN = a_variant("quick", "fp8")
WIDE = replace(PLAIN, knobs=(("tokens", 512),))
GUESSING = replace(PLAIN, speculation="ngram")


def out(
    variant: Variant,
    detail: str = "no kernel",
    reason: RejectionReason = RejectionReason.UNSUPPORTED,
    need: str | None = None,
) -> Rejection:
    return Rejection(variant=variant, reason=reason, detail=detail, need=need)


def test_what_holds_at_any_knobs_is_said_once_with_its_count() -> None:
    found = ledger([out(PLAIN), out(WIDE), out(GUESSING), out(replace(PLAIN, format="fp4"))])
    assert [(e.rejection.variant.format, e.variants) for e in found] == [("fp8", 3), ("fp4", 1)]
    assert found[0].rejection == out(PLAIN)


def test_another_reason_word_or_figure_is_another_ground() -> None:
    failed = out(WIDE, reason=RejectionReason.KNOWN_FAILURE)
    grounds = [out(PLAIN), out(GUESSING, "refused"), failed, out(WIDE, need="9 GiB")]
    assert [(e.rejection, e.variants) for e in ledger(grounds)] == [(r, 1) for r in grounds]


def test_what_was_foretold_of_each_stays_apart_though_the_figures_are_the_same() -> None:
    lost = [out(v, "it cannot win", RejectionReason.PREDICTED) for v in (PLAIN, WIDE)]
    assert [entry.variants for entry in ledger(lost)] == [1, 1]


def test_what_was_left_out_for_its_knobs_is_not_counted_with_others() -> None:
    other = replace(PLAIN, knobs=(("tokens", 64),))
    assert [e.variants for e in ledger([out(WIDE), out(other)])] == [1, 1]
