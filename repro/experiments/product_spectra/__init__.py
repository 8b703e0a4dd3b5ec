"""Figure 9: singular values of products of one, three and five Gaussian matrices, with the limiting law over them.

`python -m repro measure product_spectra`; about two minutes on a CPU core for ten draws at N = 1000.
What should come out: right edges near 2, 3.08 and 3.86, and ever more singular values in the first bin.

The goodness of fit is Kolmogorov's distance to the law. Singular values of one matrix repel each other and have a bias
of order 1/N, so that its p-value cannot come from tables: the distances are ranked among those of further products,
which are formed and decomposed the plain way, whose rounding is far below the distance.
"""
