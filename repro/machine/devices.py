"""Choosing the device, and making its arithmetic strict and repeatable."""

import ctypes
import os
import platform
from typing import Any, Literal

import torch

from repro.machine import gpu_lease
from repro.machine.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names of settings in glibc's malloc.h


def prepare(setting: str, precision: str = "float32") -> torch.device:
    """The device that `setting` (`auto`, `cpu` or `cuda`) names, set to deterministic algorithms and `precision`.

    `float32` is strict: on CUDA, cuDNN would otherwise round convolutions to TF32. `tf32` allows that rounding, also in
    matrix products. Under `bfloat16`, and so `fastest`, what stays in float32 is strict. Of several GPUs it is one that
    no other process has leased, or one with the fewest leases. Raises `UserError` when `cuda` is asked for and not
    there.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Writing to memory that is about to be written costs time and decides nothing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    rounding = "tf32" if precision == "tf32" else "ieee"
    # Each by name: the common setting does not reach cuDNN's own default, TF32, in every version of PyTorch.
    cudnn: Any = torch.backends.cudnn  # these are absent from PyTorch's type stubs
    everywhere: Any = torch.backends
    for place in (everywhere, cudnn.conv, cudnn.rnn, everywhere.cuda.matmul):
        place.fp32_precision = rounding
    # And by the older flags, which others, like PyTorch's compiler, read: that raises where the two disagree.
    cudnn.allow_tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is `cuda`, but PyTorch finds no CUDA device here; set `device: cpu` or `auto`.")
    if setting == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    identities = (str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count()))
    device = torch.device("cuda", gpu_lease.lease_for_process(tuple(identities)))
    torch.cuda.set_device(device)
    return device


def fastest_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """`bfloat16` where a device computes in it, else `float32`.

    CUDA does from compute capability 8 on, a CPU with AMX or AVX512-BF16. Others take bfloat16 too, by rounding after
    each operation in float32, which takes longer than float32 alone.
    """
    if device.type == "cuda":
        computes = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        able = torch.cpu.get_capabilities()
        computes = bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return "bfloat16" if computes else "float32"


def keep_memory() -> None:
    """Have the C library keep freed memory for the next step instead of handing it back and clearing it anew.

    Where the library is not glibc nothing changes but speed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def describe(device: torch.device) -> str:
    """Name of the processor, with the number of threads for a CPU, as it stands in the provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
