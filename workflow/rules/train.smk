# One job per condition of Figure 1, with all its seeds. Where `training.networks_at_once` has room for several
# conditions, the job of the first trains them all, and those of the others find them trained. Checkpoints are in
# `results/<name>/checkpoints/` and no declared outputs: Snakemake deletes the outputs of a job that fails, and a killed
# job is to resume.


rule train:
    input:
        f"{RESULTS}/data.json",
        dependencies.files("repro.training.conditions"),
        lambda wildcards: (
            [ancient(f"{RESULTS}/training/{TRAINED_IN[wildcards.condition]}.parquet")]
            if wildcards.condition in TRAINED_IN
            else []
        ),
    output:
        table=f"{RESULTS}/training/{{condition}}.parquet",
        companion=f"{RESULTS}/training/{{condition}}.json",
        moments=multiext(
            f"{RESULTS}/training/{{condition}}-moments", ".parquet", ".json"
        ),
    log:
        f"{RESULTS}/logs/train-{{condition}}.log",
    wildcard_constraints:
        condition="|".join(map(re.escape, CONDITIONS)),
    priority: 2
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=int(configuration.device != "cpu"),
    params:
        beside=lambda wildcards: BESIDE.get(wildcards.condition, []),
        configuration=lambda wildcards: json.dumps(
            jobs.for_condition(
                configuration,
                wildcards.condition,
                BESIDE.get(wildcards.condition, []),
            ),
            ensure_ascii=False,
        ),
    message:
        f"Training {{wildcards.condition}}; watch it with: tail -f {{log}}\nAll that is to be trained: {TRAINING_AHEAD}"
    shell:
        "python -m repro train {wildcards.condition} --beside {params.beside:q} --config {params.configuration:q}"
        " --threads {threads} --wait > {log} 2>&1"
