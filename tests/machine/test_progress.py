import pytest

from repro.machine import progress


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (36e4, "100.0 h")],
)
def test_durations(seconds, said):
    assert progress.duration(seconds) == said


def test_a_log_has_one_line_per_piece(capsys):
    assert list(progress.track("abc", "letters")) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["letters: 1/3", "letters: 2/3", "letters: 3/3"]
    assert list(progress.track(iter("ab"), "letters")) == ["a", "b"]
    assert capsys.readouterr().err.splitlines() == ["letters: 1", "letters: 2"]
