# What the tables say about the claims, the page that shows it all, and Snakemake's own report with the graph and the logs.


rule scorecard:
    input:
        sources=dependencies.of_scoring(EXPERIMENTS),
        tables=[
            f"{RESULTS}/{experiment}.{suffix}"
            for experiment, entry in EXPERIMENTS.items()
            for suffix in (entry.table, "json")
        ],
    output:
        multiext(f"{RESULTS}/scorecard_numbers", ".csv", ".json"),
        multiext(f"{RESULTS}/published_values", ".csv", ".json"),
        cards=f"{RESULTS}/scorecard.csv",
        companion=f"{RESULTS}/scorecard.json",
    log:
        f"{RESULTS}/logs/scorecard.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        configuration=CONFIGURATION,
        looks=[jobs.looks_of(configuration, name) for name in EXPERIMENTS],
    message:
        "Deciding the claims"
    shell:
        "python -m repro scorecard --tables $(dirname {output.cards:q}) --config {params.configuration:q} > {log} 2>&1"


rule page:
    input:
        rules.scorecard.output,
        cards=rules.scorecard.output.cards,
        sources=dependencies.of_page(EXPERIMENTS),
        figures=[f"{FIGURES}/{entry.item}.svg" for entry in EXPERIMENTS.values()],
    output:
        f"{FIGURES}/index.html",
    log:
        f"{RESULTS}/logs/page.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        configuration=CONFIGURATION,
    message:
        "Making the page {output}"
    shell:
        "python -m repro page --tables $(dirname {input.cards:q}) --figures $(dirname {output:q})"
        " --config {params.configuration:q} > {log} 2>&1"


rule report:
    input:
        [
            f"{FIGURES}/{entry.item}.{suffix}"
            for entry in EXPERIMENTS.values()
            for suffix in ("svg", "html")
        ],
        [f"repro/experiments/{experiment}/caption.rst" for experiment in EXPERIMENTS],
        "workflow/report/workflow.rst",
    output:
        report=f"{FIGURES}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        configuration=CONFIGURATION,
        measured=json.dumps(config["measured"]),
        settings=json.dumps(configuration.resolved()),
    message:
        "Gathering figures, graph and logs in {output.report}"
    # A second Snakemake, which only reads: the first one holds the lock.
    shell:
        "snakemake figures --configfile {params.configuration:q} --report {output.report:q} --nolock > {log} 2>&1"
        " && rm -f $(dirname {output.report:q})/report-incomplete.html"
