"""The only place where a setting has a name, a type, a default and a range.

Defaults are the paper's values: a configuration file says only where it departs from them. From these classes come
the JSON schema (`workflow/schemas/configuration.schema.json`) and the reference page (`docs/configuration.md`);
`python -m repro schema` writes both. Nothing here imports torch, so that planning a workflow stays fast.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from repro.config_errors import explain
from repro.errors import UserError

Normalisation = Literal["batch", "none", "final"]
# What an experiment works on: trained networks, first training steps, untrained networks, or none.
Needs = Literal["training", "steps", "network", "nothing"]
Precision = Literal["float32", "tf32", "bfloat16"]
Initialisation = Literal["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"]


def _number(value: object) -> object:
    """YAML 1.1 reads `1e-4` (no dot) as a string; a number written like that is a number here."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value.strip()):
        return float(value)
    return value


def _depth(value: int) -> int:
    if (value - 2) % 6 or value < 8:
        below = max(8, (value - 2) // 6 * 6 + 2)
        raise ValueError(f"must be 6n+2 with n >= 1, like 8, 20, 32, 56 or 110; nearest: {below} or {below + 6}")
    return value


def _bounded(value: int) -> int:
    if value > 1_000_000_000:
        raise ValueError("must be at most 1000000000")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


PositiveNumber = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
NonNegativeNumber = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(_number), Field(ge=0, lt=1)]
Share = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1), AfterValidator(_bounded)]
Depth = Annotated[int, AfterValidator(_depth), AfterValidator(_bounded)]
LayerNumber = Annotated[int, Field(ge=1)]
Text = Annotated[str, AfterValidator(_printable)]


class Section(BaseModel):
    """A group of settings; unknown keys and implicit conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(Section):
    """Which images the networks see."""

    source: Literal["synthetic", "cifar10", "cifar100", "image_folder"] = Field(
        "cifar10",
        description="`synthetic` is embedded and needs no download; `image_folder` reads "
        "`<folder>/train/<class>/*` and `<folder>/test/<class>/*`.",
    )
    folder: Text = Field(
        "data",
        description="Where downloads and decoded images are kept; for `image_folder`, the folder to read.",
    )
    archive: Text | None = Field(
        None,
        description="A local copy of the official archive (`cifar-10-python.tar.gz`) instead of a download.",
    )
    mirrors: list[Text] = Field(
        [], description="Web folders that hold the official archive, tried in order before the original host."
    )
    train_images: Count | None = Field(
        None, description="Use this many training images, equally many of each class; null: all."
    )
    test_images: Count | None = Field(
        None, description="Use this many test images, equally many of each class; null: all."
    )
    label: Text | None = Field(None, description="Name of the data in figures and tables; null: the source's own name.")

    @property
    def name(self) -> str:
        """What figures, tables and captions call the images."""
        own = {"synthetic": "synthetic images", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
        return self.label or own.get(self.source) or os.path.basename(os.path.realpath(os.path.expanduser(self.folder)))

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        if self.archive is not None and self.source not in ("cifar10", "cifar100"):
            raise ValueError(f"archive is for cifar10 and cifar100, not for {self.source}; remove it")
        if self.mirrors and self.source not in ("cifar10", "cifar100"):
            raise ValueError(f"mirrors are for cifar10 and cifar100, not for {self.source}; remove them")
        return self


class Network(Section):
    """The CIFAR residual network (He et al. 2016); normalisation is named by each experiment and condition."""

    depth: Depth = Field(110, description="Number of weighted layers, 6n+2.")
    shortcut: Literal["A", "B"] = Field(
        "B",
        description="Where a stage begins: A subsamples and pads with zero channels, B projects with a 1x1 "
        "convolution. Found by trial: B reproduces Figure 5 and Table 1.",
    )
    initialisation: Initialisation = Field(
        "xavier_normal",
        description="Of every convolution (Xavier recalled from the paper); the classifier keeps PyTorch's default.",
    )
    convolution_bias: bool = Field(
        False, description="Give convolutions a bias, zero at initialisation. Found by trial: without one."
    )


class Condition(Section):
    """One curve of Figure 1: a normalisation, its learning rate and its number of epochs."""

    normalisation: Normalisation = Field(
        description="`batch`: after every convolution; `none`: nowhere; `final`: once, after the last residual block."
    )
    learning_rate: PositiveNumber = Field(description="Initial learning rate; divided by 10 at 50 % and at 75 %.")
    epochs: Count = Field(description="Length of the training cycle in passes over the training images.")

    @property
    def name(self) -> str:
        """Name in tables and file names, like `batch-0.1`."""
        return f"{self.normalisation}-{self.learning_rate:g}"


PAPER_CONDITIONS = [
    Condition(normalisation="batch", learning_rate=0.1, epochs=165),
    Condition(normalisation="batch", learning_rate=0.003, epochs=1320),
    Condition(normalisation="batch", learning_rate=0.0001, epochs=2400),
    Condition(normalisation="none", learning_rate=0.0001, epochs=2400),
]


class Training(Section):
    """Stochastic gradient descent with momentum, every condition with each seed."""

    conditions: list[Condition] = Field(PAPER_CONDITIONS, min_length=1, description="What is trained.")
    seeds: Count = Field(5, description="Networks per condition, seeds 0, 1, ...")
    depth: Depth | None = Field(None, description="Depth of the trained networks; null: `network.depth`.")
    momentum: Fraction = Field(0.9, description="Momentum of SGD (recalled from the paper).")
    weight_decay: NonNegativeNumber = Field(
        5e-4, description="L2 penalty on every parameter (recalled from the paper; He et al. use 1e-4)."
    )
    augmentation: bool = Field(True, description="Random crops after padding by 4 zero pixels, and horizontal flips.")
    precision: Precision = Field(
        "float32",
        description="Arithmetic of training: strict `float32`; `tf32`, which rounds the factors in convolutions and "
        "matrix products to 10 bits on CUDA; or `bfloat16` for activations, with float32 weights. Measurements at "
        "initialisation are always strict.",
    )
    networks_at_once: Count | None = Field(
        None,
        description="Networks that one GPU trains side by side; null: all seeds of a condition. Room for the seeds of "
        "several conditions is filled with those. A CPU trains one after the other.",
    )
    moments_after: list[Share] = Field(
        [0.0, 0.1, 0.5, 1.0],
        min_length=1,
        description="Shares of the training cycle after which moments by depth are recorded, at the end of an epoch.",
    )
    divergence_loss: PositiveNumber = Field(
        1e3, description="A mini-batch loss above this, or not finite, ends a network as `diverged`."
    )
    checkpoint_minutes: NonNegativeNumber = Field(
        5.0, description="Time between checkpoints, also within an epoch; 0: after every epoch."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Training:
        names = [condition.name for condition in self.conditions]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"conditions: {name} is listed {names.count(name)} times; keep one")
        return self


class Seeds(Section):
    """Settings of an experiment that only needs to know how often to repeat itself."""

    seeds: Count = Field(10, description="Independently initialised networks, each with a mini-batch of its own.")


class GradientHistogram(Section):
    """Settings of Figure 2."""

    seeds: Count = Field(30, description="Networks pooled in the histogram, each with a mini-batch of its own.")
    layer: LayerNumber | None = Field(None, description="Layer; null: the paper's 55, or its like at another depth.")


class StepLandscape(Section):
    """Settings of Figure 3."""

    seeds: Count = Field(1, description="Networks; the figure shows the median over them and each one faintly.")
    depth: Depth | None = Field(None, description="Depth of the network; null: `network.depth`.")
    mini_batches: list[Count] = Field([1, 4, 7], min_length=1, description="Training steps that are examined.")
    learning_rate_batch: PositiveNumber = Field(0.1, description="Rate of the training with batch normalisation.")
    learning_rate_none: PositiveNumber = Field(0.0001, description="Rate of the training without.")
    step_minimum: PositiveNumber = Field(1.4e-5, description="Smallest step length.")
    step_maximum: PositiveNumber = Field(0.2, description="Largest step length.")
    points: Annotated[int, Field(ge=2)] = Field(40, description="Step lengths, equally spaced on a log scale.")

    @model_validator(mode="after")
    def _ordered(self) -> StepLandscape:
        if self.step_minimum >= self.step_maximum:
            raise ValueError("step_minimum must be smaller than step_maximum")
        return self


class DivergingUpdate(Section):
    """Settings of Figure 4."""

    seeds: Count = Field(1, description="Networks; the figure shows the first that diverged.")
    depth: Depth | None = Field(None, description="Depth of the network; null: `network.depth`.")
    learning_rate: PositiveNumber = Field(0.003, description="A rate that is too large without normalisation.")
    loss_threshold: PositiveNumber = Field(1e3, description="The update after which the loss exceeds this diverges.")
    maximum_steps: Count = Field(1000, description="Give up, and report so, when nothing diverged until here.")
    points: Annotated[int, Field(ge=2)] = Field(21, description="Positions between 0 and 100 % of the update.")
    layers: list[LayerNumber] | None = Field(
        None, description="Layers; null: the paper's 8, 44 and 80, or their like at another depth."
    )


class InputIndependence(Section):
    """Settings of Table 1."""

    seeds: Count = Field(8, description="Independently initialised networks, each with a mini-batch of its own.")
    layers: list[LayerNumber] | None = Field(
        None, description="Layers; null: the paper's 18, 54 and 90, or their like at another depth."
    )


class ChannelGradients(Section):
    """Settings of Figure 7."""

    seeds: Count = Field(5, description="Networks; the heat map shows the first, the summary all.")
    layer: LayerNumber | None = Field(None, description="Layer; null: the paper's 45, or its like at another depth.")


class LimitingSpectrum(Section):
    """Settings of Figure 8."""

    factors: list[Count] = Field([1, 2, 3, 4, 5], min_length=1, description="Numbers M of multiplied matrices.")


class ProductSpectra(Section):
    """Settings of Figure 9."""

    size: Count = Field(1000, description="Size N of the square Gaussian matrices.")
    factors: list[Count] = Field([1, 3, 5], min_length=1, description="Numbers M of multiplied matrices.")
    draws: Count = Field(10, description="Independent products pooled in each histogram.")
    reference_draws: Annotated[int, Field(ge=2)] = Field(
        20, description="Further products, decomposed by another method, to which the goodness of fit is referred."
    )


class ConditionGrowth(Section):
    """Settings of the condition number against the number of factors (Appendix K)."""

    sizes: list[Count] = Field([100], min_length=1, description="Sizes N of the square Gaussian matrices.")
    factors: list[Count] = Field(
        [1, 2, 4, 8, 16, 32, 64], min_length=1, description="Numbers M of multiplied matrices."
    )
    draws: Count = Field(10, description="Independent products of each size and length.")


ALL_INITIALISATIONS: list[Initialisation] = ["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"]


class LayerOperators(Section):
    """Settings of the singular values of each convolution."""

    seeds: Count = Field(1, description="Independently initialised networks.")
    initialisations: list[Initialisation] = Field(
        ALL_INITIALISATIONS, min_length=1, description="Initialisations that are compared."
    )
    every: Count = Field(1, description="Examine each so many-th convolution, from the first on.")


class JacobianSpectra(Section):
    """Settings of the Jacobian's singular values with depth."""

    seeds: Count = Field(3, description="Independently initialised networks, each with a mini-batch of its own.")
    initialisations: list[Initialisation] = Field(
        ALL_INITIALISATIONS, min_length=1, description="Initialisations that are compared."
    )
    every: Count = Field(
        1, description="Examine each so many-th of nine states from the first block's to the last; the logits always."
    )
    probes: Annotated[int, Field(ge=2)] = Field(2, description="Random start vectors of the Lanczos quadrature.")
    steps: Count = Field(40, description="Lanczos steps from each start vector.")


class ProductAnalogy(Section):
    """Settings of the Jacobians of toy networks against products of random matrices."""

    width: Count = Field(200, description="Width N of the fully connected toy networks.")
    depths: list[Count] = Field([1, 2, 4, 8, 16, 32], min_length=1, description="Numbers M of weight matrices.")
    draws: Count = Field(10, description="Independent networks of each kind.")
    initialisations: list[Initialisation] = Field(
        ALL_INITIALISATIONS, min_length=1, description="Initialisations that are compared."
    )


def _experiment(item: str, needs: Needs, table: Literal["csv", "parquet"], default: Section) -> Any:
    """An experiment: the paper's item it regenerates, what it works on, and its table's file format."""
    return Field(
        default,
        description=(type(default).__doc__ or "").strip(),
        json_schema_extra={"item": item, "needs": needs, "table": table},
    )


class Experiments(Section):
    """The experiments; a field's name is the module in `repro/experiments/` that measures and draws it."""

    training_curves: Section = _experiment("fig1", "training", "parquet", Section())
    activations_in_training: Section = _experiment("moments", "training", "parquet", Section())
    gradient_histogram: GradientHistogram = _experiment("fig2", "network", "parquet", GradientHistogram())
    step_landscape: StepLandscape = _experiment("fig3", "steps", "csv", StepLandscape())
    diverging_update: DivergingUpdate = _experiment("fig4", "steps", "parquet", DivergingUpdate())
    activation_growth: Seeds = _experiment("fig5", "network", "parquet", Seeds(seeds=20))
    output_gradients: Seeds = _experiment("fig6", "network", "parquet", Seeds())
    input_independence: InputIndependence = _experiment("table1", "network", "csv", InputIndependence())
    channel_gradients: ChannelGradients = _experiment("fig7", "network", "parquet", ChannelGradients())
    limiting_spectrum: LimitingSpectrum = _experiment("fig8", "nothing", "parquet", LimitingSpectrum())
    product_spectra: ProductSpectra = _experiment("fig9", "nothing", "parquet", ProductSpectra())
    condition_growth: ConditionGrowth = _experiment("condition_number", "nothing", "csv", ConditionGrowth())
    channel_conditioning: Seeds = _experiment("conditioning", "network", "parquet", Seeds())
    layer_operators: LayerOperators = _experiment("operators", "network", "csv", LayerOperators())
    jacobian_spectra: JacobianSpectra = _experiment("jacobian", "network", "parquet", JacobianSpectra())
    product_analogy: ProductAnalogy = _experiment("analogy", "nothing", "parquet", ProductAnalogy())


class Configuration(Section):
    """Everything that decides what a run measures."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = Field(
        description="Results go to `results/<name>/`, figures to `paper_figures/<name>/`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: a CUDA device if there is one.")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="Images in a mini-batch, everywhere.")
    data: Data = Field(Data(), description="Which images the networks see.")
    network: Network = Field(Network(), description="The residual network.")
    training: Training = Field(Training(), description="The training runs of Figure 1.")
    experiments: Experiments = Field(Experiments(), description="Settings of each experiment.")

    @model_validator(mode="after")
    def _layers_exist(self) -> Configuration:
        if self.name == "published":
            raise ValueError("name: `published` is kept for the tables that ship with the package; choose another name")
        for name in Experiments.model_fields:
            settings = getattr(self.experiments, name)
            depth = getattr(settings, "depth", None) or self.network.depth
            layers = [getattr(settings, "layer", None) or 1, *(getattr(settings, "layers", None) or [])]
            for layer in layers:
                if layer >= depth:
                    raise ValueError(
                        f"experiments.{name}: layer {layer} is not a convolution of a network of depth {depth}; "
                        f"choose 1 to {depth - 1}, or null for the paper's place"
                    )
        return self


def experiment_names() -> list[str]:
    """Names of all experiments, in the paper's order."""
    return list(Experiments.model_fields)


def experiment_entry(name: str) -> dict[str, Any]:
    """What the configuration knows of an experiment: its `item` (like `fig5`), `table` format and `extras`.

    `name` is the experiment's name or its item. Raises `UserError` when there is no such experiment.
    """
    for candidate, field in Experiments.model_fields.items():
        entry = field.json_schema_extra
        assert isinstance(entry, dict)
        if name in (candidate, entry["item"]):
            return {"name": candidate, **entry}
    known = ", ".join(f"{name} ({experiment_entry(name)['item']})" for name in experiment_names())
    raise UserError(f"There is no experiment '{name}'; the experiments are {known}.")


def validate(settings: object) -> Configuration:
    """A `Configuration` from nested plain mappings, as read from YAML.

    Raises `UserError` naming the key's path, what is wrong with it and what is allowed.
    """
    if not isinstance(settings, dict):
        raise UserError("The configuration must be a mapping of settings, like `name: quick`.")
    if not settings:
        raise UserError("There is no configuration; add one, like --configfile config/quick.yaml.")
    try:
        return Configuration.model_validate(settings)
    except ValidationError as error:
        raise UserError(
            "Configuration: " + "; ".join(explain(detail, Configuration) for detail in error.errors())
        ) from None


def load(overlays: list[str]) -> Configuration:
    """The configuration that results from laying several files over each other, the last one on top.

    Each overlay is the path of a YAML file, or a YAML mapping itself (`{network: {depth: 20}}`). Mappings are merged
    key by key, lists replaced, as Snakemake does with several `--configfile`. Raises `UserError` when one cannot be
    read or the result is not a valid configuration.
    """
    merged: dict[str, Any] = {}
    for overlay in overlays:
        inline = overlay.lstrip().startswith("{")
        where = "The configuration given inline" if inline else f"Configuration file {overlay}"
        try:
            text = overlay if inline else Path(overlay).read_text(encoding="utf-8")
            settings = yaml.safe_load(text)
            json.dumps(settings, default=str, skipkeys=True)  # an alias inside itself, or a number of 5000 digits
        except OSError as error:
            raise UserError(f"{where} cannot be read ({error.strerror}); check the path.") from None
        except Exception as error:  # PyYAML meets what is wrong in many ways
            place = " ".join(str(error).split())
            raise UserError(f"{where} is not valid YAML: {place}.") from None
        if not isinstance(settings, dict):
            raise UserError(f"{where} must be a mapping of settings, like `name: quick`.")
        _merge(merged, settings)
    return validate(merged)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _merge(below[key], value)
        else:
            below[key] = value
