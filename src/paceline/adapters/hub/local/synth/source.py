"""From SHAPE as typed to the config of a model that can be made."""

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.architectures import architecture_of, sizes_of
from paceline.adapters.hub.local.dense import DENSE
from paceline.adapters.hub.local.json_files import JsonObject, read_object
from paceline.adapters.hub.local.synth.shapes import NAMED_SHAPES
from paceline.errors import Code, SpecError

CONFIG: Final = "config.json"


def read_shape(shape: str) -> JsonObject:
    """The config of a named shape, or of a config.json or the folder that holds it.

    Raises SpecError: unknown name, broken config, an architecture that is not a dense
    Llama-shaped decoder, sizes that no attention can have.
    """
    named = NAMED_SHAPES.get(shape.lower())
    config = named.config if named is not None else read_object(_config_path(shape))
    architecture = architecture_of(config)
    if architecture not in DENSE:
        raise SpecError(
            Code.UNSUPPORTED,
            f"cannot make random weights for a {architecture}",
            why=f"the tensors of dense decoders are known: {', '.join(DENSE)}",
            fix=f"give a config.json of one of these, or a name: {', '.join(NAMED_SHAPES)}",
        )
    _check_attention(config)
    return config


def name_of(shape: str) -> str:
    """What to call it: the known name, or that of the model folder or config file, without path."""
    if shape.lower() in NAMED_SHAPES:
        return shape.lower()
    path = Path(shape).expanduser().resolve()
    return path.parent.name if path.name == CONFIG else path.name


def _config_path(shape: str) -> Path:
    path = Path(shape).expanduser()
    if path.is_dir():
        path = path / CONFIG
    if shape and path.exists():
        return path
    near = get_close_matches(shape.lower(), NAMED_SHAPES, n=1)
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no shape is called {shape!r}",
        why=f"it is no config.json, no folder with one, and none of {', '.join(NAMED_SHAPES)}",
        fix=f"did you mean {near[0]!r}?" if near else "give the path of a config.json",
    )


def _check_attention(config: JsonObject) -> None:
    sizes = sizes_of(config)
    if sizes.heads % sizes.kv_heads:
        raise SpecError(
            Code.BAD_MODEL,
            "config.json describes attention that cannot exist",
            why=f"{sizes.heads} attention heads cannot share {sizes.kv_heads} KV heads evenly",
            fix="set num_key_value_heads to a divisor of num_attention_heads",
        )
    if sizes.head_size % 2:
        raise SpecError(
            Code.BAD_MODEL,
            "config.json describes attention that cannot exist",
            why=f"rotary positions turn pairs, and the head size {sizes.head_size} is odd",
            fix="set head_dim to an even number",
        )
