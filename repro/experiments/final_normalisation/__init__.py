"""How much of batch normalisation's gain one single layer of it gives, after the last residual block.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure final_normalisation`
likewise; about a minute per network of a ResNet-8 on a CPU core.
What should come out, recalled from Section 4 and Appendix E: one final BN layer alone gives about two thirds of the
gain in accuracy, each network at its best learning rate.
"""
