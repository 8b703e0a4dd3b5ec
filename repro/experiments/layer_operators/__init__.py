"""Every convolution as the linear map it is: norm, smallest singular value, condition, rank.

`python -m repro measure layer_operators --config config/quick.yaml`; 2 s per layer on a CPU core.
Section 5 of the paper treats layers as Gaussian matrices. What should come out at initialisation: norms near 2 with
Xavier's, the law's right end for a square Gaussian matrix, and condition numbers of 10^4 to 10^6, also for orthogonal
kernels: it is the kernel as a matrix that is orthogonal there, not the convolution.
"""
