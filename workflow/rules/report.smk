# What the tables say about the paper's claims, and Snakemake's own report of everything.


rule claims:
    input:
        sources=sorted(
            {
                source
                for experiment in EXPERIMENTS
                for source in dependencies.of_showing(experiment)
            }
        ),
        tables=[
            f"{RESULTS}/{experiment}.{entry.table}"
            for experiment, entry in EXPERIMENTS.items()
        ],
    output:
        markdown=f"{RESULTS}/claims.md",
        page=report(
            f"{RESULTS}/claims.html",
            caption="../report/claims.rst",
            category="Claims",
            labels={"item": "claims", "experiment": "all", "shows": "verdicts"},
        ),
    log:
        f"{RESULTS}/logs/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        configuration=CONFIGURATION,
        looks=[jobs.looks_of(configuration, name) for name in EXPERIMENTS],
    message:
        "Deciding the paper's claims"
    shell:
        "python -m repro claims --tables $(dirname {output.markdown:q}) --output {output.markdown:q}"
        " --config {params.configuration:q} > {log} 2>&1"


rule report:
    input:
        rules.claims.output,
        [
            f"{FIGURES}/{entry.item}.{suffix}"
            for entry in EXPERIMENTS.values()
            for suffix in ("svg", "html")
        ],
        [f"repro/experiments/{experiment}/caption.rst" for experiment in EXPERIMENTS],
        "workflow/report/claims.rst",
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
        "Gathering figures and claims in {output.report}"
    # A second Snakemake, which only reads: the first one holds the lock.
    shell:
        "snakemake figures claims --configfile {params.configuration:q} --report {output.report:q} --nolock > {log} 2>&1"
        " && rm -f $(dirname {output.report:q})/report-incomplete.html"
