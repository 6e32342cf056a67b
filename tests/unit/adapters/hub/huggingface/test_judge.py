from dataclasses import replace

import pytest

from paceline.adapters.hub.huggingface.client import Repo
from paceline.adapters.hub.huggingface.judge import Base, Documents, judge, stated_bases
from paceline.records.checkpoint import Candidate, Gate, Misfit, RemoteFile

BASE_CONFIG = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100}
AWQ = {**BASE_CONFIG, "quantization_config": {"quant_method": "awq", "bits": 4}}
WEIGHTS = RemoteFile(path="model.safetensors", size_bytes=10)


def repo(name: str = "x/chat-awq", *, tags: tuple[str, ...] = ()) -> Repo:
    return Repo(
        name=name,
        revision="1" * 40,
        tags=tags,
        files=(WEIGHTS,),
        gate=Gate.OPEN,
        licence="mit",
        downloads=1,
        stored=(),
        gguf={},
        summary={},
    )


BASE = Base(repo=repo("acme/chat"), config=BASE_CONFIG, parameters=100_000)


def judged(
    one: Repo, documents: Documents, *, allow_remote_code: bool = False
) -> Candidate | Misfit:
    found, refused = judge(one, documents, BASE, allow_remote_code=allow_remote_code)
    assert len(found) + len(refused) == 1
    return found[0] if found else refused[0]


def test_a_relative_in_another_format_is_a_candidate() -> None:
    found = judged(repo(tags=("base_model:quantized:acme/chat",)), Documents(config=AWQ))
    assert isinstance(found, Candidate)
    assert (found.format, found.files) == ("awq-4", (WEIGHTS,))


def test_the_most_specific_tag_decides_whose_relative_it_is() -> None:
    tags = ("base_model:acme/chat", "base_model:finetune:acme/chat", "region:us")
    assert stated_bases(repo(tags=tags)) == ("acme/chat",)
    both = (*tags, "base_model:quantized:rival/chat")
    assert stated_bases(repo(tags=both)) == ("rival/chat",)
    refused = judged(repo(tags=both), Documents(config=AWQ))
    assert isinstance(refused, Misfit)
    assert (refused.have, refused.need) == ("rival/chat", "acme/chat")


def test_letter_case_of_a_name_is_no_difference() -> None:
    found = judged(repo(tags=("base_model:quantized:ACME/Chat",)), Documents(config=AWQ))
    assert isinstance(found, Candidate)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"model_type": "qwen2"}, "model type"),
        ({"hidden_size": 65}, "hidden size"),
        ({"num_hidden_layers": 3}, "layers"),
        ({"vocab_size": 101}, "vocabulary"),
    ],
)
def test_another_shape_is_refused_with_both_sides(changed: dict[str, object], word: str) -> None:
    refused = judged(repo(), Documents(config={**AWQ, **changed}))
    assert isinstance(refused, Misfit)
    ((key, value),) = changed.items()
    assert refused.reason == f"another {word} than the base"
    assert (refused.have, refused.need) == (str(value), str(BASE_CONFIG[key]))


def test_sizes_may_stand_in_the_language_part_of_a_config() -> None:
    inner = {"text_config": {**AWQ, "hidden_size": 65}, "model_type": "llama"}
    refused = judged(repo(), Documents(config=inner))
    assert isinstance(refused, Misfit)
    assert refused.have == "65"


def test_a_closed_config_is_replaced_by_the_hubs_summary() -> None:
    summary = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    found = judged(replace(repo(), summary=summary), Documents(config=None))
    assert isinstance(found, Candidate)
    assert found.format == "gptq-4"


def test_own_code_is_refused_unless_allowed() -> None:
    documents = Documents(config={**AWQ, "auto_map": {"AutoModel": "x.Y"}})
    assert isinstance(judged(repo(), documents), Misfit)
    assert isinstance(judged(repo(), documents, allow_remote_code=True), Candidate)


def test_an_adapter_is_no_model() -> None:
    adapter = RemoteFile(path="adapter_config.json", size_bytes=1)
    refused = judged(replace(repo(), files=(adapter,)), Documents(config=None))
    assert isinstance(refused, Misfit)
    assert "adapter" in refused.reason


def gguf(total: int) -> Repo:
    files = (
        RemoteFile(path="c-Q4_0.gguf", size_bytes=5),
        RemoteFile(path="c-Q8_0-00001-of-00002.gguf", size_bytes=5),
        RemoteFile(path="c.gguf", size_bytes=5),
    )
    return replace(repo(), files=files, gguf={"total": total}, tags=("imatrix",))


def test_each_whole_gguf_file_is_a_candidate_of_its_own() -> None:
    found, refused = judge(gguf(100_000), Documents(config=None), BASE, allow_remote_code=False)
    assert [(one.format, one.note) for one in found] == [("gguf-q4_0", "importance matrix")]
    assert {(one.have, one.need) for one in refused} == {("1 parts", "2 parts"), (None, None)}


@pytest.mark.parametrize(("total", "fits"), [(99_000, True), (106_400, True), (130_000, False)])
def test_gguf_counts_may_differ_by_a_folded_tensor_or_an_output_head(
    total: int, fits: bool
) -> None:
    found, _ = judge(gguf(total), Documents(config=None), BASE, allow_remote_code=False)
    assert bool(found) is fits
