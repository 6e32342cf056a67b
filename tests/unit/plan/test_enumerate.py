from paceline.plan.enumerate import EngineOffer, enumerate_variants
from paceline.records.variant import Knob
from paceline.testing.builders import a_cpu

SERIAL = Knob(name="batching", values=(False, True), when="more than one request at a time")
TOKENS = Knob(name="tokens", values=(256, 512, 1024), when="long prompts")
OFFERS = (
    EngineOffer(name="slow", formats=("bf16",), knobs=(SERIAL,)),
    EngineOffer(name="quick", formats=("fp16", "int8"), knobs=(TOKENS,)),
)


def test_default_knobs_come_before_changed_ones() -> None:
    variants = enumerate_variants(OFFERS, [a_cpu()])
    plain = [bool(variant.knobs) for variant in variants]
    assert plain == sorted(plain)


def test_every_format_is_tried_with_every_changed_knob() -> None:
    found = {(v.engine, v.format, v.knobs) for v in enumerate_variants(OFFERS, [a_cpu()])}
    assert ("slow", "bf16", (("batching", True),)) in found
    assert {(("tokens", 512),), (("tokens", 1024),), ()} == {
        knobs for engine, format_, knobs in found if format_ == "int8"
    }
    assert len(found) == 2 + 2 * 3


def test_the_same_offers_give_the_same_order() -> None:
    assert enumerate_variants(OFFERS, [a_cpu()]) == enumerate_variants(OFFERS, [a_cpu()])


def test_speculation_comes_last_and_only_where_the_engine_has_it() -> None:
    guesser = EngineOffer(name="guesser", formats=("bf16",), knobs=(), speculations=("ngram",))
    variants = enumerate_variants([*OFFERS, guesser], [a_cpu()])
    assert [(v.engine, v.speculation) for v in variants if v.speculation] == [("guesser", "ngram")]
    assert variants[-1].speculation == "ngram"
