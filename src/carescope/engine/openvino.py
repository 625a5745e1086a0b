"""A network in OpenVINO, on the processor: about four times as fast in bfloat16 as torch."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from carescope import net

Floats = npt.NDArray[np.float32]

#: What OpenVINO calls a precision.
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    """A network, converted once for all sizes of image.

    Parameters
    ----------
    network
        A copy of its weights is taken.
    precision
        Of its products: ``float32`` or ``bfloat16``. What OpenVINO would choose is not asked.

    Notes
    -----
    It takes as many threads as torch does, and pins none to a core: two processes would share one.
    """

    def __init__(self, network: nn.Module, precision: str) -> None:
        openvino = silent()
        how = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "EXECUTION_MODE_HINT": "PERFORMANCE",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,
        }
        compiled = openvino.Core().compile_model(_converted(network), "CPU", how)
        self._request = compiled.create_infer_request()

    def __call__(self, patch: Floats) -> Floats:
        """Run the network on (batch, C, *space)."""
        found = self._request.infer([np.ascontiguousarray(patch, np.float32)], share_inputs=True)
        return np.asarray(found[0], np.float32)


def silent() -> Any:
    """OpenVINO, which otherwise reports to its maker over the network when it is imported.

    It does without the library that reports where that is not installed.
    """
    reports = "openvino_telemetry"
    before = {name: module for name, module in sys.modules.items() if name.startswith(reports)}
    sys.modules[reports] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[reports]
        sys.modules.update(before)
    return openvino


def _converted(network: nn.Module) -> Any:
    """The network as OpenVINO's graph, with every length left open.

    By the frontend itself, because `openvino.convert_model` would report to its maker. From a
    trace, because in a graph of `torch.export` it knows no upsampling of open lengths.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    device = next(network.parameters()).device
    space = [4 * cell for cell in net.grid(network)]
    example = torch.zeros(1, int(network.channels_in), *space, device=device)  # type: ignore[arg-type]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that traces are old
        # The trace is not compared with a second one: its results are held against torch's anyway.
        decoder = TorchScriptPythonDecoder(
            network.eval(), example_input=example, trace_kwargs={"check_trace": False}
        )
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))
