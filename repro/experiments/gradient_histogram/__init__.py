"""Figure 2: gradients of one kernel at initialisation are larger and heavier-tailed without batch normalisation.

`python -m repro measure gradient_histogram --config config/quick.yaml`; 3 s per network on a CPU core.
What should come out: with BN a narrow histogram, standard deviation about 0.008 (published: 0.012); without, one
hundreds of times wider, whose width differs hugely between seeds, so that the pooled histogram has heavy tails.
"""
