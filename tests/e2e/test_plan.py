"""`paceline plan` as a command, without any hardware and without a store."""

import json
from pathlib import Path

import pytest
from tests.e2e.conftest import Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

LLAMA_70B = {
    "model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672, "vocab_size": 128256,
    "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip


def test_a_70b_shape_over_everything(paceline: Paceline, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(LLAMA_70B))
    done = paceline("plan", str(config), "cheapest, tpot mean under 50 ms", "--json")
    assert done.code == 0, done.err
    found = done.document
    assert found["predicted"] is True
    assert found["considered"] > 100_000
    assert found["considered"] == found["could_serve"] + sum(
        ground["count"] for ground in found["rejected"]
    )
    assert [variant["rank"] for variant in found["variants"]] == list(range(1, 21))
    assert not (paceline.data / "paceline.db").exists(), "a plan without hardware needs no store"


def test_what_nobody_knows_is_refused_with_what_to_type(paceline: Paceline) -> None:
    wrong = paceline("plan", "meta-llama/Llama-3.3-70B-Instruct", "--hardware", "riva-9000")
    assert wrong.code == 2
    assert "[unknown-name]" in wrong.err
    assert "--hardware" in wrong.err


def test_a_market_for_this_machine_is_refused_not_ignored(paceline: Paceline) -> None:
    wrong = paceline("plan", "reference", "--market", "spot")
    assert wrong.code == 2
    assert "[contradiction]" in wrong.err
    assert "--hardware all" in wrong.err


def test_where_nothing_could_serve_a_script_hears_of_it(paceline: Paceline, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(LLAMA_70B))
    asked = ("plan", str(config), "--hardware", "t4", "--constraint", "tpot mean <= 0.01ms")
    done = paceline(*asked)
    assert done.code == 5, done.err
    assert "tpot mean <= 0.01ms by" in done.out
    assert "nothing could serve it" in done.err
    assert "--hardware all" in done.err
    assert "--budget" not in done.err
    assert "--budget is left aside" in paceline(*asked, "--budget", "10m").err
    document = paceline(*asked, "--json")
    assert document.code == 5
    assert document.document["could_serve"] == 0


def test_a_budget_that_optimize_refuses_is_refused(paceline: Paceline) -> None:
    done = paceline("plan", "reference", "--engine", "fake", "--budget", "1s")
    assert done.code == 2
    assert "[budget-too-small]" in done.err
    assert "the budget is 1 s" in done.err
