"""Figure 1: accuracy over the training cycle, with and without batch normalisation, across learning rates.

`python -m repro train RECIPE --config config/quick.yaml` for each recipe, then `measure training_curves` likewise.
The paper's four curves take 31,425 epochs of a ResNet-110; `config/quick.yaml` trains a ResNet-8 for seconds.
What should come out: at the same small rate BN is no better than no BN; the gain comes with the larger rate, which
without BN diverges.
"""
