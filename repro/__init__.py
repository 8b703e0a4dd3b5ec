"""Reproducibility package for "Understanding Batch Normalization" (Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018)."""

__version__ = "0.1.0"
