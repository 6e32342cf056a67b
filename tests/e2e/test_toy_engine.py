"""A stranger's engine: a package with one folder and one entry point, and nothing else of ours."""

from pathlib import Path
from textwrap import dedent

import pytest
from tests.e2e.conftest import Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

ADAPTER = '''
"""A toy: Paceline's own fake server under another name, with a knob and a table of its own."""

import json
import sys
from pathlib import Path

import paceline
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, LaunchSpec
from paceline.records.log_signs import cause_of
from paceline.records.support import Need, Support, why_unsupported
from paceline.records.variant import Knob

RUN = Path(paceline.__file__).parent / "runtimes" / "run.py"
SUPPORT = (
    Support(format="bf16", kind=AcceleratorKind.CPU, source="the toy's manual, page 1"),
    Support(
        format="int1",
        kind=AcceleratorKind.CPU,
        features=("abacus",),
        source="the toy's manual, page 2",
    ),
)


class Toy:
    name = "toy"
    version = "0.1"

    def environment(self):
        return None

    def knobs(self):
        return (Knob(name="places", values=(2, 8), when="more requests than places"),)

    def formats(self):
        return ("bf16", "int1")

    def support(self):
        return SUPPORT

    def needs(self):
        return (Need(name="abacus", found=None, why="it counts", fix="buy one"),)

    def unverified(self):
        return "it is a toy"

    def unsupported(self, model, accelerator, format_):
        return why_unsupported(SUPPORT, engine="toy", accelerator=accelerator, format_=format_)

    def prepare(self, model, format_, *, environment, cache, say):
        return Artefact(folder=model.folder, format=format_, sha256=model.sha256, size_bytes=1)

    def launch(self, variant, artefact, *, model, environment, accelerator, port):
        behaviour = {"capacity": dict(variant.knobs).get("places", 2), "token_ms": 2.0}
        return LaunchSpec(
            argv=(
                *(sys.executable, str(RUN), "fake_server", "--behaviour", json.dumps(behaviour)),
                *("--model-name", model.name, "--port", str(port)),
            ),
            env={},
            port=port,
            ready_path="/health",
            model_name=model.name,
            grace_s=2.0,
            ready_timeout_s=300.0,
        )

    def classify(self, end):
        return cause_of(end, ())
'''


@pytest.fixture
def site(tmp_path: Path) -> str:
    """A folder of packages with the toy in it, as pip would leave it."""
    folder = tmp_path / "site"
    (folder / "toy_engine").mkdir(parents=True)
    (folder / "toy_engine/__init__.py").write_text(ADAPTER)
    metadata = folder / "toy_engine-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text(
        dedent("""\
            [paceline.engines]
            toy = toy_engine:Toy
            """)
    )
    return str(folder)


def test_an_engine_is_added_by_a_folder_and_an_entry_point(
    paceline: Paceline, site: str, tmp_path: Path
) -> None:
    model = str(tmp_path / "tiny")
    assert paceline("models", "synth", "tiny", model).code == 0
    short = ("--engine", "toy", "--workload", "reference,duration=0.5s", "--json")
    done = paceline("optimize", model, *short, PYTHONPATH=site)
    assert done.code == 0, done.err
    measured = done.document["variants"]
    assert {v["knobs"].get("places") for v in measured} == {None, 8}
    assert all(v["unverified"] and "unverified" in v["chips"] for v in measured)
    refused = {r["detail"] for r in done.document["rejected"] if r["variant"]["engine"] == "toy"}
    assert any("needs abacus" in detail and "page 2" in detail for detail in refused)

    doctor = paceline("engines", "doctor", "--json", PYTHONPATH=site).document["engines"]
    toy = next(engine for engine in doctor if engine["name"] == "toy")
    assert toy["missing"] == ["abacus"]
    assert toy["unverified"] == "it is a toy"
    assert toy["support"][0]["source"] == "the toy's manual, page 1"
