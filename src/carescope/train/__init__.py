"""Training: one loop, its losses, its schedule and its checkpoints."""

from carescope.train.loop import Progress, fit

__all__ = ["Progress", "fit"]
