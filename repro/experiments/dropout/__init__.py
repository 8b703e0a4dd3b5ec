"""Whether networks with batch normalisation need less dropout, and whether the two together hurt.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure dropout` likewise.
What should come out, as introductions to BN say: less or no dropout is needed with BN (Ioffe and Szegedy 2015, arXiv
1502.03167, Section 4.2.1), and the two together may be worse than BN alone (Li et al. 2018, arXiv 1801.05134).
"""
