"""Theorem 1 and Figure 8: the limiting spectrum of a product of M random matrices.

`python -m repro measure limiting_spectrum`; a second. Nothing is drawn at random here: the table holds the law itself.
What should come out: with every factor the law stretches to the right and, more so, piles up at zero.
"""
