"""What a model folder holds beside weights: tokenizer, chat template, generation defaults."""

from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.json_files import JsonObject, read_object
from paceline.errors import Code, SpecError

TOKENIZER: Final = "tokenizer.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
GENERATION_CONFIG: Final = "generation_config.json"
_OTHER_TOKENIZERS: Final = (("tokenizer.model",), ("vocab.json", "merges.txt"), ("tekken.json",))
_TEMPLATES: Final = ("chat_template.jinja", "chat_template.json")


def check_text_files(folder: Path) -> None:
    """The tokenizer is there, and every JSON file that engines will parse does parse.

    Raises SpecError: no tokenizer, a broken file.
    """
    for name in (TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG):
        if (folder / name).exists():
            read_object(folder / name)
    alternatives = ((TOKENIZER,), *_OTHER_TOKENIZERS)
    if not any(all((folder / name).exists() for name in names) for names in alternatives):
        raise SpecError(
            Code.BAD_MODEL,
            f"no tokenizer in {str(folder)!r}",
            why=f"none of {', '.join(' + '.join(names) for names in alternatives)} is there",
            fix=f"copy {TOKENIZER} and {TOKENIZER_CONFIG} of the base model into the folder",
        )


def has_chat_template(folder: Path) -> bool:
    """Whether engines can turn messages into a prompt."""
    if any((folder / name).exists() for name in _TEMPLATES):
        return True
    config = folder / TOKENIZER_CONFIG
    return config.exists() and bool(read_object(config).get("chat_template"))


def remote_code(folder: Path, config: JsonObject) -> str | None:
    """The file that asks engines to run code of the model's own (`auto_map`), if one does."""
    if config.get("auto_map"):
        return "config.json"
    tokenizer = folder / TOKENIZER_CONFIG
    if tokenizer.exists() and read_object(tokenizer).get("auto_map"):
        return TOKENIZER_CONFIG
    return None
