"""Choosing the device, and making its arithmetic strict and repeatable."""

import os
import platform

import torch

from repro import gpu_lease
from repro.errors import UserError


def prepare(setting: str) -> torch.device:
    """The device that `setting` (`auto`, `cpu` or `cuda`) names, set to strict float32 and deterministic algorithms.

    On CUDA, cuDNN would otherwise round convolutions to TF32. Of several GPUs it is one that no other process has
    leased, or one with the fewest leases. Raises `UserError` when `cuda` is asked for and not there.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]  # absent from PyTorch's type stubs
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is `cuda`, but PyTorch finds no CUDA device here; set `device: cpu` or `auto`.")
    if setting == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    identities = (str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count()))
    return torch.device("cuda", gpu_lease.lease_for_process(tuple(identities)))


def describe(device: torch.device) -> str:
    """Name of the processor, with the number of threads for a CPU, as it stands in the provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
