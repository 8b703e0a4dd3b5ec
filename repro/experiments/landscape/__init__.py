"""Is the landscape smoother with BN? Losses and gradients along a step, as Santurkar et al. 2018 look at them.

`python -m repro measure landscape --config config/quick.yaml`; 2 s per network of depth 8 on a CPU core, 40 s at
the paper's depth. Networks after other shares than 0 of the training cycle are trained first: `python -m repro train
RECIPE`. What they found along the training of VGG networks: with BN the loss varies less along a step, the gradient
changes less, and less for the distance moved.
"""
