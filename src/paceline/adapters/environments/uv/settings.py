"""How uv is to be called on this machine: which indexes, which build of torch.

uv does not read pip's configuration. Whoever set a mirror, a certificate or a folder of wheels for
pip expects it to hold here too, so these settings are handed on.
"""

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PIP_FILES: Final = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_PIP_SECTIONS: Final = ("global", "install")
_NVIDIA: Final = Path("/proc/driver/nvidia/version")


def uv_variables(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """uv's environment variables that say what pip's settings say; what is set for uv wins."""
    variables = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "SSL_CERT_FILE": pip.get("cert", ""),
    }
    if variables["UV_INDEX"]:
        # pip takes the best version over all indexes; uv would stop at the first that has one.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in variables.items() if value and name not in environ}


def pip_settings(environ: Mapping[str, str], files: Sequence[Path] | None = None) -> dict[str, str]:
    """pip's settings by long option name: configuration files, then `PIP_…` variables."""
    settings: dict[str, str] = {}
    for path in _pip_files(environ) if files is None else files:
        parser = configparser.RawConfigParser(strict=False)
        parser.read(path, encoding="utf-8")
        for section in _PIP_SECTIONS:
            if parser.has_section(section):
                settings |= dict(parser.items(section))
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def torch_options(requirements: Sequence[str], find_links: str) -> list[str]:
    """Options that keep several GB of CUDA off a machine without an NVIDIA card.

    A CPU wheel in a local folder wins over PyPI's by its version, without any option.
    """
    if not any(requirement.partition("=")[0] == "torch" for requirement in requirements):
        return []
    if _NVIDIA.exists() or any(_has_cpu_torch(Path(place)) for place in find_links.split(",")):
        return []
    return ["--torch-backend", "cpu"]


def _has_cpu_torch(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("torch-*+cpu-*.whl"))


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    names = [*_PIP_FILES, str(Path(sys.prefix) / "pip.conf"), *([own] if own else [])]
    return [Path(name).expanduser() for name in names]
