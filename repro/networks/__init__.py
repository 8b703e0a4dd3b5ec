"""Residual networks, their kinds of normalisation, activation and initialisation, and the paper's layer numbers."""
