"""Where a network runs and in which precision."""

from typing import Literal, cast, get_args

import torch

from sedd_cli.errors import UsageError

Precision = Literal["float32", "bfloat16", "float16", "int8"]

AUTOCAST: dict[Precision, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""The precisions that run the blocks under autocast, on accelerators and in training."""


def resolve_device(name: str) -> torch.device:
    """The device for `auto` (CUDA, else MPS, else CPU), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises `UsageError` for any other name and for a device that this machine does not have.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"unknown device {name!r}", "Choose auto, cpu, cuda, cuda:N or mps.")
    available = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(index or 0) >= available[kind]:
        raise UsageError(f"this machine has no device {name!r}", "Use --device auto.")
    return torch.device(name)


def resolve_precision(dtype: str, device: torch.device) -> Precision:
    """The precision for a `--dtype` on a device. `auto` is bfloat16 on a CUDA device that supports it, else float32.

    Raises `UsageError` for an unknown dtype, for float16 on a CPU, and for int8 on any other device.
    """
    if dtype == "auto":
        return "bfloat16" if device.type == "cuda" and _has_bfloat16(device) else "float32"
    if dtype not in get_args(Precision):
        raise UsageError(f"unknown dtype {dtype!r}", f"Choose auto, {', '.join(get_args(Precision))}.")
    precision = cast(Precision, dtype)
    if device.type == "cpu" and precision == "float16":
        raise UsageError("float16 runs on CUDA and MPS only", "On a CPU use --dtype auto, bfloat16 or int8.")
    if device.type != "cpu" and precision == "int8":
        raise UsageError(f"int8 runs on CPUs only, not on {device}", "Use --dtype auto, or --device cpu.")
    return precision


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a CUDA device supports bfloat16 without emulation; torch checks the current device."""
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
