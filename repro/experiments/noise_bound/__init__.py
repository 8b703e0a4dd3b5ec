"""The noise of a mini-batch gradient (Section 3.1, Appendix D): is it C / b, with batch normalisation and without?

`python -m repro measure noise_bound --config config/quick.yaml`; 2 s per network on a CPU core;
two to three minutes at the paper's depth, with 256 images.
What should come out: without BN the mean squared distance from the full gradient is C / b when drawn with replacement
and (N - b) / (N - 1) of that without, as it must, C being the variance of the examples' gradients. With BN, where an
example has no gradient of its own and nothing of the kind is proved, it should still fall about like 1 / b.
"""
