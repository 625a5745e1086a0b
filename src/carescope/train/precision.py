"""Which numbers to train with: bfloat16 where the processor multiplies it natively."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from carescope import net

#: So many planes have been seen to be enough for gradients in bfloat16.
LEAST_PLANES = 4


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


def sound(dtype: torch.dtype, network: nn.Module, inputs: Tensor) -> torch.dtype:
    """The type to train with: float32 where few planes are left at a network's coarsest level.

    There oneDNN computes gradients in bfloat16 from memory that nobody has written (torch 2.13, a
    convolution of 32 to 64 features over 2 planes on AVX-512): they differ from call to call.
    """
    if inputs.ndim == 5 and not inputs.is_cuda:
        coarsest = inputs.shape[2] // net.grid(network)[0]
        if coarsest < LEAST_PLANES:
            return torch.float32
    return dtype


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
