# Needs Python >= 3.11, git and make; everything else is set up inside this folder.
.PHONY: help setup reproduce figures verify test check
.DEFAULT_GOAL := help

UV := $(shell uv --version > /dev/null 2>&1 && command -v uv || echo .tools/bin/uv)
BIN := .venv/bin

help:
	@echo "make reproduce   run the whole workflow with config/quick.yaml: embedded images, two CPU cores, minutes"
	@echo "make figures     redraw the published figures from results/published, without measuring anything"
	@echo "make verify      measure two shipped tables again and compare them"
	@echo "make test        check the code and run the tests"
	@echo "make setup       set up the environment in .venv, which the others do by themselves"
	@echo "uv run snakemake --help, uv run python -m repro --help: everything else"

setup: .venv/.ready

.venv/.ready: uv.lock pyproject.toml | $(UV)
	$(UV) sync --locked --compile-bytecode
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv

reproduce: setup
	$(BIN)/snakemake
	@echo
	@cat results/quick/logs/scorecard.log
	@echo
	@echo "All on one page:   paper_figures/quick/index.html (open it in a browser)"
	@echo "Figures:           paper_figures/quick/"
	@echo "Measured tables:   results/quick/"

figures: setup
	$(BIN)/python -m repro figures

verify: setup
	$(BIN)/python -m repro verify

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports --no-cache

# Tests run side by side, each on one thread; those that share a run of the workflow stay together.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup
