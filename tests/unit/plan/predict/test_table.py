"""The table contract, and that predictions move the way physics says."""

import pytest

from paceline.plan.predict import COLUMNS, predict_table

ROW = {
    "row_id": "a",
    "model_hf": "meta-llama/Llama-3.1-8B-Instruct",
    "arch_ref": "meta-llama/Meta-Llama-3.1-8B",
    "gpu_spec": "H100-SXM-80GB",
    "n_gpus": "1",
    "engine": "vllm",
    "engine_version": "0.18.0",
    "precision": "bf16",
    "kv_cache_dtype": "",
    "tp": "1",
    "pp": "1",
    "ep": "1",
    "dp": "1",
    "load_mode": "closed_loop",
    "isl": "1024",
    "osl": "1024",
    "concurrency": "32",
    "request_rate": "",
}


def predicted(**changes: str) -> dict[str, str]:
    return predict_table([ROW | changes])[0]


def value(name: str, **changes: str) -> float:
    return float(predicted(**changes)[name])


def test_an_answer_has_every_column_and_ordered_bands() -> None:
    answer = predicted()
    assert tuple(answer) == COLUMNS
    assert answer["fits"] == "yes"
    for name in ("out_tok_s", "ttft_ms", "tpot_ms"):
        low, middle, high = (float(answer[f"{name}{end}"]) for end in ("_lo", "", "_hi"))
        assert 0 < low < middle < high


def test_more_requests_in_flight_give_more_throughput_and_slower_tokens() -> None:
    speeds = [value("out_tok_s", concurrency=n) for n in ("1", "8", "64")]
    assert speeds == sorted(speeds)
    assert value("tpot_ms", concurrency="64") > value("tpot_ms", concurrency="1")


def test_a_smaller_device_is_slower() -> None:
    assert value("out_tok_s", gpu_spec="L4-24GB") < value("out_tok_s") / 3


def test_longer_prompts_wait_longer_for_the_first_token() -> None:
    assert value("ttft_ms", isl="8192") > value("ttft_ms", isl="512")


def test_an_open_loop_below_capacity_delivers_what_arrives() -> None:
    asked = {"load_mode": "open_loop", "concurrency": "", "request_rate": "0.5"}
    assert value("out_tok_s", **asked) == pytest.approx(0.5 * 1024, rel=0.3)
    assert value("out_tok_s", **asked) <= 0.5 * 1024


def test_a_model_that_does_not_fit_says_both_sides() -> None:
    answer = predicted(arch_ref="meta-llama/Meta-Llama-3.1-70B")
    assert answer["fits"] == "no"
    assert "GiB per device" in answer["reason"]
    assert answer["out_tok_s"] == ""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"arch_ref": "x/y", "model_hf": "x/y"}, "no shape is known"),
        ({"gpu_spec": "H1000"}, "H1000"),
        ({"precision": "int5"}, "int5"),
        ({"isl": "long"}, "isl is no number"),
        ({"isl": "-100"}, "isl"),
        ({"osl": "inf"}, "osl"),
        ({"n_gpus": "1e300"}, "n_gpus"),
        ({"request_rate": "-5", "concurrency": "", "load_mode": "open_loop"}, "request_rate"),
    ],
)
def test_a_row_that_cannot_be_predicted_gives_its_reason(
    changes: dict[str, str], word: str
) -> None:
    answer = predicted(**changes)
    assert answer["fits"] == "unknown"
    assert word in answer["reason"]


@pytest.mark.parametrize("unknown", ["", "0", "nan"])
def test_a_rate_that_is_not_known_is_not_taken_for_a_rate(unknown: str) -> None:
    asked = {"load_mode": "open_loop", "concurrency": "", "request_rate": unknown}
    assert value("out_tok_s", **asked) == pytest.approx(
        value("out_tok_s", **asked | {"request_rate": "inf"})
    )


def test_an_unknown_engine_falls_back_to_its_kind_with_a_wider_band() -> None:
    known, unknown = predicted(), predicted(engine="brandnew", engine_version="")
    assert unknown["fits"] == "yes"
    width = [float(a["out_tok_s_hi"]) / float(a["out_tok_s_lo"]) for a in (known, unknown)]
    assert width[1] > width[0]


def test_rows_keep_their_order_and_do_not_influence_each_other() -> None:
    rows = [ROW | {"row_id": str(n), "concurrency": str(n)} for n in (64, 1, 8)]
    together = predict_table(rows)
    assert [answer["row_id"] for answer in together] == ["64", "1", "8"]
    alone = predict_table(rows[1:2])[0]
    for name in ("out_tok_s", "tpot_ms", "ttft_ms"):
        assert float(together[1][name]) == pytest.approx(float(alone[name]), rel=1e-3)
