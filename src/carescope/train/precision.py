"""Which numbers to train with: bfloat16 where the processor multiplies it natively."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def choose(wanted: str, device: torch.device) -> torch.dtype:
    """The type of a training step's products: float32, or bfloat16 where that is faster.

    Weights, their updates and the loss stay float32 either way.

    Parameters
    ----------
    wanted
        ``auto``, ``float32`` or ``bfloat16``.
    device
        Where the network trains.
    """
    if wanted == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network's forward pass uses `dtype`."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch cannot tell; float32 is always right.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
