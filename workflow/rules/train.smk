# One job per run, that is a recipe with all its seeds, for all experiments that ask for it. Where
# `training.networks_at_once` has room for several runs, the job of the first trains them all, and those of the others
# find them trained. Checkpoints are in `results/<name>/checkpoints/` and no declared outputs: Snakemake deletes the
# outputs of a job that was killed, and a killed job is to resume.


rule train:
    input:
        lambda wildcards: sorted(
            {
                str(configuration.images_file(RUNS[run].recipe.images))
                for run in (wildcards.run, *BESIDE.get(wildcards.run, []))
            }
        ),
        lambda wildcards: dependencies.of_training(RUNS[wildcards.run].recipe),
        lambda wildcards: (
            [ancient(str(configuration.history_file(TRAINED_IN[wildcards.run])))]
            if wildcards.run in TRAINED_IN
            else []
        ),
    output:
        table=update(str(configuration.history_file("{run}"))),
        companion=update(str(configuration.history_file("{run}").with_suffix(".json"))),
        networks=[
            update(str(configuration.networks_file("{run}", share)))
            for share in configuration.training.keep
        ],
    log:
        f"{RESULTS}/logs/train-{{run}}.log",
    wildcard_constraints:
        run="|".join(map(re.escape, RUNS)) or "none",
    priority: 2
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=int(configuration.device != "cpu"),
    params:
        beside=lambda wildcards: BESIDE.get(wildcards.run, []),
        settings=lambda wildcards: jobs.settings_of_runs(
            configuration, [wildcards.run, *BESIDE.get(wildcards.run, [])]
        ),
        configuration=CONFIGURATION,
    message:
        f"Training {{wildcards.run}}; watch it with: tail -f {{log}}\nAll that is to be trained: {TRAINING_AHEAD}"
    shell:
        "python -m repro train {wildcards.run} --beside {params.beside:q} --config {params.configuration:q}"
        " --threads {threads} --wait > {log} 2>&1"
