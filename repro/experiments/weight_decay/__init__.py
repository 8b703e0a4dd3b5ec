"""Whether networks with batch normalisation need less of the L2 penalty on the weights.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure weight_decay` likewise.
What should come out, as introductions to BN say: the penalty can be reduced (Ioffe and Szegedy 2015, arXiv 1502.03167,
Section 4.2.1, by a factor of 5). With BN it does not limit what a network computes, which does not change with the
scale of its kernels, but how fast it learns: smaller kernels turn further at the same rate (van Laarhoven 2017, arXiv
1706.05350).
"""
