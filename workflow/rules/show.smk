# One rule per experiment: its figure and the few numbers that go with it, from its table; and the item's names as targets.

for experiment, entry in EXPERIMENTS.items():

    rule:
        name:
            f"show_{experiment}"
        input:
            dependencies.of_showing(experiment),
            table=f"{RESULTS}/{experiment}.{entry.table}",
            companion=f"{RESULTS}/{experiment}.json",
        output:
            multiext(f"{FIGURES}/{entry.item}", ".pdf", ".png", ".md"),
            figure=report(
                f"{FIGURES}/{entry.item}.svg",
                caption=f"../../repro/experiments/{experiment}/caption.rst",
                category="Figures and tables",
                labels={
                    "item": entry.item,
                    "experiment": experiment,
                    "shows": "figure",
                },
            ),
            numbers=report(
                f"{FIGURES}/{entry.item}.html",
                caption=f"../../repro/experiments/{experiment}/caption.rst",
                category="Figures and tables",
                labels={
                    "item": entry.item,
                    "experiment": experiment,
                    "shows": "numbers",
                },
            ),
        log:
            f"{RESULTS}/logs/{entry.item}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            experiment=experiment,
            looks=jobs.looks_of(configuration, experiment),
            configuration=CONFIGURATION,
        message:
            f"Showing {entry.item} ({experiment})"
        shell:
            "python -m repro show {params.experiment} --tables $(dirname {input.table:q})"
            " --figures $(dirname {output.figure:q}) --config {params.configuration:q} > {log} 2>&1"

    # The item's name and the experiment's ask for the figure and its table, so that a lost table is measured again.
    for target in sorted({entry.item, experiment}):

        rule:
            name:
                target
            input:
                ITEMS[experiment],
            localrule: True


# What this configuration does not make is a target too, which says so.
for entry in catalogue.entries().values():
    if entry.name not in EXPERIMENTS:
        for target in sorted({entry.item, entry.name}):

            rule:
                name:
                    target
                localrule: True
                params:
                    sentence=f"Error: {entry.name} ({entry.item}) is not among the experiments of configuration"
                    f" '{configuration.name}'; add `{entry.name}: {{}}` below its `experiments`.",
                shell:
                    "echo {params.sentence:q} >&2; exit 2"
