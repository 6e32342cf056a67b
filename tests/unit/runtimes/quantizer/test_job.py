import json
from dataclasses import asdict
from pathlib import Path

from paceline.runtimes.quantizer.job import Job, read_job


def test_a_job_reads_back_as_it_was_written(tmp_path: Path) -> None:
    job = Job(
        model="/m",
        out="/o",
        algorithm="gptq",
        scheme="W8A8",
        ignore=("lm_head",),
        texts=("ä", "b"),
        max_tokens=8,
        seed=0,
        threads=2,
    )
    path = tmp_path / "job.json"
    path.write_text(json.dumps(asdict(job)))
    assert read_job(path) == job
