"""From how many initialisations a network trains, with batch normalisation and without.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure initialisation_sensitivity`
likewise. Trainings are short: whether a network gets going shows in its first updates.
What should come out, as introductions to BN say: with BN one can be less careful about initialisation (Ioffe and
Szegedy 2015, arXiv 1502.03167, abstract).
"""
