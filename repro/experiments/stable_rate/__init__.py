"""The largest learning rate that a network survives, against its depth (Appendices E and H): with BN, without, one BN.

`python -m repro measure stable_rate --config config/quick.yaml`; on a CPU core an update of a mini-batch of 128 takes
1 s at depth 110, and a network makes `updates` of them at each rate that it survives.
What should come out: without batch normalisation the largest rate falls with depth; with it it does not; one final
batch normalisation lets a ResNet-110 take rates up to 0.03.
"""
