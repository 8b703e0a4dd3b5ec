# One rule per experiment: its table in `results/<name>/`, from untrained networks, trained ones or nothing at all.

for experiment, entry in EXPERIMENTS.items():

    rule:
        name:
            f"measure_{experiment}"
        input:
            [f"{RESULTS}/data.json"] if entry["needs"] != "nothing" else [],
            (
                [
                    f"{RESULTS}/training/{condition}{part}.parquet"
                    for condition in CONDITIONS
                    for part in ("", "-moments")
                ]
                if entry["needs"] == "training"
                else []
            ),
            dependencies.of_experiment(experiment, "measure").files,
        output:
            table=f"{RESULTS}/{experiment}.{entry['table']}",
            companion=f"{RESULTS}/{experiment}.json",
        log:
            f"{RESULTS}/logs/measure-{experiment}.log",
        priority: 1
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            gpu=int(
                configuration.device != "cpu"
                and entry["needs"] in ("network", "steps")
            ),
        params:
            experiment=experiment,
            code=dependencies.of_experiment(experiment, "measure").code,
            configuration=json.dumps(
                jobs.for_experiment(configuration, experiment), ensure_ascii=False
            ),
        message:
            f"Measuring {experiment} ({entry['item']})"
        shell:
            "python -m repro measure {params.experiment} --config {params.configuration:q} --threads {threads} --wait"
            " > {log} 2>&1"
