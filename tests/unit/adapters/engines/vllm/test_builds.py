"""Which build a machine gets."""

from pathlib import Path

from paceline.adapters.engines.vllm.builds import CUDA, build_for_host, cpu_environment
from paceline.records.hardware import AcceleratorKind


def cpu_info(folder: Path, vendor: str, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"vendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n")
    return path


def test_a_loaded_driver_gets_the_build_for_cards(tmp_path: Path) -> None:
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
    (tmp_path / "version").write_text("NVRM version: 580\n")
    build = build_for_host(tmp_path)
    assert (build.kind, build.environment, build.devices) == (AcceleratorKind.GPU, CUDA, 2)


def test_a_driver_that_lists_no_cards_counts_as_one(tmp_path: Path) -> None:
    (tmp_path / "version").touch()
    assert build_for_host(tmp_path).devices == 1


def test_without_a_driver_the_processor_is_served(tmp_path: Path) -> None:
    intel = cpu_info(tmp_path, "GenuineIntel", "avx2 avx512f")
    build = build_for_host(tmp_path / "none", intel)
    assert build.kind is AcceleratorKind.CPU
    assert build.environment == cpu_environment(zen=False)
    assert build_for_host(tmp_path / "none", tmp_path / "none") == build


def test_amd_with_avx512_gets_amds_kernels(tmp_path: Path) -> None:
    zen4 = cpu_info(tmp_path, "AuthenticAMD", "avx2 avx512f")
    assert build_for_host(tmp_path / "none", zen4).environment == cpu_environment(zen=True)
    zen2 = cpu_info(tmp_path, "AuthenticAMD", "avx2")
    assert build_for_host(tmp_path / "none", zen2).environment == cpu_environment(zen=False)


def test_the_build_for_processors_brings_no_cuda_and_answers_to_its_name() -> None:
    environment = cpu_environment(zen=False)
    assert environment.aliases == ("vllm==0.32.0+cpu",)
    assert "torchvision; sys_platform == 'never'" in environment.overrides
    assert environment.requirements[0].startswith("torch==")
