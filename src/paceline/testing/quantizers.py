"""The contract of the Quantizer port. Making checkpoints takes a minute and a core or two."""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.errors import CandidateError
from paceline.ports.hub import Hub
from paceline.ports.quantizer import Quantizer
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment
from paceline.records.model import Model

TEXTS = tuple(
    f"The house with number {number} has {number * 3} windows, and {number} of them face the sea."
    for number in range(16)
)


class QuantizerContract(ABC):
    """What every quantizer promises; subclass it with fixtures for yours."""

    formats: tuple[str, ...] = ()
    """Those to make for real; all that the tool offers when empty."""

    @pytest.fixture
    @abstractmethod
    def quantizer(self) -> Quantizer:
        """The tool."""

    @pytest.fixture
    @abstractmethod
    def environment(self, quantizer: Quantizer) -> Environment:
        """Where it runs."""

    @pytest.fixture
    @abstractmethod
    def model(self) -> Model:
        """A small unquantized model that every format divides."""

    @pytest.fixture
    @abstractmethod
    def hub(self, tmp_path: Path) -> Hub:
        """Checks what was made."""

    def make(
        self,
        quantizer: Quantizer,
        model: Model,
        format_: str,
        environment: Environment,
        cache: Path,
    ) -> Artefact:
        return quantizer.make(
            model,
            format_,
            calibration=Calibration(name="contract", texts=TEXTS),
            environment=environment,
            cache=cache,
            say=lambda _: None,
        )

    def test_what_is_made_is_whole_recorded_and_the_same_every_time(
        self,
        quantizer: Quantizer,
        environment: Environment,
        model: Model,
        hub: Hub,
        tmp_path: Path,
    ) -> None:
        for format_ in self.formats or quantizer.formats():
            first, again = (
                self.make(quantizer, model, format_, environment, tmp_path / cache)
                for cache in ("1", "2")
            )
            folder = Path(first.folder)
            assert first.prepared_s is not None
            assert hashes(folder) == hashes(Path(again.folder)), format_
            receipt = json.loads((folder / "paceline.json").read_text())
            assert receipt["recipe"] == first.recipe
            assert {file["path"]: file["sha256"] for file in receipt["files"]} == hashes(folder)
            assert not list(folder.glob("*.bin"))
            assert hub.find(str(folder)).parameters == model.parameters
            found = self.make(quantizer, model, format_, environment, tmp_path / "1")
            assert found == replace(first, prepared_s=None)

    def test_a_refusal_comes_before_any_work(
        self, quantizer: Quantizer, environment: Environment, model: Model, tmp_path: Path
    ) -> None:
        done = replace(model, format="fp8")
        for format_ in quantizer.formats():
            assert quantizer.refusal(model, format_) is None
            assert quantizer.refusal(done, format_)
            with pytest.raises(CandidateError):
                self.make(quantizer, done, format_, environment, tmp_path)
        assert not (tmp_path / "artefacts").exists()


def hashes(folder: Path) -> dict[str, str]:
    """Of every file but the receipt, which cannot hold its own."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "paceline.json"
    }
