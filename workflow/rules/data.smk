# The images: downloaded or read, verified and decoded once, before anything needs them.

IMAGES = jobs.images(configuration)


rule data:
    input:
        dependencies.of_data(),
        lambda wildcards: IMAGES[wildcards.digest].positions or [],
    output:
        f"{RESULTS}/images/{{digest}}.json",
    log:
        f"{RESULTS}/logs/images-{{digest}}.log",
    wildcard_constraints:
        digest="|".join(IMAGES),
    priority: 3
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: json.dumps(IMAGES[wildcards.digest].decides),
        configuration=CONFIGURATION,
    message:
        "Preparing the images"
    shell:
        "python -m repro data {wildcards.digest} --config {params.configuration:q} --threads {threads} > {log} 2>&1"
