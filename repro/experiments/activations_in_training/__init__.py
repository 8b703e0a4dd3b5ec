"""Figure 5 beyond initialisation: moments of activations by depth while networks train.

`python -m repro train batch-lr0.0001-epochs2400 --config config/paper.yaml`, likewise for each recipe, then
`python -m repro measure moments --config config/paper.yaml`; 2 s per network and moment on a CPU core, beside the
training, which Figure 1 shares. The paper shows the moments at initialisation only.
What should come out: without BN deviations grow with depth once the network is trained, whether or not they did
before; with BN the curves hardly move.
"""
