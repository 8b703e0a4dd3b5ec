# One job per condition of Figure 1, with all its seeds. Checkpoints are in `results/<name>/checkpoints/` and no
# declared outputs: Snakemake deletes the outputs of a job that fails, and a killed job is to resume.


rule train:
    input:
        f"{RESULTS}/data.json",
        dependencies.measuring("repro.training.conditions"),
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
        configuration=lambda wildcards: json.dumps(
            slice_for_condition(configuration, wildcards.condition), ensure_ascii=False
        ),
    message:
        f"Training {{wildcards.condition}}; watch it with: tail -f {{log}}\nAll that is to be trained: {TRAINING_AHEAD}"
    shell:
        "python -m repro train {wildcards.condition} --config {params.configuration:q} --threads {threads} --wait"
        " > {log} 2>&1"
