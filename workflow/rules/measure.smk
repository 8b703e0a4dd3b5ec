# One rule per experiment: its table in `results/<name>/`, from untrained networks, trained ones or nothing at all. A
# measurement that fails leaves the table of an earlier run in place.

for experiment, entry in EXPERIMENTS.items():

    rule:
        name:
            f"measure_{experiment}"
        input:
            jobs.looked_at(configuration, experiment),
            dependencies.of_measuring(configuration, experiment),
        output:
            table=update(f"{RESULTS}/{experiment}.{entry.table}"),
            companion=update(f"{RESULTS}/{experiment}.json"),
        log:
            f"{RESULTS}/logs/measure-{experiment}.log",
        priority: 1
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            gpu=int(
                configuration.device != "cpu"
                and isinstance(configuration.settings_of(experiment), NetworkSettings)
            ),
        params:
            experiment=experiment,
            settings=json.dumps(configuration.part_of(experiment), ensure_ascii=False),
            configuration=CONFIGURATION,
        message:
            f"Measuring {experiment} ({entry.item})"
        shell:
            "python -m repro measure {params.experiment} --config {params.configuration:q} --threads {threads} --wait"
            " > {log} 2>&1"
