# One rule per experiment: its figure and the few numbers that go with it, from its table; and the item's names as targets.

for experiment, entry in EXPERIMENTS.items():

    rule:
        name:
            f"draw_{experiment}"
        input:
            dependencies.of_experiment(experiment, "draw").files,
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
            code=dependencies.of_experiment(experiment, "draw").code,
        message:
            f"Drawing {entry['item']} ({experiment})"
        shell:
            "python -m repro plot {params.experiment} --tables $(dirname {input.table:q})"
            " --figures $(dirname {output.figure:q}) > {log} 2>&1"

    # The item's name and the experiment's ask for the figure and its table, so that a lost table is measured again.
    for target in sorted({entry["item"], experiment}):

        rule:
            name:
                target
            input:
                ITEMS[experiment],
            localrule: True
