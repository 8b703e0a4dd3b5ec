"""How far the analogy of Section 5 carries: Jacobians of toy networks beside products of Gaussian matrices.

`python -m repro measure product_analogy`; a minute for all kinds and initialisations at width 200 on a CPU core.
Fully connected networks of width N, one input: the Jacobian is a product of factors, each known exactly, so that every
singular value is accurate relative to itself. Units that ReLU switches off at this input are taken out: the rest of
the Jacobian is exactly zero there.
What should come out: the linear network is the product. ReLU halves the rank and slows the exponential growth of the
condition number to a third; shortcuts and ReLU together slow it down more than tenfold; batch normalisation changes
the scale alone.
"""
