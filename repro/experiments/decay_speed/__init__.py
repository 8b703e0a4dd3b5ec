"""Whether the learning rate can decay faster with batch normalisation.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure decay_speed` likewise.
What should come out, as introductions to BN say: the rate can decay faster, since networks with BN learn faster (Ioffe
and Szegedy 2015, arXiv 1502.03167, Section 4.2.1, six times faster). Here the rate drops at a sixth of the usual shares
of training, at equal numbers of updates.
"""
