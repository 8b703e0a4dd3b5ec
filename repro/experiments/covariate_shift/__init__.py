"""Does BN reduce internal covariate shift? How inputs of layers drift in training, and how a step changes gradients.

`python -m repro measure covariate_shift --config config/quick.yaml`; 1 s per network of depth 8 on a CPU
core, half a minute at the paper's depth. Networks after other shares than 0 of the training cycle are trained first:
`python -m repro train RECIPE`. Introductions claim that with BN both are smaller: the drift of the moments of what
layers receive (Ioffe and Szegedy 2015), and the change of a layer's gradient by a step of the layers before it
(Santurkar et al. 2018, who found no such reduction). The two are judged apart.
"""
