"""The machine that computes: devices, leases, locks, files, progress. Knows nothing of the rest of the package."""
