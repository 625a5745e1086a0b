"""The networks, and how far each of them looks."""

from carescope.net.build import NETWORKS, build
from carescope.net.isonet import IsoNet1, IsoNet2
from carescope.net.reach import grid, reach
from carescope.net.resolve import resolve
from carescope.net.shuffle import ShuffleUNet
from carescope.net.unet import UNet

__all__ = [
    "NETWORKS",
    "IsoNet1",
    "IsoNet2",
    "ShuffleUNet",
    "UNet",
    "build",
    "grid",
    "reach",
    "resolve",
]
