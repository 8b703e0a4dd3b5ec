"""Training runs: one run is one condition with all its seeds, resumable and repeatable."""
