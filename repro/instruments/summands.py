"""What the gradient of a kernel entry is the sum of: how large the summands are, and how large their sum is."""

from torch import Tensor, nn

from repro.instruments import probes


def entry_sizes(convolution: nn.Module, record: probes.LayerRecord) -> tuple[int, Tensor, Tensor]:
    """n, and for every kernel entry sum |d| and |sum d|, over the n summands d that images and output places add to it.

    d = dL/dO[b,o,x,y] * I[b,i,x+x',y+y'], one for each image b and place (x, y); where the kernel hangs over the edge,
    d = 0. |d| = |dL/dO| |I| factorises, so sum |d| is one more kernel gradient, of |I| and |dL/dO|; d itself, with as
    many numbers as inputs times kernel entries, is never formed. Returns n and two float64 tensors (out, in, y', x').
    Table 1.
    """
    gradient = record.output_gradient  # (batch, out, y, x)
    summands = gradient.shape[0] * gradient.shape[2] * gradient.shape[3]

    def sizes(inputs: Tensor, output_gradient: Tensor) -> Tensor:
        return probes.kernel_gradient(convolution, inputs, output_gradient).abs()

    return summands, sizes(record.input.abs(), gradient.abs()), sizes(record.input, gradient)


def summand_sizes(convolution: nn.Module, record: probes.LayerRecord) -> tuple[int, float, float]:
    """n, a = mean over kernel entries of (1/n) sum |d|, and b = mean over kernel entries of |(1/n) sum d|. Table 1."""
    summands, absolute, signed = entry_sizes(convolution, record)
    return summands, absolute.mean().item() / summands, signed.mean().item() / summands
