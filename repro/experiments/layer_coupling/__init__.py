"""Whether layers learn more independently of each other with batch normalisation.

`python -m repro measure layer_coupling --config config/studies.yaml`; as many passes of a mini-batch per network and
moment as there are layers, a second for a ResNet-8.
What should come out, as introductions to BN say: with BN a step of one layer disturbs the others less.
"""
