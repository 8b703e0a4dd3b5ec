"""The page as a file."""

from pathlib import Path

import jinja2
from markupsafe import Markup

import repro
from repro.machine.files import write_atomically
from repro.page import content, words
from repro.settings.configuration import Configuration

FOLDER = Path(__file__).parent


def write(folder: Path, figures: Path, configuration: Configuration | None = None) -> Path:
    """Write the page of the tables in `folder`, their scorecard and the `figures` drawn from them; returns its path.

    The page is `index.html` among the figures and depends on nothing but these files and the code. `configuration` is
    that of a run of the workflow, whose report then lies beside the page; None: the tables stand for themselves.
    Raises `UserError` when a table, the scorecard or a figure is missing, or tables are not of the configuration.
    """
    gathered = content.gather(folder, figures, configuration)
    path = figures / "index.html"
    write_atomically(path, render(gathered).encode())
    return path


def render(page: content.Page) -> str:
    """The page as HTML; all but figures and captions is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": words.number, "published": words.published, "p_value": words.p_value}
    environment.globals |= {"interval": words.interval, "version": repro.__version__}
    style, script = (Markup((FOLDER / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    return environment.get_template("template.html").render(page=page, style=style, script=script)
