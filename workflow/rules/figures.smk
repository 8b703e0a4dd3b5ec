# One rule per item of the paper, called like it: its figure and the few numbers that go with it, from its table.

for experiment, entry in EXPERIMENTS.items():

    rule:
        name:
            entry["item"]
        input:
            dependencies.drawing(f"repro.experiments.{experiment}"),
            table=f"{RESULTS}/{experiment}.{entry['table']}",
            companion=f"{RESULTS}/{experiment}.json",
        output:
            multiext(f"{FIGURES}/{entry['item']}", ".pdf", ".png", ".md"),
            figure=report(
                f"{FIGURES}/{entry['item']}.svg",
                caption=f"../report/{entry['item']}.rst",
                category="Figures and tables",
                labels={
                    "item": entry["item"],
                    "experiment": experiment,
                    "shows": "figure",
                },
            ),
            numbers=report(
                f"{FIGURES}/{entry['item']}.html",
                caption=f"../report/{entry['item']}.rst",
                category="Figures and tables",
                labels={
                    "item": entry["item"],
                    "experiment": experiment,
                    "shows": "numbers",
                },
            ),
        log:
            f"{RESULTS}/logs/{entry['item']}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            experiment=experiment,
        message:
            f"Drawing {entry['item']} ({experiment})"
        shell:
            "python -m repro plot {params.experiment} --tables $(dirname {input.table:q})"
            " --figures $(dirname {output.figure:q}) > {log} 2>&1"

    # The experiment's own name asks for its item.
    rule:
        name:
            experiment
        input:
            f"{FIGURES}/{entry['item']}.pdf",
