"""Tables in, tables out: every row is answered, and what cannot be read is refused."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paceline.app.predict import predict_file, read_models
from paceline.cli.main import build
from paceline.errors import Code, SpecError
from paceline.plan.predict import COLUMNS

HEADER = "row_id,model_hf,gpu_spec,n_gpus,engine,precision,isl,osl,concurrency\n"
ROWS = (
    "a,meta-llama/Llama-3.1-8B-Instruct,H100-SXM-80GB,1,vllm,bf16,512,256,16\n"
    "b,acme/unheard-of,H100-SXM-80GB,1,vllm,bf16,512,256,16\n"
    "c,meta-llama/Llama-3.3-70B-Instruct,L4-24GB,1,vllm,bf16,512,256,16\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + ROWS)
    return path


def answers(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["row_id"]: row for row in csv.DictReader(file)}


def test_every_row_is_answered_or_has_its_reason(table: Path, tmp_path: Path) -> None:
    report = predict_file(table, tmp_path / "out.csv")
    found = answers(tmp_path / "out.csv")
    assert tuple(found["a"]) == COLUMNS
    assert (report.rows, report.predicted) == (3, 1)
    assert float(found["a"]["out_tok_s_lo"]) < float(found["a"]["out_tok_s"])
    assert found["b"]["fits"] == "unknown"
    assert found["c"]["fits"] == "no"
    assert "GiB" in found["c"]["reason"]
    assert sum(report.reasons.values()) == 2


def test_a_config_beside_the_table_makes_a_model_known(table: Path, tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 12, "vocab_size": 4096,
        "num_attention_heads": 16, "num_key_value_heads": 4, "intermediate_size": 2816,
    }  # fmt: skip
    for name in ("acme/unheard-of/config.json", "acme--other_config.json"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
    assert set(read_models(tmp_path / "models")) == {"acme/unheard-of", "acme/other"}
    predict_file(table, tmp_path / "out.csv", tmp_path / "models")
    assert answers(tmp_path / "out.csv")["b"]["fits"] == "yes"


def test_models_may_come_as_columns(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_text(
        "model_hf,family,hidden_size,num_hidden_layers,vocab_size,num_attention_heads,"
        "num_key_value_heads,intermediate_size,tie_word_embeddings\n"
        "acme/small,llama,1024,12,4096,16,4,2816,True\n"
    )
    shape = read_models(path)["acme/small"]
    assert shape.layers == 12
    assert shape.tied_embeddings


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("row_id,model_hf\na,b\n")
    with pytest.raises(SpecError, match="gpu_spec") as caught:
        predict_file(path, tmp_path / "out.csv")
    assert caught.value.code is Code.BAD_INPUT_FILE
    path.write_text("row_id,model_hf\n")
    with pytest.raises(SpecError, match="gpu_spec"):
        predict_file(path, tmp_path / "out.csv")
    with pytest.raises(SpecError):
        predict_file(tmp_path / "nowhere.csv", tmp_path / "out.csv")


def test_a_broken_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(SpecError) as caught:
        read_models(tmp_path)
    assert caught.value.code is Code.BAD_MODEL


def test_the_command_counts_the_rows_and_their_reasons(table: Path, tmp_path: Path) -> None:
    words = ["predict", "--table", str(table), "--out", str(tmp_path / "out.csv")]
    done = CliRunner().invoke(build("predict"), [*words, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["rows"], document["predicted"]) == (3, 1)
    told = CliRunner().invoke(build("predict"), words)
    assert "1 of 3 rows predicted" in told.stderr
    assert "1 without: needs" in told.stderr
