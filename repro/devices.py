"""Choosing the device, and making its arithmetic strict and repeatable."""

import os
import platform

import torch

from repro.errors import UserError


def prepare(setting: str) -> torch.device:
    """The device that `setting` (`auto`, `cpu` or `cuda`) names, set to strict float32 and deterministic algorithms.

    On CUDA, cuDNN would otherwise round convolutions to TF32. Raises `UserError` when `cuda` is asked for and not
    there.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]  # absent from PyTorch's type stubs
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is `cuda`, but PyTorch finds no CUDA device here; set `device: cpu` or `auto`.")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """Name of the processor, with the number of threads for a CPU, as it stands in the provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
