"""The page of a run: one static file with every claim, figure and published number, `index.html` beside the figures."""

from repro.page.writing import write

__all__ = ["write"]
