"""Table 1: without batch normalisation the summands of a kernel's gradient are nearly independent of the input.

`python -m repro measure input_independence --config config/quick.yaml`; 4 s per network on a CPU core.
The gradient of a kernel entry is a sum over images b and positions x, y of d = dL/dO[b,o,x,y] * I[b,i,x+x',y+y'].
What should come out: with BN the summands cancel and a/b is 250, 110 and 40 at layers 18, 54 and 90; without BN they
all push the same way and a/b is 1.5 to 3.5, close to its smallest possible value 1.
"""
