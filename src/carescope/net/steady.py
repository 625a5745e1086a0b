"""Convolutions that restore to the same bits whatever the number of threads.

Torch gives a convolution to oneDNN or multiplies matrices itself, depending on the size of the
image, of the kernel, and on whether there is more than one thread; the last bits differ. What
workers with a thread each restore is to be what one process with all threads does, so it always
goes to oneDNN.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """Torch's, steady."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if _restoring(input):
            return _steady(self, input, weight, bias)
        plain: Tensor = super()._conv_forward(input, weight, bias)
        return plain


class Conv3d(nn.Conv3d):
    """Torch's, steady."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if _restoring(input):
            return _steady(self, input, weight, bias)
        plain: Tensor = super()._conv_forward(input, weight, bias)
        return plain


def _steady(layer: Any, seen: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    done: Tensor = torch.mkldnn_convolution(
        seen, weight, bias, layer.padding, layer.stride, layer.dilation, layer.groups
    )
    return done


def _restoring(seen: Tensor) -> bool:
    """Whether an image is restored in float32 on a processor that oneDNN knows."""
    return bool(
        torch.is_inference_mode_enabled()
        and seen.device.type == "cpu"
        and seen.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
    )
