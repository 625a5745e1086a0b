"""Labels numbered without gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]


def renumbered(labels: Labels) -> Labels:
    """Number the labels (Z, Y, X) that are present 1, 2, ... in their order; 0 stays 0.

    It is done in place and plane by plane, and so takes little memory.
    """
    present = np.zeros(int(labels.max()) + 1, np.bool_)
    for plane in labels:
        present[plane] = True
    present[0] = False
    number = np.cumsum(present, dtype=np.int32)
    for plane in labels:
        plane[...] = number[plane]
    return labels
