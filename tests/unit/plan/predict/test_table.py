"""The table contract, and that predictions move the way physics says."""

import csv
from pathlib import Path

import pytest

from paceline.plan.predict import COLUMNS, predict_table

MEASURED = Path(__file__).parents[4].parent / "shared/reference/perf/measured_calibration.csv"

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
        ({"isl": ""}, "isl is empty"),
        ({"osl": "nan"}, "osl is 'nan'"),
        ({"kv_cache_dtype": "int5"}, "kv_cache_dtype is 'int5'"),
        ({"load_mode": "steady"}, "load_mode is 'steady'"),
        ({"load_mode": "", "concurrency": ""}, "load_mode is empty"),
        ({"load_mode": "", "request_rate": "2"}, "load_mode is empty"),
        ({"concurrency": ""}, "concurrency is empty"),
        ({"load_mode": "static_batch", "concurrency": "0"}, "concurrency is '0'"),
        ({"load_mode": "open_loop", "concurrency": "", "request_rate": ""}, "request_rate"),
    ],
)
def test_a_row_that_cannot_be_predicted_gives_its_reason(
    changes: dict[str, str], word: str
) -> None:
    answer = predicted(**changes)
    assert answer["fits"] == "unknown"
    assert word in answer["reason"]


def test_an_empty_load_mode_is_the_one_whose_number_is_given() -> None:
    rate = {"concurrency": "", "request_rate": "0.5"}
    assert predicted(load_mode="", **rate) == predicted(load_mode="open_loop", **rate)
    assert predicted(load_mode="", **rate) != predicted(concurrency="1")
    assert predicted(load_mode="") == predicted(load_mode="closed_loop")


@pytest.mark.parametrize("unknown", ["", "0", "nan"])
def test_a_rate_that_is_not_known_is_not_taken_for_all_at_once(unknown: str) -> None:
    asked = {"load_mode": "open_loop", "concurrency": ""}
    assert predicted(**asked, request_rate="inf")["fits"] == "yes"
    answer = predicted(**asked, request_rate=unknown)
    assert (answer["fits"], answer["out_tok_s"]) == ("unknown", "")


def test_a_single_stream_is_one_request_whether_or_not_it_is_counted() -> None:
    alone = {"load_mode": "single_stream"}
    assert predicted(**alone, concurrency="") == predicted(**alone, concurrency="1")


def test_a_missing_count_of_devices_is_what_the_layout_takes() -> None:
    assert predicted(n_gpus="", tp="4") == predicted(n_gpus="4", tp="4")
    assert predicted(n_gpus="", tp="") == predicted(n_gpus="1", tp="1")


def test_the_type_of_the_cache_may_be_spelled_out() -> None:
    assert predicted(kv_cache_dtype="auto") == predicted(kv_cache_dtype="bfloat16") == predicted()
    assert predicted(kv_cache_dtype="FP8") == predicted(kv_cache_dtype="fp8_e4m3") != predicted()


def test_no_time_per_token_is_stated_where_none_follows_the_first() -> None:
    answer = predicted(osl="1")
    assert answer["fits"] == "yes"
    assert float(answer["ttft_ms"]) > 0 and float(answer["out_tok_s"]) > 0
    assert [answer[f"tpot_ms{end}"] for end in ("", "_lo", "_hi")] == ["", "", ""]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (
            {"gpu_spec": "T4-16GB", "engine": "tensorrt-llm", "precision": "nvfp4"},
            "nvfp4 needs compute capability 10.0, the device has 7.5",
        ),
        ({"gpu_spec": "A100-SXM-80GB", "engine": "tensorrt-llm", "precision": "fp8"}, "8.9"),
        ({"gpu_spec": "MI300X-192GB", "engine": "tensorrt-llm"}, "no back end for AMD"),
        (
            {"model_hf": "", "arch_ref": "bigcode/starcoder2-7b", "n_gpus": "8", "tp": "8"},
            "36 attention heads do not divide over 8 devices",
        ),
    ],
)
def test_what_no_amount_of_memory_can_run_is_answered_no(
    changes: dict[str, str], word: str
) -> None:
    answer = predicted(**changes)
    assert (answer["fits"], answer["out_tok_s"]) == ("no", "")
    assert word in answer["reason"]


def test_heads_that_are_not_split_need_not_divide() -> None:
    """Data-parallel attention: `tp` names the devices, and each of them holds whole layers."""
    wide = {"model_hf": "", "arch_ref": "bigcode/starcoder2-7b", "n_gpus": "8", "tp": "8"}
    assert predicted(**wide, dp="8", engine="sglang")["fits"] == "yes"
    assert predicted(**wide, engine="deepspeed")["fits"] == "yes"  # shards of unlike size
    assert predicted(**wide, engine="brandnew")["fits"] == "yes"  # of which nothing is known


@pytest.mark.skipif(
    not MEASURED.exists(), reason="the shared reference tables are not beside this checkout"
)
def test_what_was_measured_is_answered() -> None:
    with MEASURED.open(newline="", encoding="utf-8") as file:
        answers = predict_table(list(csv.DictReader(file)))
    unanswered = [answer for answer in answers if not answer["out_tok_s"]]
    assert len(answers) > 4000
    assert len(unanswered) <= 2, [(answer["row_id"], answer["reason"]) for answer in unanswered]


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
