"""Figure 7: without batch normalisation a few channels carry the gradient of a kernel at initialisation.

`python -m repro measure channel_gradients --config config/quick.yaml`; 3 s per network on a CPU core.
What should come out: without BN a matrix over input and output channels that is nearly of rank one (effective rank
below 3 of 32), its strong columns those whose input channel has a large mean; with BN an even one.
"""
