"""Every step by hand: `python -m repro STEP --help`.

The steps read the same configuration files as the workflow and write the same files.
"""

import argparse
import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path

from repro.machine.errors import UserError

# Here is parsing only; a step's work is in the room it belongs to. torch takes seconds to import, so each step imports
# what it needs when it runs.

MOST_THREADS = 4096


def main(arguments: list[str] | None = None) -> int:
    """Run one step; returns the exit code: 0, or 2 after one clear sentence about what the user can mend.

    What is wrong with the code itself is let through, so that its traceback shows the line.
    """
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if not _output_fails():
            raise
        # Nobody reads what is still to be printed; Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # as by `| head`
            return 0
        print(f"Error: The output cannot be written ({error.strerror}); write it elsewhere.", file=sys.stderr)
        return 2
    return 0


def _output_fails() -> bool:
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m repro", description=__doc__)
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)

    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument(
        "--config",
        nargs="+",
        default=["config/quick.yaml"],
        metavar="OVERLAY",
        help="configuration files, or YAML mappings like '{recipe: {depth: 20}}', laid over each other "
        "(default: config/quick.yaml)",
    )
    threaded = argparse.ArgumentParser(add_help=False)
    threaded.add_argument("--threads", type=_threads, default=os.cpu_count(), help="CPU threads (default: all)")

    tables = argparse.ArgumentParser(add_help=False)
    tables.add_argument("--tables", type=Path, default=Path("results/published"), help="folder with the tables")
    tables.add_argument(
        "--config", nargs="+", metavar="OVERLAY", help="refuse tables that were measured under another configuration"
    )

    waiting = argparse.ArgumentParser(add_help=False)
    waiting.add_argument("--wait", action="store_true", help="wait for a process that does this already; else refuse")

    step = steps.add_parser("data", parents=[configured, threaded], help="download or read, verify and decode images")
    step.add_argument("digest", nargs="?", help="only the images whose settings have this digest")
    step.set_defaults(run=_data)

    step = steps.add_parser(
        "train", parents=[configured, threaded, waiting], help="train recipes with all their seeds, or resume them"
    )
    step.add_argument(
        "recipes",
        nargs="*",
        metavar="RECIPE",
        help="names like none-lr0.003: the normalisation, and what else is not the base's; the longest comes first "
        "(default: all)",
    )
    step.add_argument(
        "--beside", nargs="*", default=[], metavar="RECIPE", help="train these too, on a GPU side by side with the one"
    )
    step.add_argument(
        "--minutes",
        type=_minutes,
        default=math.inf,
        metavar="M",
        help="save what is not done by then and end with exit code 75; the same command goes on",
    )
    step.set_defaults(run=_train)

    step = steps.add_parser("measure", parents=[configured, threaded, waiting], help="measure one experiment's table")
    step.add_argument("experiment", help="name or item, like activation_growth or fig5")
    step.set_defaults(run=_measure)

    step = steps.add_parser("show", parents=[tables], help="draw one experiment's figure and summary from its table")
    step.add_argument("experiment", help="name or item, like activation_growth or fig5")
    step.add_argument("--figures", type=Path, required=True, help="folder to write to")
    step.set_defaults(run=_show)

    step = steps.add_parser("scorecard", parents=[tables], help="decide the claims by a folder of tables")
    step.set_defaults(run=_scorecard)

    step = steps.add_parser("page", parents=[tables], help="make the page of a folder of figures and its scorecard")
    step.add_argument("--figures", type=Path, required=True, help="folder with the figures, to write index.html to")
    step.set_defaults(run=_page)

    step = steps.add_parser(
        "figures", parents=[tables], help="all that can be made of a folder of tables: figures, scorecard and page"
    )
    step.add_argument("--figures", type=Path, default=Path("paper_figures/published"), help="folder to write to")
    step.set_defaults(run=_figures)

    step = steps.add_parser("verify", help="measure shipped tables again and compare them value by value")
    step.add_argument(
        "experiments",
        nargs="*",
        default=["limiting_spectrum", "product_spectra"],
        metavar="experiment",
        help="names or items (default: fig8, which takes seconds, and fig9, minutes; table1 needs CIFAR-10)",
    )
    step.add_argument("--tables", type=Path, default=Path("results/published"), help="folder with the tables")
    step.set_defaults(run=_verify)

    step = steps.add_parser("benchmark", help="measure how fast training is on this machine, in a few minutes")
    step.add_argument("--depth", type=int, default=110, help="depth of the network (default: 110)")
    step.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: auto")
    step.add_argument(
        "--seconds",
        type=_seconds,
        default=2.0,
        help="time for each rung of the ladder and each of 3 rounds (default: 2)",
    )
    step.add_argument(
        "--budget", type=_seconds, default=600.0, metavar="SECONDS", help="leave out what takes longer (default: 600)"
    )
    step.set_defaults(run=_benchmark)

    step = steps.add_parser("schema", help="write what is generated in docs/ and the JSON schema")
    step.set_defaults(run=_schema)
    return parser


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST_THREADS):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_THREADS}, not {text[:40]!r}")
    return int(text)


def _seconds(text: str) -> float:
    return _duration(text, "seconds", 3600)


def _minutes(text: str) -> float:
    return _duration(text, "minutes", 100_000)


def _duration(text: str, unit: str, most: int) -> float:
    duration = math.nan
    with contextlib.suppress(ValueError):
        duration = float(text)
    if not 0 < duration <= most:
        raise argparse.ArgumentTypeError(f"must be a number of {unit} above 0 and up to {most}, not {text[:40]!r}")
    return duration


def _limit_threads(options: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(options.threads)


def _data(options: argparse.Namespace) -> None:
    from repro.images import loading
    from repro.machine.files import write_atomically
    from repro.settings.configuration import load
    from repro.workflow import jobs

    _limit_threads(options)
    configuration = load(options.config)
    found = jobs.images(configuration)
    if options.digest is not None and options.digest not in found:
        raise UserError(f"The configuration has no images '{options.digest}'; it has {', '.join(found)}.")
    for digest, images in found.items():
        if options.digest not in (None, digest):
            continue
        data = loading.load(images)
        summary = {
            "name": data.name,
            "checksum": data.checksum,
            "train_images": len(data.train_images),
            "test_images": len(data.test_images),
            "classes": list(data.class_names),
        }
        path = configuration.images_file(images)
        write_atomically(path, (json.dumps(summary, indent=2) + "\n").encode())
        print(f"{data.name}: {len(data.train_images)} training and {len(data.test_images)} test images -> {path}")


def _train(options: argparse.Namespace) -> None:
    deadline = time.monotonic() + 60 * options.minutes  # from here on: importing torch is part of the time
    from repro.settings.configuration import load
    from repro.training import train
    from repro.workflow import jobs

    if options.beside and len(options.recipes) != 1:
        raise UserError("--beside trains recipes beside one other; name that RECIPE, or all of them without --beside.")
    _limit_threads(options)
    configuration = load(options.config)
    if options.beside:  # of the others the jobs of the workflow write the files
        print(train.train(configuration, options.recipes[0], options.beside, options.wait, deadline))
        return
    groups = jobs.longest_first(configuration, options.recipes or None)
    for path in train.train_all(configuration, groups, options.wait, deadline):
        print(path, flush=True)


def _measure(options: argparse.Namespace) -> None:
    from repro.experiments import measuring
    from repro.settings.catalogue import entry
    from repro.settings.configuration import load

    configuration = load(options.config)
    if configuration.recipes_of(entry(options.experiment).name):
        _limit_threads(options)
    print(measuring.measure(configuration, options.experiment, options.wait))


def _show(options: argparse.Namespace) -> None:
    from repro.experiments import showing
    from repro.settings.configuration import load

    configuration = load(options.config) if options.config else None
    print(showing.show(options.tables, options.figures, options.experiment, configuration))


def _scorecard(options: argparse.Namespace) -> None:
    from repro.experiments import scoring
    from repro.settings.configuration import load

    configuration = load(options.config) if options.config else None
    print("\n".join(scoring.told(scoring.score(options.tables, configuration))))


def _page(options: argparse.Namespace) -> None:
    from repro import page
    from repro.settings.configuration import load

    print(page.write(options.tables, options.figures, load(options.config) if options.config else None))


def _figures(options: argparse.Namespace) -> None:
    from repro.experiments import showing
    from repro.settings.configuration import load

    configuration = load(options.config) if options.config else None
    for name in showing.shown_from(options.tables, configuration):
        print(showing.show(options.tables, options.figures, name, configuration))
    _scorecard(options)
    _page(options)


def _verify(options: argparse.Namespace) -> None:
    from repro.experiments import verifying
    from repro.results import tables

    found = verifying.verify(options.tables, options.experiments)
    print(tables.markdown(found))
    if (found["within"] == "NO").any():
        raise UserError(f"Not all numbers are those of {options.tables}, within the tolerances stated above.")
    print(f"All numbers are those of {options.tables}, within the tolerances stated above.")


def _benchmark(options: argparse.Namespace) -> None:
    from repro.results import tables
    from repro.settings.configuration import validate
    from repro.training import benchmark

    validate({"name": "benchmark", "recipe": {"depth": options.depth}, "experiments": {"limiting_spectrum": {}}})
    path = benchmark.run(options.depth, options.device, options.seconds, options.budget)
    table, _ = tables.read(path)
    print(tables.markdown(table))
    print(path)


def _schema(_: argparse.Namespace) -> None:
    from repro.experiments import rules
    from repro.machine.files import write_atomically
    from repro.settings import reference
    from repro.settings.configuration import Configuration

    schema = json.dumps(Configuration.model_json_schema(), indent=2) + "\n"
    write_atomically(Path("workflow/schemas/configuration.schema.json"), schema.encode())
    write_atomically(Path("docs/configuration.md"), reference.reference_page().encode())
    write_atomically(Path("docs/claims.md"), rules.page().encode())
    readme, story, published = Path("README.md"), Path(rules.STORY), Path("results/published")
    if published.exists():
        write_atomically(readme, rules.with_verdicts(readme.read_text(encoding="utf-8"), published).encode())
        write_atomically(story, rules.with_numbers(story.read_text(encoding="utf-8"), published).encode())


if __name__ == "__main__":
    sys.exit(main())
