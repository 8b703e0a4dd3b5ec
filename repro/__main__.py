"""Every step by hand: `python -m repro STEP --help`.

The steps read the same configuration files as the workflow and write the same files.
"""

import argparse
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from repro import config
from repro.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# torch takes seconds to import, so each step imports what it needs when it runs.


def main(arguments: list[str] | None = None) -> int:
    """Run one step; returns the exit code: 0, or 2 after one clear sentence about what the user can mend."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m repro", description=__doc__)
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)

    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument(
        "--config",
        nargs="+",
        default=["config/quick.yaml"],
        metavar="OVERLAY",
        help="configuration files, or YAML mappings like '{network: {depth: 20}}', laid over each other "
        "(default: config/quick.yaml)",
    )
    configured.add_argument("--threads", type=_positive, default=os.cpu_count(), help="CPU threads (default: all)")

    tables = argparse.ArgumentParser(add_help=False)
    tables.add_argument("--tables", type=Path, default=Path("results/published"), help="folder with the tables")

    waiting = argparse.ArgumentParser(add_help=False)
    waiting.add_argument("--wait", action="store_true", help="wait for a process that does this already; else refuse")

    step = steps.add_parser("data", parents=[configured], help="download or read, verify and decode the images")
    step.set_defaults(run=_data)

    step = steps.add_parser(
        "train", parents=[configured, waiting], help="train one condition with all its seeds, or resume it"
    )
    step.add_argument("condition", help="like batch-0.1: normalisation and learning rate, as in the configuration")
    step.add_argument(
        "--beside",
        nargs="*",
        default=[],
        metavar="CONDITION",
        help="train these too, on a GPU side by side with it",
    )
    step.set_defaults(run=_train)

    step = steps.add_parser("measure", parents=[configured, waiting], help="measure one experiment's table")
    step.add_argument("experiment", help="name or item, like activation_growth or fig5")
    step.set_defaults(run=_measure)

    step = steps.add_parser("plot", parents=[tables], help="draw one experiment's figure and summary from its table")
    step.add_argument("experiment", help="name or item, like activation_growth or fig5")
    step.add_argument("--figures", type=Path, required=True, help="folder to write to")
    step.set_defaults(run=_plot)

    step = steps.add_parser(
        "figures", parents=[tables], help="draw all figures and decide all claims of a folder of tables"
    )
    step.add_argument("--figures", type=Path, default=Path("paper_figures/published"), help="folder to write to")
    step.set_defaults(run=_figures)

    step = steps.add_parser("claims", parents=[tables], help="decide the paper's claims from a folder of tables")
    step.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    step.set_defaults(run=_claims)

    step = steps.add_parser("benchmark", help="measure how fast training is on this machine, in a few minutes")
    step.add_argument("--depth", type=int, default=110, help="depth of the network (default: 110)")
    step.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: auto")
    step.add_argument(
        "--seconds", type=float, default=2.0, help="time for each rung of the ladder and each of 3 rounds (default: 2)"
    )
    step.set_defaults(run=_benchmark)

    step = steps.add_parser("schema", help="write the JSON schema and the reference page of the configuration")
    step.set_defaults(run=_schema)
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _limit_threads(options: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(options.threads)


def _data(options: argparse.Namespace) -> None:
    from repro import datasets, tables

    _limit_threads(options)
    configuration = config.load(options.config)
    data = datasets.load(configuration.data)
    summary = {
        "name": data.name,
        "checksum": data.checksum,
        "train_images": len(data.train_images),
        "test_images": len(data.test_images),
        "classes": list(data.class_names),
    }
    path = tables.results_folder(configuration) / "data.json"
    tables.write_atomically(path, (json.dumps(summary, indent=2) + "\n").encode())
    print(f"{data.name}: {len(data.train_images)} training and {len(data.test_images)} test images -> {path}")


def _train(options: argparse.Namespace) -> None:
    from repro.training import conditions

    _limit_threads(options)
    print(conditions.train(config.load(options.config), options.condition, options.beside, options.wait))


def _measure(options: argparse.Namespace) -> None:
    from repro import experiments, jobs, locks, tables

    configuration = config.load(options.config)
    entry = config.experiment_entry(options.experiment)
    name, folder = entry["name"], tables.results_folder(configuration)
    module = experiments.experiment(name, "measure")
    with locks.alone(folder / f".{name}.lock", f"{name} is being measured", options.wait):
        if entry["needs"] in ("network", "steps"):
            _limit_threads(options)
        start = time.monotonic()
        table = module.measure(configuration)
        settings = jobs.for_experiment(configuration, name)
        provenance = _provenance(configuration, entry["needs"], settings, time.monotonic() - start)
        path = folder / f"{name}.{entry['table']}"
        tables.write(path, table, module.COLUMNS, provenance)
    print(path)


def _provenance(
    configuration: config.Configuration, needs: str, settings: Mapping[str, object], seconds: float
) -> dict[str, object]:
    """Where a table comes from that was measured in `seconds`; of one gathered from training, also its conditions."""
    from repro import tables

    match needs:
        case "nothing":
            return tables.provenance(settings, None, f"{platform.machine()} CPU", seconds)
        case "training":
            from repro.training import results

            trained = results.origins(configuration)
            device = ", ".join(sorted({origin["device"] for origin in trained.values()}))
            seconds += sum(origin["seconds"] for origin in trained.values())
            data = next(iter(trained.values()))["data"]
            return tables.provenance(settings, data, device, seconds) | {"trained": trained}
        case _:
            from repro import datasets, devices

            images = datasets.load(configuration.data)
            data = {"name": images.name, "checksum": images.checksum}
            return tables.provenance(settings, data, devices.describe(devices.prepare(configuration.device)), seconds)


def _plot(options: argparse.Namespace) -> None:
    from repro import experiments, sources, style

    entry = config.experiment_entry(options.experiment)
    module = experiments.experiment(entry["name"], "draw")
    table, provenance = experiments.read_table(options.tables, entry["name"])
    source = sources.source_line(entry["name"], provenance)
    with _explained(entry["name"], options.tables):
        summary, figure = module.summarise(table), module.plot(table)
        checksums = style.save(figure, options.figures, entry["item"], source)
    title = f"{entry['item']}: {entry['name'].replace('_', ' ')}"
    _write_summary(options.figures / f"{entry['item']}.md", title, source, summary, checksums)
    print(options.figures / f"{entry['item']}.pdf")


@contextmanager
def _explained(name: str, folder: Path) -> Iterator[None]:
    """Within the block a table with other content than was measured ends in a sentence, whatever it breaks."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[1]
        raise UserError(
            f"The table of {name} in {folder} cannot be used ({type(error).__name__} in {Path(place.filename).name}, "
            f"line {place.lineno}: {' '.join(str(error).split())}); measure it again. If that does not help, the fault "
            "is in that file."
        ) from error


def _write_summary(
    path: Path, title: str, source: str, table: "pd.DataFrame", checksums: Mapping[str, str] | None = None
) -> None:
    """A summary as Markdown, for people and repositories, and beside it as HTML, for the report.

    `checksums`, by file name, are listed as `sha256sum --check` reads them.
    """
    from repro import tables

    text = f"# {title}\n\n{source}\n\n{tables.markdown(table)}\n"
    if checksums:
        lines = "\n".join(f"{checksum}  {name}" for name, checksum in checksums.items())
        text += f"\n```\n{lines}\n```\n"
    tables.write_atomically(path, text.encode())
    tables.write_atomically(path.with_suffix(".html"), tables.page(title, source, table).encode())


def _present(folder: Path) -> list[str]:
    """Names of the experiments whose tables are in a folder."""
    names = [
        name
        for name in config.experiment_names()
        if (folder / f"{name}.{config.experiment_entry(name)['table']}").exists()
    ]
    if not names:
        raise UserError(f"{folder} holds no experiment's table; measure one or name another folder with --tables.")
    return names


def _figures(options: argparse.Namespace) -> None:
    for name in _present(options.tables):
        _plot(argparse.Namespace(experiment=name, tables=options.tables, figures=options.figures))
    _claims(argparse.Namespace(tables=options.tables, output=options.figures / "claims.md"))


def _claims(options: argparse.Namespace) -> None:
    import pandas as pd

    from repro import claims, experiments, sources

    verdicts = []
    for name in _present(options.tables):
        entry = config.experiment_entry(name)
        module = experiments.experiment(name, "judge")
        table, provenance = experiments.read_table(options.tables, name)
        subject = sources.subject(name, provenance)
        with _explained(name, options.tables):
            verdicts.append(claims.judge(entry["item"], module.CLAIMS, table, subject))
    title = "The paper's claims, decided by the tables measured here"
    table = pd.concat(verdicts)
    counts = [f"{(table['outcome'] == outcome).sum()} {outcome}" for outcome in get_args(claims.Outcome)]
    source = f"Tables of {options.tables}. Of {len(table)} claims: {', '.join(counts)}."
    _write_summary(options.output, title, source, table)
    print(options.output)


def _benchmark(options: argparse.Namespace) -> None:
    from repro import benchmark, tables

    config.validate({"name": "benchmark", "network": {"depth": options.depth}})
    path = benchmark.run(options.depth, options.device, options.seconds)
    table, _ = tables.read(path)
    print(tables.markdown(table))
    print(path)


def _schema(_: argparse.Namespace) -> None:
    from repro import config_reference, tables

    schema = json.dumps(config.Configuration.model_json_schema(), indent=2) + "\n"
    tables.write_atomically(Path("workflow/schemas/configuration.schema.json"), schema.encode())
    tables.write_atomically(Path("docs/configuration.md"), config_reference.reference_page().encode())


if __name__ == "__main__":
    sys.exit(main())
