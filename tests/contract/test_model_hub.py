"""What the real client of the hub finds on a double with planted faults."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from huggingface_hub import constants

from paceline.adapters.hub.huggingface import HuggingFaceHub
from paceline.app.hubs import AnyHub
from paceline.errors import CapacityError, Code, SetupError, SpecError
from paceline.records.checkpoint import Gate, Relatives
from paceline.testing.hubs import CONFIG, PARAMETERS, SHAPES, write_model
from paceline.testing.model_hub import TOKEN, DoubleRepo, ModelHub

pytestmark = pytest.mark.enable_socket

BASE = "acme/chat-1b"
MADE_FROM = f"base_model:quantized:{BASE}"
INDEX = "model.safetensors.index.json"


def config(**changed: object) -> bytes:
    return json.dumps({**CONFIG, **changed}).encode()


def quantized(**block: object) -> bytes:
    return config(quantization_config=block)


def index(*shards: str, total_size: int = 0) -> bytes:
    placed = {f"layer.{number}.weight": shard for number, shard in enumerate(shards)}
    return json.dumps({"metadata": {"total_size": total_size}, "weight_map": placed}).encode()


@pytest.fixture
def base(model_hub: ModelHub, tmp_path: Path) -> DoubleRepo:
    folder = write_model(tmp_path / "chat")
    return model_hub.add(
        DoubleRepo(
            name=BASE,
            files={path.name: path.read_bytes() for path in folder.iterdir()},
            tags=("license:mit",),
            downloads=1000,
            stored={"BF16": PARAMETERS},
        )
    )


@pytest.fixture
def relatives_of(model_hub: ModelHub, base: DoubleRepo, tmp_path: Path) -> Relatives:
    """A town of relatives, good and bad."""
    awq = quantized(quant_method="awq", bits=4, group_size=128)
    gptq = quantized(quant_method="gptq", bits=4, group_size=128, desc_act=True)
    fp8 = quantized(quant_method="fp8", activation_scheme="dynamic")
    sidecar = json.dumps({"quantization": {"quant_algo": "NVFP4", "group_size": 16}}).encode()
    small = {"model.safetensors": 700}

    def add(name: str, files: Mapping[str, bytes | int], **more: object) -> None:
        tags = more.pop("tags", (MADE_FROM, "license:mit"))
        model_hub.add(DoubleRepo(name=name, files=files, tags=tags, **more))  # type: ignore[arg-type]

    add("labs/chat-1b-AWQ", {"config.json": awq, **small}, downloads=300)
    add("labs/chat-1b-GPTQ", {"config.json": gptq, **small}, downloads=200, tags=(MADE_FROM,))
    shards = {"a.safetensors": 500, "b.safetensors": 600}
    names = index("a.safetensors", "b.safetensors", total_size=1000)
    add("acme/chat-1b-FP8", {"config.json": fp8, INDEX: names, **shards}, downloads=10)
    add("chips/chat-1b-NVFP4", {"config.json": config(), "hf_quant_config.json": sidecar, **small})
    add(
        "labs/chat-1b-GGUF",
        {"chat-1b-Q4_K_M.gguf": 2000, "chat-1b-Q8_0.gguf": 3600, "mmproj-f16.gguf": 9},
        downloads=900,
        gguf={"total": PARAMETERS, "architecture": "llama"},
    )
    add("labs/chat-1b-int8-behind-a-gate", {"config.json": awq, **small}, gated="manual",
        config={"quantization_config": {"quant_method": "gptq", "bits": 8}})  # fmt: skip
    # Planted faults.
    other = ("base_model:quantized:rival/chat-1b",)
    add("fakes/chat-1b-AWQ", {"config.json": awq, **small}, tags=other, downloads=99999)
    wide = config(hidden_size=32, quantization_config={"quant_method": "awq", "bits": 4})
    add("fakes/chat-1b-wide-AWQ", {"config.json": wide, **small})
    words = config(vocab_size=99, quantization_config={"quant_method": "awq", "bits": 4})
    add("fakes/chat-1b-words-AWQ", {"config.json": words, **small})
    add("fakes/chat-1b-lost-AWQ", {"config.json": awq, INDEX: names, "a.safetensors": 500})
    short = index("a.safetensors", total_size=10**6)
    add("fakes/chat-1b-short-AWQ", {"config.json": awq, INDEX: short, "a.safetensors": 500})
    add("fakes/chat-1b-torn-AWQ", {"config.json": awq, INDEX: b"{", "a.safetensors": 500})
    add("fakes/chat-1b-pickle-AWQ", {"config.json": awq, "pytorch_model.bin": 500})
    code = config(auto_map={"AutoModel": "x.Y"}, quantization_config={"quant_method": "fp8"})
    add("fakes/chat-1b-code-FP8", {"config.json": code, **small})
    add("fakes/chat-1b-odd", {"config.json": quantized(quant_method="zip"), **small})
    add("fakes/chat-1b-plain", {"config.json": config(), **small})
    add("fakes/chat-1b-closed-AWQ", {"config.json": awq, **small}, private=True)
    add("fakes/chat-1b-big-GGUF", {"chat-Q4_0.gguf": 9}, gguf={"total": PARAMETERS * 3})
    return HuggingFaceHub(tmp_path).relatives(BASE, limit=50)


def test_every_kind_of_relative_is_found_with_size_licence_and_commit(
    relatives_of: Relatives, model_hub: ModelHub
) -> None:
    found = {(one.repo, one.format): one for one in relatives_of.candidates}
    assert set(found) == {
        ("labs/chat-1b-AWQ", "awq-4"),
        ("labs/chat-1b-GPTQ", "gptq-4"),
        ("acme/chat-1b-FP8", "fp8"),
        ("chips/chat-1b-NVFP4", "nvfp4"),
        ("labs/chat-1b-GGUF", "gguf-q4_k_m"),
        ("labs/chat-1b-GGUF", "gguf-q8_0"),
        ("labs/chat-1b-int8-behind-a-gate", "gptq-8"),
    }
    awq = found["labs/chat-1b-AWQ", "awq-4"]
    assert (awq.size_bytes, awq.licence, awq.downloads, awq.gate) == (700, "mit", 300, Gate.OPEN)
    assert awq.revision == model_hub.repos["labs/chat-1b-AWQ"].revision
    assert found["acme/chat-1b-FP8", "fp8"].size_bytes == 1100
    assert found["labs/chat-1b-GGUF", "gguf-q4_k_m"].size_bytes == 2000
    assert relatives_of.parameters == PARAMETERS


def test_what_the_authors_made_comes_first_and_what_is_gated_last(relatives_of: Relatives) -> None:
    assert relatives_of.candidates[0].repo == "acme/chat-1b-FP8"
    assert "by the authors of the base" in relatives_of.candidates[0].reasons
    last = relatives_of.candidates[-1]
    assert last.repo == "labs/chat-1b-int8-behind-a-gate"
    assert "gated (manual)" in last.reasons
    gptq = next(one for one in relatives_of.candidates if one.format == "gptq-4")
    assert "licence not stated; the base has mit" in gptq.reasons


FAULTS = {
    "fakes/chat-1b-AWQ": ("made from another model", "rival/chat-1b", BASE),
    "fakes/chat-1b-wide-AWQ": ("another hidden size than the base", "32", "16"),
    "fakes/chat-1b-words-AWQ": ("another vocabulary than the base", "99", "64"),
    "fakes/chat-1b-big-GGUF": ("another number of parameters", "10,128", "3,376"),
    "fakes/chat-1b-closed-AWQ": ("the hub has no model", None, None),
    "fakes/chat-1b-odd": ("quantized by 'zip' in a way that is not known here", None, None),
    "fakes/chat-1b-plain": ("not quantized", None, None),
    "fakes/chat-1b-code-FP8": ("runs Python code of its own", None, None),
    "fakes/chat-1b-pickle-AWQ": ("the weights are pickles", None, None),
    "fakes/chat-1b-torn-AWQ": (f"corrupt {INDEX}", None, None),
    "fakes/chat-1b-lost-AWQ": (f"corrupt {INDEX}: it names shards", "1 shards", "2 shards"),
    "fakes/chat-1b-short-AWQ": (f"corrupt {INDEX}: the shards", "500 bytes", "1,000,000 bytes"),
}


def test_every_planted_fault_is_refused_with_its_reason_and_both_sides(
    relatives_of: Relatives,
) -> None:
    misfits = {one.repo: one for one in relatives_of.misfits}
    assert set(misfits) == set(FAULTS)
    for repo, (reason, have, need) in FAULTS.items():
        misfit = misfits[repo]
        assert misfit.reason.startswith(reason), repo
        assert (misfit.have is None) == (have is None), repo
        assert (misfit.have or "").startswith(have or ""), repo
        assert (misfit.need or "").startswith(need or ""), repo


def test_more_than_the_limit_is_counted_not_forgotten(
    model_hub: ModelHub, relatives_of: Relatives, tmp_path: Path
) -> None:
    assert relatives_of.not_examined == 0
    few = HuggingFaceHub(tmp_path).relatives(BASE, limit=2)
    assert len(few.candidates) + len(few.misfits) >= 2
    assert few.not_examined > 0
    assert model_hub.asked


def test_a_renamed_model_is_asked_for_by_its_present_name(
    model_hub: ModelHub, base: DoubleRepo, tmp_path: Path
) -> None:
    model_hub.renamed["acme/old-name"] = base.name
    assert HuggingFaceHub(tmp_path).relatives("acme/old-name", limit=5).repo == base.name


def test_planning_fetches_no_weights_and_knows_their_hash(
    model_hub: ModelHub, base: DoubleRepo, tmp_path: Path
) -> None:
    hub = AnyHub(tmp_path / "cache")
    before = hub.preview(BASE)
    assert not any("resolve" in line and "safetensors" in line for line in model_hub.asked)
    after = hub.find(BASE)
    assert after.source == f"{BASE}@{base.revision}"
    assert after.name == "chat-1b"
    for field in ("sha256", "architecture", "format", "parameters", "layers", "kv_heads"):
        assert getattr(before, field) == getattr(after, field), field
    assert hub.find(f"{BASE}@{base.revision}").sha256 == after.sha256


def test_offline_what_was_fetched_is_found_and_the_rest_is_not(
    model_hub: ModelHub, base: DoubleRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = AnyHub(tmp_path / "cache")
    online = hub.find(base.name)
    asked = len(model_hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.find(BASE).sha256 == online.sha256
    with pytest.raises(SetupError) as caught:
        hub.find("acme/never-seen")
    assert caught.value.code is Code.HUB_UNREACHABLE
    assert "HF_HUB_OFFLINE" in caught.value.fix
    assert len(model_hub.asked) == asked


def test_a_gated_model_needs_a_token(
    model_hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "gated")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    model_hub.add(DoubleRepo(name="acme/gated", files=files, gated="manual"))
    hub = AnyHub(tmp_path / "cache")
    with pytest.raises(SetupError) as caught:
        hub.find("acme/gated")
    assert caught.value.code is Code.MODEL_GATED
    assert f"{model_hub.url}/acme/gated" in caught.value.fix
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub.find("acme/gated").parameters == PARAMETERS


def test_errors_say_who_must_act(model_hub: ModelHub, base: DoubleRepo, tmp_path: Path) -> None:
    hub = HuggingFaceHub(tmp_path)
    with pytest.raises(SpecError) as absent:
        hub.fetch("acme/nothing", weights=False)
    assert absent.value.code is Code.UNKNOWN_NAME
    with pytest.raises(SpecError) as revision:
        hub.fetch(f"{base.name}@v9", weights=False)
    assert "no revision 'v9'" in revision.value.what
    model_hub.busy = True
    with pytest.raises(CapacityError) as busy:
        hub.fetch(BASE, weights=False)
    assert busy.value.code is Code.RATE_LIMITED
    assert "in 7 s" in busy.value.fix


def test_a_hub_that_is_not_there_is_named(
    model_hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model_hub.url
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SetupError) as caught:
        HuggingFaceHub(tmp_path).fetch(BASE, weights=False)
    assert caught.value.code is Code.HUB_UNREACHABLE
    assert "http://127.0.0.1:9" in caught.value.what


def test_code_of_the_models_own_is_fetched_only_on_request(
    model_hub: ModelHub, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "code", config={**CONFIG, "auto_map": {"AutoModel": "x.Y"}})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    model_hub.add(DoubleRepo(name="acme/code", files={**files, "x.py": b"print('here')"}))
    with pytest.raises(SpecError) as caught:
        AnyHub(tmp_path / "cache").find("acme/code")
    assert "--allow-remote-code" in caught.value.fix
    assert not any(line.endswith("x.py") for line in model_hub.asked)
    trusted = AnyHub(tmp_path / "cache", allow_remote_code=True).find("acme/code")
    assert (Path(trusted.folder) / "x.py").exists()


def test_a_damaged_download_is_found_out(
    model_hub: ModelHub, base: DoubleRepo, tmp_path: Path
) -> None:
    hub = AnyHub(tmp_path / "cache")
    weights = Path(hub.find(base.name).folder) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.resolve().write_bytes(content)
    with pytest.raises(SpecError) as caught:
        hub.find(BASE)
    assert "is damaged" in caught.value.what
    assert len(SHAPES) and model_hub.asked
