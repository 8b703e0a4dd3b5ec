"""Figure 6: without batch normalisation an untrained network gives nearly every image to the same class.

`python -m repro measure output_gradients --config config/quick.yaml`; 2 s per network on a CPU core.
What should come out: without BN one class's column is strongly positive for nearly every image, its mean predicted
probability typically 0.8 to 1; with BN that number is 0.2 to 0.8, though most images' likeliest class may be the same.
"""
