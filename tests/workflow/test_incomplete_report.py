from dataclasses import dataclass
from pathlib import Path

import pytest

from repro.workflow import incomplete_report

KILLED = "It ended without an error message, as when it is killed."


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Error: The images are gone; download them.\n", "The images are gone; download them."),
        ("epoch 1/2\nError: Disk full.\nstopped\n", "Disk full."),
        ("\0\0epoch 1\n\0Error: Disk full.\n", "Disk full."),
        ('Traceback (most recent call last):\n  File "x"\nMemoryError: 3 TB\n\n', "MemoryError: 3 TB"),
        ("epoch 1/2\nstopped\n\n", f"{KILLED} It last said: stopped"),
        ("", KILLED),
        (None, KILLED),
    ],
)
def test_the_sentence_of_a_log(said: str | None, sentence: str, tmp_path: Path):
    log = tmp_path / "step.log"
    if said is not None:
        log.write_text(said)
    assert incomplete_report.sentence(log) == sentence


@dataclass(frozen=True)
class Job:
    log: tuple[Path, ...]


def test_reasons_are_all_failed_jobs_beneath_and_no_others(tmp_path: Path):
    jobs = {name: Job((tmp_path / f"{name}.log",)) for name in ("draw", "measure", "left", "right", "data", "other")}
    for name, job in jobs.items():
        job.log[0].write_text(f"Error: {name} broke.\n")
    draw, measure, left, right, data, other = jobs.values()
    beneath = {draw: [measure], measure: [left, right], left: [data], right: [data], data: [], other: [data]}
    found = incomplete_report.reasons(draw, beneath, {left, right, other})
    assert found == [f"{name} failed: {name} broke. (Log: {tmp_path}/{name}.log)" for name in ("left", "right")]
    assert incomplete_report.reasons(other, beneath, {other})[0].startswith("other failed: other broke.")
    assert incomplete_report.reasons(data, beneath, {left}) == []
