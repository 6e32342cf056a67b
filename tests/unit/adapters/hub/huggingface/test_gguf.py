import pytest

from paceline.adapters.hub.huggingface.gguf import gguf_models
from paceline.records.checkpoint import RemoteFile


def files(*names: str) -> list[RemoteFile]:
    return [RemoteFile(path=name, size_bytes=10) for name in names]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("Chat-8B-Q4_K_M.gguf", "gguf-q4_k_m"),
        ("chat.8b.q8_0.gguf", "gguf-q8_0"),
        ("chat-iq2_xxs.gguf", "gguf-iq2_xxs"),
        ("chat-IQ4_NL.gguf", "gguf-iq4_nl"),
        ("chat-Q2_K.gguf", "gguf-q2_k"),
        ("chat-Q6_K_XL.gguf", "gguf-q6_k_xl"),
        ("chat-bf16.gguf", "gguf-bf16"),
        ("Q5_1/chat.gguf", "gguf-q5_1"),
        ("chat-MXFP4.gguf", "gguf-mxfp4"),
        ("chat.gguf", None),
        ("Q4-for-you.gguf", None),
    ],
)
def test_the_name_says_the_quantization(name: str, format_: str | None) -> None:
    assert [model.format for model in gguf_models(files(name))] == [format_]


def test_parts_of_one_model_belong_together() -> None:
    whole, torn = gguf_models(
        files(
            "big-Q8_0-00001-of-00002.gguf",
            "big-Q8_0-00002-of-00002.gguf",
            "torn-Q4_0-00001-of-00003.gguf",
        )
    )
    assert (whole.format, len(whole.files), whole.parts) == ("gguf-q8_0", 2, 2)
    assert (torn.format, len(torn.files), torn.parts) == ("gguf-q4_0", 1, 3)


def test_projectors_matrices_and_other_files_are_no_models() -> None:
    others = files("mmproj-chat-f16.gguf", "imatrix.gguf", "README.md", "a/mmproj-bf16.gguf")
    assert gguf_models(others) == ()
