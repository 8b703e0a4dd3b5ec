"""How many updates it takes to a test accuracy, with batch normalisation and without, each at its fastest rate.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure speed` likewise; about
a minute per network of a ResNet-8 on a CPU core.
What should come out, as introductions to BN say: it trains faster, ten times or more. Ioffe and Szegedy (2015,
Section 4.2.2) report 14 times fewer steps to the accuracy of their network without.
"""
