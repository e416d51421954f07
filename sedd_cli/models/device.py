"""Where a network runs and in which precision."""

import torch

from sedd_cli.errors import UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """`auto` (CUDA, else MPS, else CPU), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises `UsageError` for anything else, and for a device that this machine does not have.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"unknown device {name!r}", "Choose auto, cpu, cuda, cuda:N or mps.")
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if int(index or 0) >= available[kind]:
        raise UsageError(f"this machine has no device {name!r}", "Use --device auto to take what there is.")
    return torch.device(name)


def resolve_autocast(dtype: str, device: torch.device) -> torch.dtype | None:
    """The autocast dtype of the blocks, None for float32. `auto` is bfloat16 on a CUDA device that has it.

    Raises `UsageError` for an unknown dtype, and for half precision on a CPU, where it is many times slower.
    """
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    if dtype not in DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}", f"Choose auto, {', '.join(DTYPES)}.")
    if dtype != "float32" and device.type == "cpu":
        raise UsageError(f"{dtype} runs on CUDA and MPS only", "On a CPU use --dtype float32 (or auto).")
    return None if dtype == "float32" else DTYPES[dtype]
