"""Channel conditioning: without batch normalisation channels become ill-conditioned with depth at initialisation.

`python -m repro measure channel_conditioning --config config/quick.yaml`; 5 s per network on a CPU core.
What should come out: without BN the condition number of the channels' second moments rises by one to two decades, most
of it within the first stage, and about half of a channel's energy is its mean; with BN it ends two decades lower.
"""
