"""The image engine on the first card of this machine: the contract, and what only a card does."""

import pytest
from tests.contract import test_image_engines as on_cpu
from tests.contract.test_image_engines import installed, pipelines

from paceline.adapters.executors.local import LocalExecutor
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.model import Model
from paceline.testing.engines import Bench

pytestmark = pytest.mark.gpu
__all__ = ["installed", "pipelines"]  # fixtures


class TestDiffusersOnAGpu(on_cpu.TestDiffusers):
    @pytest.fixture(scope="class")
    @classmethod
    def accelerator(cls) -> Accelerator:
        cards = LocalExecutor().inventory()
        return next(card for card in cards if card.kind is AcceleratorKind.GPU)

    @pytest.mark.enable_socket
    def test_fp8_and_compiling_are_seen_to_have_happened(
        self,
        bench: Bench,
        model: Model,
        accelerator: Accelerator,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        if bench.engine.unsupported(model, accelerator, "fp8") is not None:
            pytest.skip(f"{accelerator.name} has no FP8 arithmetic")
        folder = tmp_path_factory.mktemp("fp8")
        flags = ("--compile", "--compile-cache", str(folder))
        with on_cpu.serving(bench, folder / "engine.log", *flags, format_="fp8") as easel:
            easel.paint()
            facts = easel.facts()
        assert facts["quantized"]["fp8 dynamic"] > 0
        assert facts["compiled_calls"] > 0
        assert facts["eager_calls"] == 0

    @pytest.mark.enable_socket
    def test_offload_is_seen_to_have_happened(
        self, bench: Bench, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        log = tmp_path_factory.mktemp("offload") / "engine.log"
        with on_cpu.serving(bench, log, "--offload") as easel:
            easel.paint()
            assert easel.facts()["offloaded"]
