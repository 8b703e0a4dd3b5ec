"""What the size of the mini-batch does to networks with batch normalisation, with other kinds, and with none.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure batch_size` likewise.
What should come out, as introductions to BN say: small mini-batches hurt BN and nothing else (Wu and He 2018, arXiv
1803.08494, Figure 1), Batch Renormalization repairs that (Ioffe 2017, arXiv 1702.03275), and the noise of the
mini-batch's statistics regularises, less the larger the mini-batch.

At equal numbers of updates small mini-batches see fewer images; at equal numbers of epochs they make more updates, with
a rate in proportion to their size. Neither is fair alone, so both are shown and judged.
"""
