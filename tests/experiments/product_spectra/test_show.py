"""Figure 9: histograms against counts, and the fit against brute force."""

import itertools

import numpy as np
import pytest
import scipy.stats

from repro.experiments.product_spectra import show
from repro.random_matrices import singular_value_law
from tests.experiments.tables import show_and_judge


def test_the_table_is_summarised_drawn_and_judged(spectra, tmp_path):
    summary, verdicts = show_and_judge("product_spectra", spectra, tmp_path)
    assert list(summary["M"]) == [1, 3, 5]
    assert set(verdicts["verdict"]) == {"undecided"}  # from four draws


def test_histograms_count_every_singular_value(spectra):
    figure = show.plot(spectra)
    for axis, factors in zip(figure.axes, (1, 3, 5), strict=True):
        measured, expected = (patch.get_data().values for patch in axis.patches)
        assert measured.sum() == 4 * 200
        assert len(measured) == show.BINS
        drawn = spectra[(spectra["factors"] == factors) & (spectra["sample"] == "drawn")]
        values = drawn["singular_value"]
        width = values.max() / show.BINS
        assert measured[0] == sum(value < width for value in values)
        assert expected.sum() == pytest.approx(800, rel=0.01)


def test_published_numbers_stand_only_beside_the_published_set_up(spectra):
    assert show.summarise(spectra)["counts, published"].isna().all()


def test_the_fit_ranks_distances_to_the_law(spectra):
    for factors in (1, 3, 5):
        law = singular_value_law(factors=factors)
        distances = {}
        for (sample, draw), rows in spectra[spectra["factors"] == factors].groupby(["sample", "draw"]):
            distances[sample, draw] = scipy.stats.kstest(rows["singular_value"], law.cdf).statistic
        drawn, reference = ([d for (s, _), d in distances.items() if s == name] for name in ("drawn", "reference"))
        assert (len(drawn), len(reference)) == (4, 20)
        distance, p_value = show.fit(spectra, factors)
        assert distance == pytest.approx(np.median(drawn))
        # By brute force: the share of all ways to choose the four drawn among the 24 whose rank sum is as large.
        ranks = scipy.stats.rankdata(drawn + reference)
        sums = [sum(chosen) for chosen in itertools.combinations(ranks, 4)]
        assert p_value == pytest.approx(np.mean([total >= sum(ranks[:4]) for total in sums]))
