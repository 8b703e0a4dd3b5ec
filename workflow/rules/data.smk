# The images: downloaded or read, verified and decoded once, before anything needs them.


rule data:
    input:
        dependencies.files("repro.datasets"),
    output:
        f"{RESULTS}/data.json",
    log:
        f"{RESULTS}/logs/data.log",
    priority: 3
    conda:
        "../../environment.yml"
    params:
        configuration=json.dumps(jobs.for_data(configuration), ensure_ascii=False),
    message:
        "Preparing the images"
    shell:
        "python -m repro data --config {params.configuration:q} --threads {threads} > {log} 2>&1"
