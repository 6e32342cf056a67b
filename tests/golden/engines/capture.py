"""Writes the logs beside it: `python tests/golden/engines/capture.py [ENGINE…] [CAUSE--CASE…]`.

Starts the real engines in ways that fail and keeps what they write, one file per failure, named
`CAUSE--CASE.log`. The first line holds the exit code. Needs the engines' environments; minutes.
"""

import atexit
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from paceline.adapters.engines.diffusers import Diffusers
from paceline.adapters.engines.llamacpp import LlamaCpp
from paceline.adapters.engines.openvino import OpenVino
from paceline.adapters.engines.transformers import Transformers
from paceline.adapters.engines.vllm import Vllm
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.app.places import find_places
from paceline.app.wiring import Workshop
from paceline.ports.engine import Engine, WritesModels
from paceline.records.launch import Environment, LaunchSpec
from paceline.records.model import Model
from paceline.testing.engines import TINY_CONFIG, Bench, Knobs
from paceline.testing.model_hub import DoubleRepo, serve_hub

HERE = Path(__file__).parent
Damage = Callable[[Path], None]
Change = Callable[[LaunchSpec], LaunchSpec]


def truncate(pattern: str) -> Damage:
    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.write_bytes(path.read_bytes()[:1000])

    return damage


def remove(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def remove_folder(name: str) -> Damage:
    return lambda folder: shutil.rmtree(folder / name)


def rewrite_config(**fields: object) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return damage


def overwrite(pattern: str, old: bytes, new: bytes) -> Damage:
    """Replaces the first occurrence; both must have one length."""
    assert len(old) == len(new)

    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            data = path.read_bytes()
            assert old in data, f"{old!r} is not in {path}"
            path.write_bytes(data.replace(old, new, 1))

    return damage


def shorten(pattern: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            data = path.read_bytes()
            path.write_bytes(data[: int(len(data) * share)])

    return damage


def more(*flags: str) -> Change:
    return lambda spec: replace(spec, argv=(*spec.argv, *flags))


def limit_memory(mib: int) -> Change:
    limit = ("/usr/bin/env", "prlimit", f"--as={mib * 2**20}")
    return lambda spec: replace(spec, argv=(*limit, *spec.argv))


def both(first: Change, second: Change) -> Change:
    return lambda spec: second(first(spec))


def instead_of(program: str, other: str) -> Change:
    return lambda spec: replace(
        spec,
        argv=tuple(
            str(Path(part).with_name(other)) if Path(part).name == program else part
            for part in spec.argv
        ),
    )


def other_model(name: str, **variables: str) -> Change:
    """Asks for a model by its name on a hub."""

    def change(spec: LaunchSpec) -> LaunchSpec:
        place = spec.argv.index("serve") + 1
        argv = (*spec.argv[:place], name, *spec.argv[place + 1 :])
        return replace(spec, argv=argv, env={**spec.env, **variables})

    return change


def gated(spec: LaunchSpec) -> LaunchSpec:
    """Asks a hub for a model that it shows to nobody without a token; answers while it lasts."""
    hub = HUB.enter_context(serve_hub())
    hub.add(DoubleRepo(name="acme/gated-8b", files={"config.json": b"{}"}, gated="manual"))
    return other_model("acme/gated-8b", HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url)(spec)


def quantization(bits: int, kind: str, form: str, **weights: object) -> Damage:
    """Claims that the weights were quantized by compressed-tensors."""
    scheme = {"num_bits": bits, "type": kind, "symmetric": True, "dynamic": False, **weights}
    inputs = {"num_bits": 8, "type": kind, "strategy": "tensor", "dynamic": False}
    group = {"targets": ["Linear"], "weights": scheme}
    return rewrite_config(
        quantization_config={
            "quant_method": "compressed-tensors",
            "format": form,
            "config_groups": {
                "group_0": group if kind == "int" else {**group, "input_activations": inputs}
            },
            "ignore": ["lm_head"],
        }
    )


def hide_module(name: str) -> Change:
    folder = Path(tempfile.mkdtemp(prefix="hidden-"))
    atexit.register(shutil.rmtree, folder)
    (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\")")
    return lambda spec: replace(spec, env={**spec.env, "PYTHONPATH": str(folder)})


DAMAGES: dict[str, Mapping[str, Damage]] = {
    "transformers": {
        "bad-checkpoint--truncated-weights": truncate("*.safetensors"),
        "bad-checkpoint--no-weights": remove("model.safetensors"),
        "bad-checkpoint--no-tokenizer": remove("tokenizer.json", "tokenizer_config.json"),
        "bad-checkpoint--broken-tokenizer": truncate("tokenizer.json"),
        "bad-checkpoint--other-shape": rewrite_config(intermediate_size=512),
        "unsupported--unknown-architecture": rewrite_config(
            model_type="nosuch", architectures=["NoSuchForCausalLM"]
        ),
        "unsupported--unknown-class": rewrite_config(architectures=["NoSuchForCausalLM"]),
    },
    "openvino": {
        "bad-checkpoint--truncated-weights": truncate("openvino_model.bin"),
        "bad-checkpoint--no-graph": remove("openvino_model.xml"),
        "bad-checkpoint--no-tokenizer": remove("tokenizer.json"),
        "bad-checkpoint--broken-tokenizer": truncate("tokenizer.json"),
    },
    "llamacpp": {
        "bad-checkpoint--truncated-header": truncate("*.gguf"),
        "bad-checkpoint--truncated-weights": shorten("*.gguf", 0.7),
        "bad-checkpoint--no-file": remove("model.gguf"),
        "bad-checkpoint--no-gguf": overwrite("*.gguf", b"GGUF", b"XXXX"),
        "unsupported--unknown-architecture": overwrite(
            "*.gguf", b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0nosch"
        ),
        "unsupported--unknown-tokenizer": overwrite(
            "*.gguf", b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0nosch"
        ),
    },
}
DAMAGES |= {
    "diffusers": {
        "bad-checkpoint--truncated-weights": truncate("transformer/*.safetensors"),
        "bad-checkpoint--no-weights": remove("vae/diffusion_pytorch_model.safetensors"),
        "bad-checkpoint--no-text-encoder": remove_folder("text_encoder_2"),
        "bad-checkpoint--no-index": remove("model_index.json"),
        "unsupported--other-pipeline": overwrite("model_index.json", b"FluxPipe", b"NoSuPipe"),
    },
    "vllm": {
        **DAMAGES["transformers"],
        "bad-checkpoint--corrupt-shard": shorten("*.safetensors", 0.7),
        "unsupported--no-kernel": quantization(
            8, "int", "pack-quantized", strategy="group", group_size=128
        ),
        "unsupported--group-size": quantization(
            4, "int", "pack-quantized", strategy="group", group_size=96
        ),
        "remote-code--config": rewrite_config(
            model_type="nosuch", auto_map={"AutoConfig": "configuration_nosuch.NoSuchConfig"}
        ),
    },
}
CHANGES: Mapping[str, Mapping[str, Change]] = {
    "transformers": {
        "bad-flag--unknown": more("--no-such-flag"),
        "missing-dependency--no-uvicorn": hide_module("uvicorn"),
        "out-of-memory--weights": limit_memory(740),
    },
    "openvino": {
        "bad-flag--unknown": more("--no-such-flag"),
        "missing-dependency--no-genai": hide_module("openvino_genai"),
        "out-of-memory--cache": more("--cache-gib", "100000"),
        "unsupported--device": more("--device", "NOSUCH"),
    },
    "llamacpp": {
        "bad-flag--unknown": more("--no-such-flag"),
        "bad-flag--value": more("--cache-type-k", "q9_9"),
        "bad-flag--number": more("--parallel", "many"),
        "missing-dependency--no-program": instead_of("llama-server", "no-such-program"),
        "out-of-memory--cache": both(more("--ctx-size", "100000000"), limit_memory(4000)),
        "out-of-memory--threads": limit_memory(160),
    },
    "diffusers": {
        "bad-flag--unknown": more("--no-such-flag"),
        "bad-flag--value": more("--batch", "many"),
        "bad-flag--size": more("--warmup-size", "63x64"),
        "bad-flag--family": more("--family", "{}"),
        "missing-dependency--no-diffusers": hide_module("diffusers"),
        "out-of-memory--import": limit_memory(500),
        "out-of-memory--warmup": both(more("--warmup-size", "2048x2048"), limit_memory(1500)),
        "unsupported--fp8": more("--format", "fp8"),
        "unsupported--no-card": more("--device", "cuda"),
    },
    "vllm": {
        "bad-flag--unknown": more("--no-such-flag"),
        "bad-flag--value": more("--kv-cache-dtype", "q9_9"),
        "bad-flag--contradiction": more("--max-num-seqs", "64", "--max-num-batched-tokens", "32"),
        "bad-flag--tensor-parallel": more("--tensor-parallel-size", "3"),
        "missing-dependency--no-uvloop": hide_module("uvloop"),
        "out-of-memory--small-cache": more("--kv-cache-memory-bytes", "65536"),
        "out-of-memory--large-cache": more("--kv-cache-memory-bytes", "100000000000000"),
        "out-of-memory--start": limit_memory(1200),
        "gated--offline": other_model("acme/gated-8b"),
        "gated--no-token": gated,
    },
}
KNOBS: Mapping[str, Knobs] = {"vllm": (("enforce_eager", True),)}
HUB = ExitStack()


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, HUB:
        for engine in (Transformers(), OpenVino(), LlamaCpp(), Vllm(), Diffusers()):
            if wanted(engine.name):
                capture(engine, Path(scratch) / engine.name)


def wanted(name: str) -> bool:
    """Whether the command line names it, or nothing of its kind."""
    named = [argument for argument in sys.argv[1:] if ("--" in argument) == ("--" in name)]
    return not named or name in named


def capture(engine: Engine, scratch: Path) -> None:
    scratch.mkdir()
    spec = engine.environment()
    assert spec is not None
    environment = Workshop().environments.status(spec).environment
    assert environment is not None, f"paceline engines install {engine.name}"
    model = small_model(engine, environment, scratch)
    bench = Bench(engine, model, environment, scratch / "cache", knobs=KNOBS.get(engine.name, ()))
    for case, damage in DAMAGES[engine.name].items():
        broken = scratch / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(bench.artefact.folder, broken)
        artefact = replace(bench.artefact, folder=str(broken))
        launch = bench.launch(artefact=artefact)
        damage(broken)
        keep(engine, case, moved(launch), scratch)
    for case, change in CHANGES[engine.name].items():
        keep(engine, case, moved(change(bench.launch())), scratch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        keep(engine, "port-in-use--taken", lambda _port: bench.launch(port=port), scratch)


def small_model(engine: Engine, environment: Environment, scratch: Path) -> Model:
    hub, out = LocalHub(scratch / "cache"), scratch / "tiny"
    if isinstance(engine, WritesModels):
        engine.write(engine.shapes()[0].shape, out, seed=1, environment=environment)
        return hub.find(str(out))
    (scratch / "config.json").write_text(json.dumps(TINY_CONFIG))
    return hub.synthesize(str(scratch), out, dtype="bf16", seed=1)


def moved(spec: LaunchSpec) -> Callable[[int], LaunchSpec]:
    """The same launch on whatever port it is given."""

    def build(port: int) -> LaunchSpec:
        argv = tuple(str(port) if part == str(spec.port) else part for part in spec.argv)
        return replace(spec, argv=argv, port=port)

    return build


def keep(engine: Engine, case: str, build: Callable[[int], LaunchSpec], scratch: Path) -> None:
    if not wanted(case):
        return
    log = scratch / f"{case}.log"
    with LocalExecutor().start(build, log_path=log) as server:
        end = server.wait_ready()
    assert end is not None, f"{case} started"
    found = engine.classify(end)
    print(f"{engine.name} {case}: exit {end.exit_code}, classified {found}")  # noqa: T201
    text = end.log_tail.replace(str(scratch), "/models").replace(str(find_places().cache), "/cache")
    text = re.sub(r"/\S*/runtimes/", "/paceline/runtimes/", text)
    text = re.sub(r"/\S*/lib/python3\.\d+/", "/python/", text)
    text = re.sub(r"/tmp/tmp\w+", "/scratch", text)  # noqa: S108 - other scratch folders
    target = HERE / f"{engine.name}-{engine.version}"
    target.mkdir(exist_ok=True)
    (target / log.name).write_text(f"exit {end.exit_code}\n{text}")


if __name__ == "__main__":
    main()
