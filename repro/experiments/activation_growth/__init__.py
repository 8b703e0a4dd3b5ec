"""Figure 5: without batch normalisation, activations grow with depth at initialisation.

`python -m repro measure activation_growth --config config/quick.yaml`; 2 s per network on a CPU core.
What should come out: with BN both moments stay within a narrow band at every layer; without, they grow by about four
natural-log units from the first stage to the last, and the seeds differ hugely.
"""
