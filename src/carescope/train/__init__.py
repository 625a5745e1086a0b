"""Training: one loop, its losses, its schedule and its checkpoints."""

from carescope.train.history import check_board
from carescope.train.loop import Progress, choose_device, fit

__all__ = ["Progress", "check_board", "choose_device", "fit"]
