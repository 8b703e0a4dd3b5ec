"""Figure 8: summary and figure."""

import pytest

from repro.experiments.limiting_spectrum import show
from repro.experiments.limiting_spectrum.measure import measure
from repro.experiments.limiting_spectrum.settings import Settings
from tests.experiments.tables import show_and_judge


def test_limiting_spectrum_is_summarised_drawn_and_judged(tmp_path):
    laws = measure(Settings())
    summary, verdicts = show_and_judge("limiting_spectrum", laws, tmp_path)
    assert summary["largest singular value"].to_numpy() == pytest.approx(
        summary["formula ((M+1)^(M+1)/M^M)^(1/2)"].to_numpy()
    )
    figure = show.plot(laws)
    assert [len(axis.lines) for axis in figure.axes] == [5, 5]
    assert list(verdicts["verdict"]) == ["reproduced"]
