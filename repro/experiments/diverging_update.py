"""Figure 4: what one diverging update does to the channels of a network without batch normalisation.

`python -m repro measure diverging_update --config config/quick.yaml`; on a CPU core a ResNet-110 takes 4 s per training
step until an update diverges, then 1 s per position. What should come out: along the update channel means of both
signs and channel variances explode, the more the deeper the layer.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from repro import datasets, devices, probes, style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.experiments.first_steps import Trainee, trainee
from repro.layers import equivalent_layer
from repro.networks import ResidualNetwork
from repro.progress import track

COLUMNS = {
    "seed": "seed of the network's weights, of the order of its mini-batches and of their augmentation",
    "status": "`diverged`, or `not diverged` when no update did within `maximum_steps`; the update is then the last",
    "step": "training step, from 1, that made the update",
    "learning_rate": "learning rate of the training",
    "position": "place along the update from 0 (weights before) to 1 (weights after)",
    "layer": "layer by the paper's numbers",
    "channel": "output channel of the layer",
    "mean": "mean of the raw output over batch and space, on the update's mini-batch; not finite: float32 overflow",
    "variance": "variance (divided by n) of the same",
    "loss": "mean cross-entropy of the mini-batch at this position, nats",
}

PAPER_LAYERS = (8, 44, 80)
# Read off the published plots: layer -> lowest and highest channel mean, highest channel variance.
PUBLISHED = {8: (-0.9, 1.4, 1.0), 44: (-3900.0, 2700.0, 5.4e6), 80: (-3e8, 1.9e8, 5.5e16)}


def diverges(loss_before: float, loss_after: float, threshold: float) -> bool:
    """Whether an update has raised its own mini-batch's loss above `threshold`, or to no finite number. Figure 4.

    A deep network without BN may begin with a loss above the threshold; an update that lowers it does not diverge.
    """
    return not math.isfinite(loss_after) or loss_after > max(threshold, loss_before)


def train_until_divergence(
    trained: Trainee, threshold: float, maximum_steps: int
) -> tuple[int, bool, ResidualNetwork, Tensor, Tensor]:
    """Train until an update diverges, or for `maximum_steps`.

    Returns the number of the last step, whether its update diverged, a copy of the network before that update, and
    the mini-batch's images and labels; `trained.network` has the weights after it.
    """
    step, diverged = 0, False
    while step < maximum_steps and not diverged:
        step += 1
        images, labels = next(trained.batches)
        loss_before = trained.gradient(images, labels)
        before = copy.deepcopy(trained.network)
        trained.optimiser.step()
        with torch.no_grad():
            loss_after = functional.cross_entropy(trained.network(images), labels).item()
        diverged = diverges(loss_before, loss_after, threshold)
    return step, diverged, before, images, labels


def moments_along_update(
    before: ResidualNetwork, after: nn.Module, images: Tensor, labels: Tensor, positions: list[float], layers: list[int]
) -> pd.DataFrame:
    """Moments of every channel of the raw outputs of `layers` at weights w_before + position (w_after - w_before).

    One row per position, layer and channel with the mini-batch's loss; `position` 0 and 1 have exactly the weights
    before and after. Moments are float64 from float32 outputs. Works on a copy of the networks.
    """
    trial = copy.deepcopy(before)
    depth = trial.depth
    parts = []
    for position in positions:
        with torch.no_grad():
            weights = zip(trial.parameters(), before.parameters(), after.parameters(), strict=True)
            for moved, start, end in weights:
                moved.copy_(torch.lerp(start, end, position))
        outputs = probes.layer_outputs(trial, images, [*layers, depth])
        loss = functional.cross_entropy(outputs[depth], labels).item()
        for layer in layers:
            mean, variance = (moment.cpu().numpy() for moment in probes.channel_moments(outputs[layer]))
            part = pd.DataFrame({"channel": np.arange(len(mean)), "mean": mean, "variance": variance})
            parts.append(part.assign(position=position, layer=layer, loss=loss))
    return pd.concat(parts, ignore_index=True)


def measure(configuration: Configuration) -> pd.DataFrame:
    """Channel moments along each network's diverging update, one row per seed, position, layer and channel.

    Networks without BN are trained as usual, with the momentum, weight decay and augmentation of `training`, at the
    too large rate of this experiment. Raises `UserError` when there are fewer training images than a mini-batch holds.
    """
    settings = configuration.experiments.diverging_update
    updates = track(_updates(configuration), "diverging updates", settings.seeds)
    return pd.concat(updates, ignore_index=True)[list(COLUMNS)]


def _updates(configuration: Configuration) -> Iterator[pd.DataFrame]:
    """One network after another."""
    settings = configuration.experiments.diverging_update
    device = devices.prepare(configuration.device)
    data = datasets.load(configuration.data)
    depth = settings.depth or configuration.network.depth
    layers = settings.layers or [equivalent_layer(layer, depth) for layer in PAPER_LAYERS]
    positions = np.linspace(0, 1, settings.points).tolist()
    for seed in range(settings.seeds):
        trained = trainee(configuration, data, device, "none", depth, settings.learning_rate, seed)
        step, diverged, before, images, labels = train_until_divergence(
            trained, settings.loss_threshold, settings.maximum_steps
        )
        moments = moments_along_update(before, trained.network, images, labels, positions, layers)
        status = "diverged" if diverged else "not diverged"
        yield moments.assign(seed=seed, status=status, step=step, learning_rate=settings.learning_rate)


def ranges(table: pd.DataFrame) -> pd.DataFrame:
    """Along each network's update, per seed and layer: lowest and highest channel mean, highest channel variance.

    A mean that is not finite is left out; a variance that is not counts as infinite.
    """
    finite = table.assign(
        mean=table["mean"].where(np.isfinite(table["mean"])), variance=table["variance"].fillna(np.inf)
    )
    return (
        finite.groupby(["seed", "layer"])
        .agg(
            **{"lowest mean": ("mean", "min"), "highest mean": ("mean", "max"), "highest variance": ("variance", "max")}
        )
        .reset_index()
    )


def shown_seed(table: pd.DataFrame) -> int:
    """The seed that the figure shows: the first that diverged, or the first of all when none did."""
    return int(table.sort_values(["status", "seed"])["seed"].iloc[0])  # `diverged` sorts before `not diverged`


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Ranges of the moments along the figure's update, their spread over the seeds that diverged, published ranges."""
    shown = shown_seed(table)
    seeds = table.groupby("seed").agg(step=("step", "first"), status=("status", "first"))
    losses = table.groupby(["seed", "position"])["loss"].first().unstack()
    overall = seeds.assign(**{"loss before": losses[0.0], "loss after": losses[1.0]}).drop(columns="status")
    diverged = set(seeds.index[seeds["status"] == "diverged"])
    # (layer, quantity) -> value of each seed
    values = {("all", quantity): overall[quantity] for quantity in overall.columns}
    for layer, found in ranges(table).groupby("layer"):
        for quantity in ("lowest mean", "highest mean", "highest variance"):
            values[str(layer), quantity] = found.set_index("seed")[quantity]
    published = {
        (str(layer), quantity): value
        for layer, numbers in PUBLISHED.items()
        for quantity, value in zip(("lowest mean", "highest mean", "highest variance"), numbers, strict=True)
    }
    rows = []
    for (layer_name, quantity), value in values.items():
        spread = value[value.index.isin(diverged)]
        row = {"layer": layer_name, "quantity": quantity, f"seed {shown}": float(value[shown])}
        row |= {f"median of {len(diverged)} diverged seeds": spread.median(), "least": spread.min()}
        row |= {"largest": spread.max()}
        row["published (ResNet-110, CIFAR-10)"] = published.get((layer_name, quantity), np.nan)
        rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Channel means (top) and variances (bottom) along the update, a column for each layer, a line for each channel."""
    update = table[table["seed"] == shown_seed(table)]
    layers = sorted(update["layer"].unique())
    figure, axes = style.panels(2, len(layers), width=max(6.8, 2.3 * len(layers)), height=4.0, sharex=True)
    for column, layer in enumerate(layers):
        for axis, moment in zip(axes[:, column], ("mean", "variance"), strict=True):
            _panel(axis, update[update["layer"] == layer], moment)
        axes[0, column].set_title(f"layer {layer}")
        axes[1, column].set(xlabel="% of the update", xlim=(0, 100))
    axes[0, 0].set_ylabel("channel mean")
    axes[1, 0].set_ylabel("channel variance")
    first = update.iloc[0]
    losses = update.groupby("position")["loss"].first()
    outcome = f"without BN, learning rate {first['learning_rate']:g}, seed {first['seed']}: "
    if first["status"] == "diverged":
        outcome += f"update {first['step']} takes the mini-batch loss from {losses[0.0]:.3g} to {losses[1.0]:.3g}"
    else:
        outcome += f"no update diverged; shown is the last, number {first['step']}"
    figure.suptitle(outcome, fontsize=8.5)
    return figure


def _panel(axis: Axes, moments: pd.DataFrame, moment: str) -> None:
    lines = moments.pivot(index="position", columns="channel", values=moment)
    finite = np.isfinite(lines.to_numpy())
    lines = lines.where(finite)
    order = lines.ffill().iloc[-1].rank(method="first", na_option="bottom").astype(int) - 1
    colours = sns.color_palette("viridis", len(order))
    for channel, rank in order.items():
        axis.plot(100 * lines.index, lines[channel], lw=0.7, color=colours[rank])
    axis.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axis.yaxis.get_offset_text().set_fontsize(7)
    if not finite.all():
        share = (~finite.all(axis=1)).sum()
        text = f"overflow at {share} of {len(lines)} positions"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=7, color="0.3")


def _ends(table: pd.DataFrame) -> pd.DataFrame:
    """Of each diverged network: the first position, and the last at which all moments are finite; `end` tells which.

    A network whose moments are finite at the first position only is left out.
    """
    diverged = table[table["status"] == "diverged"]
    finite = np.isfinite(diverged[["mean", "variance"]]).all(axis=1).groupby([diverged["seed"], diverged["position"]])
    whole = finite.all().reset_index(name="finite").query("finite and position > 0")
    last = diverged["seed"].map(whole.groupby("seed")["position"].max())
    kept = diverged[(diverged["position"] == last) | ((diverged["position"] == 0) & last.notna())]
    return kept.assign(end=kept["position"] > 0)


def _largest_variances(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Largest channel variance before and at the end of the update, one row per diverged seed, one column per layer."""
    largest = _ends(table).groupby(["end", "seed", "layer"])["variance"].max().unstack()
    return largest.loc[False], largest.loc[True]


def _undecidable(table: pd.DataFrame, layers: int) -> str | None:
    """Why the claims cannot be decided, if they cannot."""
    if not (table["status"] == "diverged").any():
        return f"no update diverged, in {table['seed'].nunique()} networks"
    if _ends(table).empty:
        return "moments overflow everywhere along the diverging updates; use a smaller learning rate or more points"
    if table["layer"].nunique() < layers:
        return "only one layer was examined"
    return None


def _both_signs(table: pd.DataFrame) -> Verdict:
    if reason := _undecidable(table, 1):
        return verdict(None, reason)
    ends = _ends(table).query("end").groupby(["seed", "layer"])["mean"].agg(["min", "max"])
    both = (ends["min"] < 0) & (ends["max"] > 0)
    return verdict(bool(both.all()), f"both signs in {both.sum()} of {len(both)} layers of diverged networks")


def _explodes_with_depth(table: pd.DataFrame) -> Verdict:
    if reason := _undecidable(table, 2):
        return verdict(None, reason)
    _, after = _largest_variances(table)
    rises = (after.diff(axis=1).iloc[:, 1:] > 0).all(axis=1) & (after.iloc[:, -1] > 1e6 * after.iloc[:, 0])
    medians = ", ".join(f"{value:.2g} in layer {layer}" for layer, value in after.median().items())
    return verdict(bool(rises.all()), f"holds in {rises.sum()} of {len(rises)} diverged networks; median {medians}")


def _later_grow_more(table: pd.DataFrame) -> Verdict:
    if reason := _undecidable(table, 2):
        return verdict(None, reason)
    before, after = _largest_variances(table)
    growth = np.log10(after / before)
    holds = (growth.diff(axis=1).iloc[:, 1:] > 0).all(axis=1)
    medians = ", ".join(f"{value:.1f} in layer {layer}" for layer, value in growth.median().items())
    return verdict(
        bool(holds.all()),
        f"holds in {holds.sum()} of {len(holds)} diverged networks; median growth in decades: {medians}",
    )


CLAIMS = [
    Claim(
        "At the end of the diverging update channel means take both signs (in every layer examined).",
        "Section 3.2, Figure 4",
        _both_signs,
    ),
    Claim(
        "At the end of the diverging update channel variances explode with depth (the largest rises from each layer "
        "examined to the next, in all by more than 1e6).",
        "Section 3.2, Figure 4",
        _explodes_with_depth,
    ),
    Claim(
        "Along the diverging update the later layers' variances grow more (by a larger factor from each layer examined "
        "to the next).",
        "Section 3.2, Figure 4",
        _later_grow_more,
    ),
]
