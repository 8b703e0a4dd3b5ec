"""Batch normalisation put into a trained network: what it changes, unless gamma and beta undo it, and what it gains.

`python -m repro measure insertion --config config/quick.yaml`, after `python -m repro train`; on a CPU core about the
time of three times `updates` of training, and of ten passages of all training images.
What should come out: with gamma and beta set to the population's deviation and mean nothing changes at test time; with
gamma 1 and beta 0 the accuracy falls. Introductions say that fine-tuning with batch normalisation then gains.
"""
