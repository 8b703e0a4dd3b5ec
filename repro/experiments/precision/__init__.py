"""Whether the outcome of training depends on the precision of its arithmetic.

`python -m repro train RECIPE --config config/studies.yaml` for each recipe, then `measure precision` likewise; in
float32 a network of a ResNet-8 takes about twice the three minutes that it takes in bfloat16.
What should come out: it does not, beyond what seeds differ by, so that results of machines with bfloat16 arithmetic and
of those without can stand beside each other.
"""
