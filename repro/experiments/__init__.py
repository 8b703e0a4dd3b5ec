"""One folder per item of the paper, or study beyond it.

Each has, and nothing else in the tree changes when one is added, beside its line in a configuration:

- `__init__.py`: in its docstring what it measures, the command, what that costs, and what should come out;
- `settings.py`: `ITEM`, the figure or table it makes; `TABLE`, its table's format; `Settings`; `COLUMNS`, the table's
  columns, what they mean and of which kind they are. What kind of experiment it is follows from `Settings`;
- `measure.py`: `measure`, which returns the table: `measure(snapshot, settings)` of one network where `Settings` is
  a `NetworkSettings`, `measure(history, settings)` of trainings where it is a `TrainingSettings`, else
  `measure(settings)`. An `OutcomeSettings` has none: how trainings ended is measured alike for all;
- `show.py`: `summarise(table)`, the few numbers a reader wants; `plot(table)`, the figure. It imports no torch;
- `claims.py`, where something is claimed or was published: `CLAIMS`, and `published(table)`, the paper's numbers beside
  those of each network. It imports no torch;
- `caption.rst`: the figure's caption.
"""
