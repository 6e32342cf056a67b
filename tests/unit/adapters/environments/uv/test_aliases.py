"""Names that a package asks for itself by are found where they were written."""

from importlib.metadata import distributions
from pathlib import Path

from paceline.adapters.environments.uv.aliases import write_aliases


def test_an_alias_is_a_distribution_of_that_name_and_version(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    write_aliases(tmp_path, ("vllm==0.32.0+cpu",))
    write_aliases(tmp_path, ("vllm==0.32.0+cpu",))  # an interrupted installation goes on
    found = [(found.name, found.version) for found in distributions(path=[str(site)])]
    assert found == [("vllm", "0.32.0+cpu")]
