"""The way of an image model through everything but its runtime: a stranger's engine that draws.

Its server draws the colour and the shape that a prompt names, at a place that follows from the
seed. Its int8 adds a little noise, its int4 paints black.
"""

import base64
import json
from pathlib import Path
from textwrap import dedent

import openai
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import serving

from paceline.testing.pipelines import write_pipeline
from paceline.trial.images.png import read_png
from paceline.trial.images.shapes import shows

pytestmark = [
    pytest.mark.alone,
    pytest.mark.e2e,
    pytest.mark.more_engines,
    pytest.mark.enable_socket,
]

ADAPTER = """
import sys
from pathlib import Path

from paceline.records.launch import Artefact, LaunchSpec
from paceline.records.log_signs import cause_of

SERVER = Path(__file__).with_name("server.py")


class Brush:
    name = "brush"
    version = "0.1"

    def environment(self):
        return None

    def knobs(self):
        return ()

    def formats(self):
        return ("bf16", "int8", "int4")

    def pipelines(self):
        return ("StableDiffusion3Pipeline",)

    def unsupported(self, model, accelerator, format_):
        return None

    def prepare(self, model, format_, *, environment, cache, say):
        return Artefact(folder=model.folder, format=format_, sha256=model.sha256, size_bytes=1)

    def launch(self, variant, artefact, *, model, environment, accelerator, port):
        return LaunchSpec(
            argv=(sys.executable, str(SERVER), str(port), variant.format),
            env={},
            port=port,
            ready_path="/health",
            model_name=model.name,
            grace_s=1.0,
            ready_timeout_s=20.0,
        )

    def classify(self, end):
        return cause_of(end, ())
"""
SERVER = """
import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from paceline.testing.pictures import write_png
from paceline.trial.images.shapes import COLOURS

PORT, FORMAT = int(sys.argv[1]), sys.argv[2]
FACTS = {
    "family": "reference-image",
    "pipeline": "StableDiffusion3Pipeline",
    "weights": "bfloat16",
    "linears": 4,
    "quantized": {} if FORMAT == "bf16" else {f"{FORMAT} dynamic": 4},
    "compiled_calls": 0,
    "eager_calls": 9,
    "offloaded": False,
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "steps": 8,
    "guidance": 0.0,
    "compile_cache": "none",
    "phases_s": {"import": 0.1, "load": 0.2},
}


def paint(prompt, seed):
    words = prompt.split()
    pixels = np.full((64, 64, 3), 245, dtype=np.int16)
    chance = np.random.default_rng(seed)
    x, y = chance.integers(22, 42, 2)
    down, across = np.mgrid[0:64, 0:64]
    inside = (abs(across - x) < 14) & (abs(down - y) < 14)
    if "circle" in words:
        inside = (across - x) ** 2 + (down - y) ** 2 < 15**2
    pixels[inside] = next((COLOURS[word] for word in words if word in COLOURS), (0, 0, 0))
    if FORMAT == "int8":
        pixels += chance.integers(-3, 4, pixels.shape, dtype=np.int16)
    if FORMAT == "int4":
        pixels[:] = 0
    return pixels.clip(0, 255).astype(np.uint8)


def item(pixels, asked):
    found = {"b64_json": base64.b64encode(write_png(pixels)).decode()}
    if asked.get("latents"):
        latents = (pixels[::8, ::8].transpose(2, 0, 1) / 128 - 1).astype("<f2")
        found["latents"] = base64.b64encode(latents.tobytes()).decode()
        found["latents_shape"] = list(latents.shape)
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(FACTS if self.path == "/inspect" else {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/v1/images/generations" and asked["size"] == "64x64"
        pixels = paint(asked["prompt"], asked["seed"])
        self.answer({"created": 1, "data": [item(pixels, asked)]})

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""
CONFIGS: dict[str, dict[str, object]] = {
    "transformer": {
        "num_attention_heads": 2,
        "attention_head_dim": 4,
        "num_layers": 1,
        "patch_size": 1,
    },
    "text_encoder": {
        "hidden_size": 4,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "vocab_size": 8,
    },
    "vae": {"block_out_channels": [4, 8, 8, 8], "latent_channels": 4, "layers_per_block": 1},
}


@pytest.fixture
def site(tmp_path: Path) -> str:
    """A folder of packages with the engine in it, as pip would leave it."""
    folder = tmp_path / "site"
    (folder / "brush_engine").mkdir(parents=True)
    (folder / "brush_engine/__init__.py").write_text(ADAPTER)
    (folder / "brush_engine/server.py").write_text(SERVER)
    metadata = folder / "brush_engine-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brush-engine\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text(
        dedent("""\
            [paceline.engines]
            brush = brush_engine:Brush
            """)
    )
    return str(folder)


@pytest.fixture
def order(tmp_path: Path) -> tuple[str, ...]:
    """A run of the smallest image model with a suite of six pictures."""
    folder = write_pipeline(
        tmp_path / "easel",
        "StableDiffusion3Pipeline",
        configs=CONFIGS,
        paceline_family="reference-image",
    )
    items = [
        {"id": f"{colour}-{shape}", "prompt": f"a {colour} {shape}", "seed": seed}
        | {"shows": f"{colour} {shape}"}
        for seed, (colour, shape) in enumerate(
            (colour, shape) for colour in ("red", "blue", "green") for shape in ("circle", "square")
        )
    ]
    suite = tmp_path / "shapes.jsonl"
    suite.write_text("".join(json.dumps(item) + "\n" for item in items))
    return (
        *("optimize", str(folder), "--engine", "brush", "--suite", str(suite), "--price", "0.5"),
        *("--workload", "reference-image,duration=0.4s", "--quality-share", "1", "--json"),
    )


def test_an_image_model_is_measured_ranked_checked_and_served(
    paceline: Paceline, site: str, order: tuple[str, ...], tmp_path: Path
) -> None:
    paceline.env["PYTHONPATH"] = site
    done = paceline(*order)
    assert done.code == 0, done.err
    ranked = {variant["format"]: variant for variant in done.document["variants"]}
    assert set(ranked) == {"bf16", "int8"}
    assert ranked["bf16"]["quality"]["score"] == 1.0
    assert 0.9 < ranked["int8"]["quality"]["against_baseline"]["ratio"] < 1.0
    assert 0.9 < ranked["int8"]["metrics"]["latents_ssim"]["value"] < 1.0
    assert ranked["int8"]["inside"]["quantized"] == {"int8 dynamic": 4}
    assert ranked["int8"]["chips"][:4] == ["8 steps", "gs 0", "FlowMatch", "int8 dynamic"]
    assert "start: import 0.1 s, load 0.2 s" in ranked["int8"]["notes"]
    assert not [name for name in ranked["int8"]["metrics"] if "tok" in name or "ttft" in name]
    (broken,) = (r["detail"] for r in done.document["rejected"] if r["variant"]["format"] == "int4")
    assert broken.startswith("garbage:")
    assert "the picture is black" in broken
    assert "images/s" in done.err
    assert "tokens" not in done.err

    assert paceline("verify", done.document["receipt"]).code == 0
    page = tmp_path / "run.html"
    assert paceline("runs", "show", done.document["run_id"], "--html", str(page)).code == 0
    shown = page.read_text(encoding="utf-8")
    assert "a red circle" in shown
    assert "of latents 1.000" in shown

    said = paceline("deploy", "easel", "--mode", "active").err
    assert "per image, as it was measured" in said
    with serving(paceline) as one:
        one.until(lambda it: it.status("easel")["replicas"]["ready"] == 1, "ready")
        with openai.OpenAI(base_url=one.url, api_key="none") as client:
            first, again = (_painted(client, "a blue circle", seed=4) for _ in range(2))
        assert first == again
        assert shows(read_png(first), "blue circle")
        one.until(lambda _: _usage(paceline)["images"] == 2, "accounted for")
    assert _usage(paceline)["usd"] > 0


def _painted(client: openai.OpenAI, prompt: str, *, seed: int) -> bytes:
    answer = client.images.generate(
        model="easel", prompt=prompt, size="64x64", extra_body={"seed": seed}
    )
    assert answer.data is not None
    return base64.b64decode(answer.data[0].b64_json or "")


def _usage(paceline: Paceline) -> dict[str, float]:
    groups = paceline("usage", "--json").document["usage"]
    found: dict[str, float] = groups[0] if groups else {"images": 0, "usd": 0.0}
    return found
