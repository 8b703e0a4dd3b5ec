"""Table 1 for single kernel entries (Appendix J): do the summands of an entry's gradient cancel, entry by entry?

`python -m repro measure single_parameters --config config/quick.yaml`; 4 s per network on a CPU core.
What should come out: that with BN nearly all entries' summands cancel more than nearly all entries' without.
"""
