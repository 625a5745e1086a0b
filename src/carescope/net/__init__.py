"""The networks, and how far each of them looks."""

from carescope.net.build import NETWORKS, build
from carescope.net.dropout import Dropout, set_share
from carescope.net.isonet import IsoNet1, IsoNet2
from carescope.net.projection import ProjectionNet
from carescope.net.reach import grid, reach
from carescope.net.resolve import resolve
from carescope.net.separate import Separate
from carescope.net.shuffle import ShuffleUNet
from carescope.net.unet import UNet

__all__ = [
    "NETWORKS",
    "Dropout",
    "IsoNet1",
    "IsoNet2",
    "ProjectionNet",
    "Separate",
    "ShuffleUNet",
    "UNet",
    "build",
    "grid",
    "reach",
    "resolve",
    "set_share",
]
