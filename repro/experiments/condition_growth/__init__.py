"""Appendix K: the condition number of a product of random matrices grows exponentially with the number of factors.

`python -m repro measure condition_growth`; seconds. Each singular value is accurate relative to itself, so condition
numbers far beyond 1e16 are meaningful: the products are never formed.
What should come out: a rate near (psi(N/2) - psi(1/2)) / (2 ln 10) decades per factor for many factors.
"""
