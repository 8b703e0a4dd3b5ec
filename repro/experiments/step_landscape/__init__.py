"""Figure 3: the loss along one gradient step, at the first mini-batches of training.

`python -m repro measure step_landscape --config config/quick.yaml`; on a CPU core a ResNet-110 takes 3 s per training
step and 1 s per step length. What should come out: with BN the loss falls for steps up to 0.025 and more; without, at
the first mini-batch, only for steps tens of times shorter, and it explodes soon after. At later mini-batches without BN
the networks measured here bear longer steps than the published one, and how much longer differs between seeds.
"""
