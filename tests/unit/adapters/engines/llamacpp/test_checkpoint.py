"""GGUF files are made once, whole or not at all; the tools here are shell scripts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.llamacpp.checkpoint import FILE, find_or_make
from paceline.adapters.engines.llamacpp.kitchen import Kitchen
from paceline.errors import CandidateError, Code, SetupError
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment
from paceline.records.model import FileHash, Model
from paceline.testing.builders import a_model

CONVERTS = """
echo "$@" > "{calls}"
while [ "$1" != --outfile ]; do shift; done
echo bf16 > "$2"
echo "pre-tokenizer: qwen2 (found by its rules)"
"""
QUANTIZES = """
echo "$3 of $(cat "$1")" > "$2"
echo "[ 1/ 3] a.weight - [ 256], type = bf16, converting to q4_K .. size = 1 MiB"
echo "[ 2/ 3] b.weight - [ 256], type = bf16, converting to q4_K .. size = 1 MiB"
echo "[ 3/ 3] c.weight - [ 128], type = bf16, converting to q5_0 .. size = 1 MiB"
echo "llama_model_quantize_impl: model size  =     0.69 MiB (16.03 BPW)"
echo "llama_model_quantize_impl: quant size  =     0.27 MiB (6.17 BPW)"
echo "llama_model_quantize_impl: WARNING: 1 of 3 tensor(s) required fallback quantization"
"""


READS = """
echo "$@" > calls
[ "$(wc -w < calibration.txt)" -ge 3 ] || {{ echo you need at least 256 tokens; exit 1; }}
while [ "$1" != --output ]; do shift; done
cp calibration.txt "$2"; cp calls "{calls}"
"""
ROUNDS_BY_MATRIX = """
[ "$1" = --imatrix ] || exit 1
echo "$5 by $(cat "$2")" > "$4"
"""


class Place:
    """A converter, a quantizer, a cache, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.said: list[str] = []
        self.lock: tuple[str, ...] = ("torch==2.13.0", "numpy==2.4.6", "llama-quantize # 7 bytes")
        self.tool("python", CONVERTS.format(calls=self.calls))
        self.tool("llama-quantize", QUANTIZES)

    def tool(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)

    def make(
        self,
        format_: str = "gguf-q4_k_m",
        model: Model | None = None,
        *,
        text: str | None = None,
    ) -> Artefact:
        environment = Environment(
            name="llamacpp",
            python=str(self.bin / "python"),
            bin_dir=str(self.bin),
            lock=self.lock,
            lock_sha256="",
            source_dir="/source",
        )
        kitchen = Kitchen(
            model=model or a_model(),
            environment=environment,
            cache=self.cache,
            say=self.said.append,
            calibration=None if text is None else Calibration(name="mine", texts=(text,)),
        )
        return find_or_make(format_, kitchen)

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.cache / "artefacts/llamacpp").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_makes_once_and_then_finds(place: Place) -> None:
    first, second = place.make(), place.make()
    assert first.prepared_s is not None
    assert second.prepared_s is None
    assert replace(first, prepared_s=None) == second
    assert place.said == ["making small in gguf-bf16", "making small in gguf-q4_k_m"]
    assert (Path(first.folder) / FILE).read_text() == "Q4_K_M of bf16\n"


def test_the_unquantized_file_is_shared(place: Place) -> None:
    place.make("gguf-q8_0")
    place.make("gguf-q4_0")
    assert place.said.count("making small in gguf-bf16") == 1
    assert place.make("gguf-bf16").prepared_s is None


def test_the_converter_gets_the_source_and_the_model(place: Place) -> None:
    place.make("gguf-bf16")
    given = place.calls.read_text().split()
    assert given[1:4] == ["gguf_convert", "/source", "/models/small"]
    assert given[given.index("--outtype") + 1] == "bf16"


def test_the_recipe_has_commands_versions_and_what_became_of_the_tensors(place: Place) -> None:
    recipe = place.make().recipe or ""
    assert "llama-quantize Q4_K_M" in recipe
    assert "torch==2.13.0 llama-quantize # 7 bytes" in recipe
    assert "numpy" not in recipe
    assert "2 tensors q4_K, 1 tensors q5_0" in recipe
    assert "6.17 bits per weight in all" in recipe
    assert "1 of 3 tensors have another type than asked: 256 does not divide" in recipe
    assert "pre-tokenizer: qwen2" in (place.make("gguf-bf16").recipe or "")


def test_another_model_format_or_tool_makes_another(place: Place) -> None:
    other = replace(a_model(), files=(FileHash(path="a", sha256="b", size_bytes=1),))
    made = [place.make(), place.make("gguf-q8_0"), place.make(model=other)]
    place.lock = ("torch==2.14.0",)
    made.append(place.make())
    assert len({artefact.folder for artefact in made}) == 4


@pytest.mark.parametrize("tool", ["python", "llama-quantize"])
def test_a_refusal_leaves_nothing_and_tells_the_last_words(place: Place, tool: str) -> None:
    place.tool(tool, "echo first; echo no such architecture; exit 1")
    with pytest.raises(CandidateError, match="no such architecture") as error:
        place.make()
    assert error.value.code is Code.ENGINE_FAILED
    assert not any(name.startswith((".", "gguf-q4")) for name in place.left() if "lock" not in name)


def test_a_full_disk_is_the_operators_to_mend(place: Place) -> None:
    place.tool("python", "echo 'OSError: [Errno 28] No space left on device'; exit 1")
    with pytest.raises(SetupError) as error:
        place.make()
    assert error.value.code is Code.DISK_FULL


def test_an_interrupted_conversion_is_made_again(place: Place) -> None:
    folder = Path(place.make().folder)
    receipt = json.loads((folder / "paceline.json").read_text())
    (folder / "paceline.json").unlink()
    (folder.parent / f".{folder.name}-killed").mkdir()
    again = place.make()
    assert again.prepared_s is not None
    assert json.loads((folder / "paceline.json").read_text()) == receipt
    assert not any(name.startswith(".") for name in place.left())


def test_an_unwritable_cache_is_told(place: Place) -> None:
    place.cache.write_text("a file where a folder belongs")
    with pytest.raises(SetupError) as error:
        place.make()
    assert error.value.code is Code.CACHE_UNWRITABLE


@pytest.fixture
def reading(place: Place) -> Place:
    """With llama-imatrix, and a quantizer that insists on its matrix."""
    place.tool("llama-imatrix", READS.format(calls=place.calls))
    place.tool("llama-quantize", ROUNDS_BY_MATRIX)
    return place


def test_the_calibration_text_decides_the_file_and_is_in_its_recipe(reading: Place) -> None:
    text = "a text to read"
    first = reading.make("gguf-iq4_xs", text=text)
    assert (Path(first.folder) / FILE).read_text() == "IQ4_XS by a text to read\n"
    sha256 = Calibration(name="mine", texts=(text,)).sha256
    assert f"llama-imatrix -c 128 of mine {sha256[:12]} | llama-quantize IQ4_XS" in str(
        first.recipe
    )
    assert reading.make("gguf-iq4_xs", text=text).prepared_s is None
    assert reading.make("gguf-iq4_xs", text="another text altogether").folder != first.folder


def test_no_path_of_this_machine_gets_into_the_file(reading: Place) -> None:
    reading.make("gguf-q4_k_m-imatrix", text="a text to read")
    given = reading.calls.read_text().split()
    assert given[given.index("--file") + 1] == "calibration.txt"
    assert given[given.index("--output") + 1] == "imatrix.gguf"


def test_a_format_that_needs_a_text_is_refused_without_one(reading: Place) -> None:
    with pytest.raises(CandidateError, match="gguf-iq4_xs needs a text"):
        reading.make("gguf-iq4_xs")


def test_a_text_too_short_is_told_in_the_tools_words(reading: Place) -> None:
    with pytest.raises(CandidateError, match="at least 256 tokens"):
        reading.make("gguf-iq4_xs", text="short")


def test_an_installation_without_the_tool_is_named(place: Place) -> None:
    with pytest.raises(CandidateError, match="no llama-imatrix in"):
        place.make("gguf-iq4_xs", text="a text to read")
