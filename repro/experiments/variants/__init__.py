"""Other normalisations (Appendix K, Table 4): where each stands between batch normalisation and none.

`python -m repro measure variants --config config/quick.yaml`; 6 s per network on a CPU core at the paper's depth.
What should come out: that what Figure 5, Table 1 and the channels' conditioning show of batch normalisation holds for
its variants too. Of each quantity a place between none and batch normalisation, and no verdict.
"""
