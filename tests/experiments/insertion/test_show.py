import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from repro.experiments.insertion import show
from repro.experiments.insertion.settings import AFTER, BEFORE, COLUMNS, IDENTITY, ORIGINAL, STANDARDISED, VARIANTS
from tests.experiments.tables import keyed

# Test accuracy by variant, before and after fine-tuning, of every seed or of each.
Accuracy = Mapping[str, tuple[float | Sequence[float], float | Sequence[float]]]
GAINING: Accuracy = {ORIGINAL: (0.6, 0.62), IDENTITY: (0.6, (0.68, 0.7, 0.69)), STANDARDISED: ((0.3, 0.2, 0.4), 0.6)}
ROUNDING = 1e-7


def inserted(
    accuracy: Accuracy = GAINING,
    seeds: int = 3,
    shortcut: str = "B",
    rounding: float = ROUNDING,
    after: float = 1.0,
) -> pd.DataFrame:
    """A table of one recipe; the logits of the original have the root mean square 2 and are at most 8."""
    parts = []
    for seed in range(seeds):
        rows = []
        for variant, moment in itertools.product(VARIANTS, (BEFORE, AFTER)):
            value = accuracy[variant][moment == AFTER]
            own = value[seed] if isinstance(value, Sequence) else value
            change = {ORIGINAL: 0.0, IDENTITY: rounding, STANDARDISED: 0.75}[variant] if moment == BEFORE else math.nan
            rows.append(
                {
                    "shortcut": shortcut,
                    "variant": variant,
                    "moment": moment,
                    "status": "diverged" if math.isnan(own) else "finished",
                    "updates": 0 if moment == BEFORE else 50,
                    "learning_rate": 0.01,
                    "dead_channels": 0 if variant == ORIGINAL else 3,
                    "test_accuracy": own,
                    "batch_accuracy": own,
                    "largest_logit": 8.0,
                    "rms_logit": 2.0,
                    "largest_change": 8 * change,
                    "rms_change": 2 * change,
                    "batch_largest_change": 16 * change,
                    "batch_rms_change": 4 * change,
                }
            )
        recipe = "none-plain" if shortcut == "none" else "none"
        parts.append(keyed(pd.DataFrame(rows)[list(COLUMNS)], "none", seed, recipe, after))
    return pd.concat(parts, ignore_index=True)


def both(**settings: object) -> pd.DataFrame:
    """A residual and a plain network."""
    return pd.concat([inserted(**settings), inserted(**settings, shortcut="none")], ignore_index=True)


def test_gains_are_of_the_same_seed():
    found = show.gains(inserted(GAINING | {ORIGINAL: (0.6, (0.6, 0.7, 0.65))}))
    assert found[IDENTITY].to_numpy() == pytest.approx([8, 0, 4])
    assert found[STANDARDISED].to_numpy() == pytest.approx([0, -10, -5])
    assert show.gains(inserted(GAINING | {IDENTITY: (0.6, (math.nan, 0.7, 0.7))}))[IDENTITY].isna().sum() == 1


def test_changes_are_relative_to_the_original_logits():
    found = show.relative_changes(inserted(seeds=1)).set_index("variant")
    assert list(found.index) == [IDENTITY, STANDARDISED]
    assert found["evaluation"].tolist() == pytest.approx([ROUNDING, 0.75])
    assert found["training"].tolist() == pytest.approx([2 * ROUNDING, 1.5])
    assert found["largest"].tolist() == pytest.approx([ROUNDING, 0.75])


def test_summary_has_means_paired_gains_and_changes():
    summary = show.summarise(both())
    assert summary["recipe"].tolist() == ["none"] * 3 + ["none-plain"] * 3
    row = summary.iloc[1]
    assert row["variant"] == IDENTITY
    assert (row["test %, mean"], row["test % fine-tuned"]) == pytest.approx((60, 69))
    half = stats.t.ppf(0.95, 2) * np.std([6, 8, 7], ddof=1) / math.sqrt(3)
    assert (row["gain, points"], row["from"], row["to"]) == pytest.approx((7, 7 - half, 7 + half))
    assert row["relative change of logits"] == pytest.approx(ROUNDING)
    assert row["dead channels, median"] == 3
    assert summary["gain, points"].iloc[0] == 0
    lost = show.summarise(inserted(GAINING | {IDENTITY: (0.6, (math.nan, 0.7, 0.7))}))
    assert lost["diverged in fine-tuning"].tolist() == [0, 1, 0]


def test_the_figure_has_a_panel_for_each_network_the_gain_and_the_change():
    figure = show.plot(both())
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:2] == ["residual network", "plain network"]
    residual, plain, gain, change = figure.axes
    assert residual.get_ylim() == plain.get_ylim()
    bold = [line for line in residual.lines if line.get_linewidth() == 1.8]
    assert [line.get_ydata().tolist() for line in bold] == [
        pytest.approx([60, 62]),
        pytest.approx([60, 69]),
        pytest.approx([30, 60]),
    ]
    assert sum(line.get_linewidth() == 0.7 for line in residual.lines) == 9
    means = [line.get_ydata()[0] for line in gain.lines if line.get_marker() == "_"]
    assert means == pytest.approx([7, -2, 7, -2])
    dots = [line.get_ydata().tolist() for line in change.lines]
    assert dots == [pytest.approx([value] * 6) for value in (ROUNDING, 0.75, 2 * ROUNDING, 1.5)]


def test_several_moments_are_told_apart():
    figure = show.plot(pd.concat([inserted(), inserted(after=0.5)], ignore_index=True))
    assert [axis.get_title() for axis in figure.axes][:2] == [
        "residual network, after 100 %",
        "residual network, after 50 %",
    ]


def test_what_is_missing_zero_or_not_finite_is_counted():
    table = inserted(GAINING | {IDENTITY: (0.6, math.nan)}, rounding=0.0)
    residual, _, change = show.plot(table).axes
    assert [text.get_text() for text in residual.texts] == ["3 diverged"]
    assert [text.get_text() for text in change.texts] == ["6 zero or not finite"]
    nothing = table.assign(rms_change=math.nan, batch_rms_change=math.inf)
    assert [text.get_text() for text in show.plot(nothing).axes[2].texts] == ["12 zero or not finite"]
