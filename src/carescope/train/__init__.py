"""Training: one loop, its losses, its schedule and its checkpoints."""

from carescope.train import distributed
from carescope.train.checkpoint import alone
from carescope.train.device import choose_device
from carescope.train.history import check_board
from carescope.train.loop import Progress, fit
from carescope.train.start import check_start

__all__ = ["Progress", "alone", "check_board", "check_start", "choose_device", "distributed", "fit"]
