"""Figure 4: what one diverging update does to the channels of a network without batch normalisation.

`python -m repro measure diverging_update --config config/quick.yaml`; on a CPU core a ResNet-110 takes 4 s per training
step until an update diverges, then 1 s per position. What should come out: along the update channel means of both
signs and channel variances explode, the more the deeper the layer.
"""
