"""From MODEL, --hardware and --prices to a survey and its document; nothing is launched."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from paceline.app.places import Places
from paceline.app.plan_here import has_weights, plans_here
from paceline.app.survey import Prices, own_prices, read_prices, shape_of, survey_request
from paceline.app.survey_document import survey_document
from paceline.app.wiring import Workshop
from paceline.cli.plan_text import WIDTH, print_survey
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.records.request import Priority, Request
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_request

CONFIG = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
TODAY = date(2026, 11, 21)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "llama-8b"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path / "data", cache=tmp_path / "cache"), clock=ManualClock())


def asked(model: object, *hardware: str) -> Request:
    limit = parse_constraint("tpot mean <= 50ms")
    request = a_request(limit, priority=Priority.COST, engines=("vllm", "llama.cpp"))
    return replace(request, model=str(model), hardware=hardware, price_usd_per_hour=None)


def test_a_model_is_a_folder_a_config_or_a_known_name(model: Path, shop: Workshop) -> None:
    shape = shape_of(str(model), shop)
    assert shape.parameters == pytest.approx(8.03e9, rel=0.001)
    assert shape_of(str(model / "config.json"), shop) == shape
    known = shape_of("meta-llama/Llama-3.1-8B-Instruct-AWQ", shop)
    assert known.parameters == shape.parameters


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000], ids=["cut", "list", "deep"])
def test_a_broken_config_is_refused(model: Path, shop: Workshop, text: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(SpecError) as caught:
        shape_of(str(model), shop)
    assert caught.value.code is Code.BAD_MODEL


def test_a_config_alone_is_about_the_tables_and_weights_are_about_here(
    model: Path, shop: Workshop
) -> None:
    assert not has_weights(str(model))
    assert plans_here(asked(model), shop) is None
    (model / "model.safetensors").write_bytes(b"")
    assert plans_here(asked(model), shop) == asked(model)
    assert plans_here(asked(model, "l40s"), shop) is None
    assert plans_here(asked(model, "all"), shop) is None
    assert plans_here(asked(model, "here"), shop) == asked(model)


def test_here_stands_alone(model: Path, shop: Workshop) -> None:
    with pytest.raises(SpecError) as caught:
        plans_here(asked(model, "here", "l40s"), shop)
    assert caught.value.code is Code.CONTRADICTION


def test_the_document_has_the_keys_of_the_contract(model: Path, shop: Workshop) -> None:
    found = survey_request(asked(model, "l40s", "h100-sxm", "t4"), shop, Prices())
    document = survey_document(found)
    text = json.loads(json.dumps(document))
    assert text["predicted"] is True
    assert text["considered"] == text["could_serve"] + sum(r["count"] for r in text["rejected"])
    first = text["variants"][0]
    assert first["rank"] == 1
    rate = first["metrics"]["output_tokens_per_s"]
    assert rate["unit"] == "tokens/s"
    assert rate["band90"][0] <= rate["value"] <= rate["band90"][1]
    assert {v["verdict"] for v in first["verdicts"]} <= {"pass", "fail", "unresolved"}
    assert first["highest_load"]["cost_usd_per_mtok"]["unit"] == "usd/mtok"
    assert first["price"]["as_of"]
    assert {r["reason"] for r in text["rejected"]} >= {"unsupported", "constraint"}
    assert text["advice"][-1]["topic"] == "recommendation"


def test_the_text_fits_a_hundred_columns(
    model: Path, shop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    found = survey_request(asked(model, "l40s", "h100-sxm", "t4"), shop, Prices())
    print_survey(found)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(model) not in line) <= WIDTH
    assert any("rejected, none that could pass" in line for line in lines)


def test_own_prices_win(model: Path, shop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("accelerator,usd_per_device_hour\nL40S-48GB,0.01\n")
    found = survey_request(asked(model, "l40s", "h100-sxm"), shop, Prices(file=file))
    best = found.leaders[0]
    assert best.variant.accelerator == "L40S-48GB"
    assert best.usd_per_hour == pytest.approx(0.01 * best.variant.count)
    assert best.quote is not None
    assert best.quote.price.provider == "own"
    assert not best.quote.stale


def test_one_price_is_that_of_every_accelerator(model: Path, shop: Workshop) -> None:
    request = replace(asked(model, "l40s", "h100-sxm"), price_usd_per_hour=2.0)
    found = survey_request(request, shop, Prices(market="spot"))
    for shown in found.leaders:
        assert shown.usd_per_hour == pytest.approx(2.0 * shown.variant.count)
    assert {shown.variant.accelerator for shown in found.by_accelerator} == {
        "L40S-48GB",
        "H100-SXM-80GB",
    }


def test_own_prices_are_those_of_this_machine_too(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(
        "accelerator,usd_per_device_hour,market\ncpu,0.2,\nL40S-48GB,0.4,spot\nL40S-48GB,0.8,on-demand\n"
    )
    found = {price.accelerator: price.usd_per_hour for price in own_prices(file, TODAY)}
    assert found == {"cpu": 0.2, "L40S-48GB": 0.8}
    assert own_prices(None, TODAY) == ()
    assert all(str(tmp_path) not in (p.source or "") for p in own_prices(file, TODAY))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpu,price\nL4-24GB,1\n", "lacks the column 'accelerator'"),
        ("accelerator,usd_per_device_hour\nL4-24GB,cheap\n", "line 2"),
        ("accelerator,usd_per_device_hour\nL4-24GB,1\nNope,1\n", "line 3"),
        ("accelerator,usd_per_device_hour\nL4-24GB,-1\n", "line 2"),
        ("accelerator,usd_per_device_hour,as_of\nL4-24GB,1,soon\n", "line 2"),
        ("accelerator,usd_per_device_hour,market\nL4-24GB,1,flea\n", "line 2"),
    ],
)
def test_a_wrong_price_file_is_refused_with_the_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(SpecError, match=why) as caught:
        read_prices(file, TODAY)
    assert caught.value.code is Code.BAD_INPUT_FILE


def test_an_unknown_market_is_refused(model: Path, shop: Workshop) -> None:
    with pytest.raises(SpecError, match="--market on-demand"):
        survey_request(asked(model, "l4"), shop, Prices(market="flea"))


@pytest.mark.parametrize(("name", "near"), [("mixtral", "Mixtral"), ("llama2-7b", "Llama-2-7b")])
def test_a_name_that_resembles_a_known_model_leads_to_it(
    name: str, near: str, shop: Workshop
) -> None:
    with pytest.raises(SpecError) as caught:
        shape_of(name, shop)
    assert caught.value.code is Code.UNKNOWN_NAME
    assert near in caught.value.fix
    offered = shape_of(caught.value.fix.split("'")[1], shop)
    assert offered.parameters > 1e9, "the name that is offered is known"
