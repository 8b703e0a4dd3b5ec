"""What batch normalisation normalises by at test time: running averages, the population's moments, or the batch's.

`python -m repro measure evaluation_statistics --config config/quick.yaml`, after `python -m repro train`; on a CPU core
the time of about five passages of all training images forwards, and of `passes` mini-batches.
What should come out: that running averages cost nothing beside the population's exact moments, and that mini-batches of
a few test images cost much.
"""
