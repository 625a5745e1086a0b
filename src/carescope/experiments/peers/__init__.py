"""Other programs, each in an environment of its own, and what they are asked to do there.

To add one: its file ``NAME_peer.py`` with the functions of the others, and what to install for it
in `environments.REQUIREMENTS`.
"""

from carescope.experiments.peers.environments import REQUIREMENTS, python_of
from carescope.experiments.peers.process import Contestant, once

__all__ = ["REQUIREMENTS", "Contestant", "once", "python_of"]
