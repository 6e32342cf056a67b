"""Image models in planning: kinds, licences, and prices on accelerators that are not here."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.image_plan import (
    image_kind,
    image_model,
    image_shape_of,
    is_image_folder,
    refuse_before_fetching,
    usual_preset_here,
)
from paceline.app.image_survey import images_document, survey_images
from paceline.app.licenses import banner, license_document
from paceline.app.places import Places
from paceline.app.survey import Prices
from paceline.app.wiring import Workshop
from paceline.cli.plan_text import print_images
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.records.model import Model
from paceline.records.request import Request
from paceline.spec.read import Asked, read_request
from paceline.testing.builders import a_cpu, a_model
from paceline.testing.pipelines import write_pipeline

TRANSFORMER = {
    "num_layers": 1,
    "num_single_layers": 1,
    "num_attention_heads": 2,
    "attention_head_dim": 4,
}
ENCODER = {
    "hidden_size": 4,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "vocab_size": 4,
}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path / "data", cache=tmp_path / "cache"), clock=ManualClock())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    configs = {"transformer": TRANSFORMER, "text_encoder": ENCODER}
    return write_pipeline(tmp_path / "flux", configs=configs)


def asked(model: str, **given: object) -> Request:
    flags = replace(Asked(model=model), **given)  # type: ignore[arg-type]  # checked as typed
    return read_request(flags, usual=usual_preset_here)


def known(name: str, shop: Workshop) -> Model:
    model = image_model(name, shop)
    assert model is not None
    return model


def test_a_folder_tells_its_load_and_a_name_its_own(folder: Path, tmp_path: Path) -> None:
    assert usual_preset_here(str(folder)) == "image"
    own = write_pipeline(
        tmp_path / "own", "StableDiffusion3Pipeline", paceline_family="reference-image"
    )
    assert usual_preset_here(str(own)) == "reference-image"
    assert usual_preset_here("acme/chat") == "chat"
    (folder / "model_index.json").write_text("broken")
    assert usual_preset_here(str(folder)) == "chat"
    assert not is_image_folder(str(folder))


def test_a_folder_is_counted_by_its_configs(folder: Path, shop: Workshop) -> None:
    model = known(str(folder), shop)
    shape = image_shape_of(model)
    assert shape.denoiser.parameters == (24 + 12 + 12 + 3) * 8**2
    (folder / "transformer/config.json").write_text(json.dumps({"num_single_layers": 1}))
    with pytest.raises(SpecError):
        image_shape_of(model)


def test_a_language_model_has_no_image_kind_and_no_image_load() -> None:
    assert image_kind(asked("acme/chat"), a_model(), (a_cpu(),)) is None
    with pytest.raises(SpecError):
        image_kind(asked("acme/chat", workload="image"), a_model(), (a_cpu(),))


def test_terms_are_said_where_there_are_any() -> None:
    dev = replace(a_model(), image_family="flux-dev")
    assert banner(dev) == "licence of FLUX.1 [dev]: FLUX-NC-1.0.1: non-commercial use only"
    assert license_document(dev) == {
        "name": "FLUX-NC-1.0.1",
        "commercial": False,
        "banner": "non-commercial use only",
    }
    schnell = replace(a_model(), image_family="flux-schnell")
    assert banner(schnell) is None
    assert license_document(schnell) == {"name": "Apache-2.0", "commercial": True, "banner": None}
    assert banner(a_model()) is None
    assert license_document(a_model()) is None


def test_a_non_commercial_model_is_planned_once_its_terms_are_accepted(shop: Workshop) -> None:
    model = known("black-forest-labs/FLUX.1-dev", shop)
    request = asked(model.name, hardware=("h100-sxm",))
    with pytest.raises(SpecError) as caught:
        survey_images(request, model, shop, Prices())
    assert caught.value.code is Code.LICENSE_NOT_ACCEPTED
    found = survey_images(replace(request, accept_license=True), model, shop, Prices())
    assert found.placed[0].variant is not None
    request_json = images_document(found)["request"]
    assert isinstance(request_json, dict)
    assert request_json["accept_license"] is True


def test_what_cannot_be_run_is_refused_before_weights_are_fetched(shop: Workshop) -> None:
    dev = "black-forest-labs/FLUX.1-dev"
    with pytest.raises(SpecError) as raised:
        refuse_before_fetching(asked(dev), shop)
    assert raised.value.code is Code.LICENSE_NOT_ACCEPTED
    refuse_before_fetching(asked(dev, accept_license=True), shop)
    with pytest.raises(SpecError, match="ttft"):
        refuse_before_fetching(
            asked("black-forest-labs/FLUX.1-schnell", constraints=("ttft p95 <= 1s",)), shop
        )
    refuse_before_fetching(asked("reference"), shop)  # it is here


def test_every_accelerator_gets_its_price_per_image_or_a_reason(
    shop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    model = known("flux-schnell", shop)
    request = asked("flux-schnell", hardware=("l4", "l40s", "a10g", "mi300x"), priority="cost")
    found = survey_images(request, model, shop, Prices())
    by_name = {one.accelerator: one for one in found.placed}
    l4, l40s = by_name["L4-24GB"], by_name["L40S-48GB"]
    assert l4.variant is not None
    assert dict(l4.variant.knobs)["offload"] is True
    assert l40s.variant is not None
    assert "offload" not in dict(l40s.variant.knobs)
    assert l40s.predicted is not None
    assert l40s.usd_per_hour is not None
    usd = l40s.predicted.metrics["cost_usd_per_image"].value
    rate = l40s.predicted.metrics["requests_per_s"].value
    assert usd == pytest.approx(l40s.usd_per_hour / 3600 / rate)
    assert "GiB" in (by_name["A10G-24GB"].why_not or "")
    amd = next(one for name, one in by_name.items() if name.startswith("MI300X"))
    assert "no back end for AMD" in (amd.why_not or "")
    assert [one.why_not is None for one in found.placed] == [True, True, False, False]
    print_images(found)
    shown = capsys.readouterr().out
    assert "$/image" in shown
    assert "2 cannot" in shown


def test_own_prices_win(shop: Workshop, tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("accelerator,usd_per_device_hour\nL40S-48GB,7.2\n")
    request = asked("flux-schnell", hardware=("l40s",))
    found = survey_images(request, known("flux-schnell", shop), shop, Prices(file=prices))
    assert found.placed[0].usd_per_hour == 7.2
