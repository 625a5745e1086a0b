"""What a network takes of memory for each pixel that it sees, by the engine that runs it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carescope import engine, net
from carescope.model import Model

#: Peak over what is alive at once in float32, measured on each network of `carescope.net`: torch
#: copies into its own order of axes and back, bfloat16 is half as large, OpenVINO reuses.
OVERHEAD = {
    "torch float32": 1.5,
    "torch bfloat16": 0.8,
    "openvino float32": 1.45,
    "openvino bfloat16": 0.8,
}
#: Of networks whose peak is where such copies are not made.
LESS = {
    ("care", "torch float32"): 1.15,
    ("care", "openvino float32"): 0.75,
    ("care", "openvino bfloat16"): 0.4,
    ("isonet1", "openvino float32"): 0.85,
    ("isonet1", "openvino bfloat16"): 0.45,
    ("projection", "openvino float32"): 0.45,
    ("projection", "openvino bfloat16"): 0.45,
}

_known: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def bytes_per_px(model: Model) -> float:
    """What a forward pass takes for each pixel of its input, with the engine of a model."""
    by = engine.settled(model)
    factor = _factor(model, by)
    if model.task.kind == "project":  # torch finds the height of the surface, in float32
        reference = _factor(model, "torch float32")
        # OpenVINO keeps its arrays meanwhile.
        factor = factor + reference if by.startswith("openvino") else max(factor, reference)
    return factor * alive_per_px(model.network)


def _factor(model: Model, by: str) -> float:
    """The peak over what is alive at once."""
    less = LESS.get((model.architecture.get("name", ""), by))
    return OVERHEAD.get(by, OVERHEAD["torch float32"]) if less is None else less


def alive_per_px(network: nn.Module) -> float:
    """The bytes of all tensors of a forward pass that are alive at once, for a pixel of its input.

    Found by running the network once on a small image.
    """
    if network not in _known:
        _known[network] = _most_alive(network)
    return _known[network]


def _most_alive(network: nn.Module) -> float:
    space = [max(4 * n, 16) for n in net.grid(network)]
    device = next(network.parameters()).device
    seen = torch.zeros(1, int(network.channels_in), *space, device=device)  # type: ignore[arg-type]
    network.eval()
    with torch.no_grad(), _Alive() as alive:
        network(seen)
    return float(alive.most / math.prod(space))


class _Alive(TorchDispatchMode):
    """Counts the bytes of tensors from when an operation makes them until nobody holds them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._held: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: to say so spares the import of torch's compiler, of 70 MB."""
        return False

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        return found

    def _hold(self, storage: torch.UntypedStorage) -> None:
        at, size = storage._cdata, storage.nbytes()
        if at in self._held:
            return
        self._held.add(at)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._let_go, at, size)

    def _let_go(self, at: int, size: int) -> None:
        self._held.discard(at)
        self.now -= size
