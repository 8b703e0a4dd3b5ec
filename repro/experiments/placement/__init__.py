"""Whether batch normalisation belongs before or after the activation function.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure placement` likewise.
What should come out, as some introductions to BN say: after S-shaped activations, before others such as ReLU. Ioffe and
Szegedy (2015, arXiv 1502.03167, Section 3.2) put it before.
"""
