import platform

import pytest
import torch

from repro.machine import devices
from repro.machine.errors import UserError


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device"):
        devices.prepare("cuda")
    assert devices.prepare("auto").type == devices.prepare("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("precision", "rounding"), [("float32", "ieee"), ("bfloat16", "ieee"), ("fastest", "ieee"), ("tf32", "tf32")]
)
def test_arithmetic_is_as_strict_as_the_precision_says(precision, rounding):
    devices.prepare("cpu", precision)
    try:
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.conv.fp32_precision == rounding
        assert torch.backends.cudnn.rnn.fp32_precision == rounding
        assert torch.backends.cuda.matmul.fp32_precision == rounding
    finally:
        devices.prepare("cpu")


@pytest.mark.parametrize("before", ["float32", "bfloat16", "tf32"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "tf32"])
def test_the_older_flags_can_be_read_and_say_the_same(before, precision):
    """PyTorch's compiler and others read them, which raises where the two kinds of flags disagree."""
    devices.prepare("cpu", before)
    devices.prepare("cpu", precision)
    try:
        rounded = precision == "tf32"
        assert torch.backends.cudnn.allow_tf32 is rounded
        assert torch.backends.cuda.matmul.allow_tf32 is rounded
        assert torch.get_float32_matmul_precision() == ("high" if rounded else "highest")
    finally:
        devices.prepare("cpu")


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx2": True, "avx512_f": True}, "float32"),
        ({"amx_bf16": False, "avx512_bf16": False, "avx512_f": True}, "float32"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
    ],
)
def test_a_processor_is_fastest_in_bfloat16_where_it_computes_in_it(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert devices.fastest_precision(torch.device("cpu")) == expected


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are what PyTorch says of other processors")
def test_pytorch_says_of_a_processor_what_is_asked():
    assert {"amx_bf16", "avx512_bf16"} <= torch.cpu.get_capabilities().keys()


@pytest.mark.parametrize(
    ("capability", "expected"), [((6, 1), "float32"), ((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_a_gpu_is_fastest_in_bfloat16_from_compute_capability_8_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.fastest_precision(torch.device("cuda", 0)) == expected


@pytest.mark.gpu
def test_convolutions_on_cuda_are_not_rounded_to_tf32():
    device = devices.prepare("cuda")
    generator = torch.Generator().manual_seed(0)
    images, weights = (torch.randn(*shape, generator=generator) for shape in ((8, 64, 16, 16), (64, 64, 3, 3)))
    exact = torch.nn.functional.conv2d(images.double(), weights.double(), padding=1)
    ours = torch.nn.functional.conv2d(images.to(device), weights.to(device), padding=1)
    # TF32 has 10 bits of mantissa: errors near 1e-3. Single precision stays below 1e-5.
    assert ((ours.cpu().double() - exact).abs().max() / exact.abs().max()) < 1e-5
