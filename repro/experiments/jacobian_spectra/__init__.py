"""Section 5's link, measured: singular values of the network's input-output Jacobian with depth, and initialisations.

`python -m repro measure jacobian_spectra --config config/quick.yaml`; half a minute per network on a CPU core.
The paper argues from products of random matrices that networks are ill-conditioned at initialisation; here the
Jacobian of the real network is examined, from one image to the state after a block, through its products only.
What should come out: the deeper the state, the fewer directions carry the Jacobian, with BN as well as without; at the
logits nearly all ten directions are left with BN, two or three without. BN makes the Jacobian grow with depth at a
rate that does not depend on the initialisation's scale; without BN it grows, or shrinks, with that scale.
"""
