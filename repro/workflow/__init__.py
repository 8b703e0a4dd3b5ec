"""What the Snakefile asks: what a step depends on, hours ahead, progress, what is missing after failures."""
