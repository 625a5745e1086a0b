"""Is this my kind of image? What training images have in common, and whether another has it too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carescope.errors import ModelError, UsageError
from carescope.trust.features import Features, View
from carescope.trust.judge import MOST, Channel, Usual
from carescope.trust.reasons import DISAGREE

#: This share of images of the same kind is taken for another kind.
FALSE_ALARMS = 1 / 50
#: Disagreements are not told apart more finely than by this factor's logarithm.
LEAST_SCATTER = 0.25
#: Members that disagree less than this are taken to agree.
FAINTEST = 1e-6
#: Quarters stand for images where there are fewer of these.
FEW = 3
#: Of more images than this, so many are compared, evenly chosen.
MOST_IMAGES = 200


@dataclass(frozen=True)
class Comparison:
    """Whether an image is unlike those of a fingerprint, and why.

    Parameters
    ----------
    score
        How unusual the most unusual thing about it is, over what one in 50 images of the training
        images' kind exceeds.
    reasons
        Plain sentences without their full stop that name what differs, the strongest first; none
        unless the image is unlike.
    limit
        The score that makes an image unlike.
    """

    score: float
    reasons: tuple[str, ...]
    limit: float = 1.0

    @property
    def unlike(self) -> bool:
        return self.score > self.limit


@dataclass(frozen=True)
class Fingerprint:
    """What the images that a model was trained on have in common.

    Parameters
    ----------
    channels
        One for each channel of the images.
    disagreement
        The usual logarithm of an ensemble's mean disagreement over validation images, or None.
    """

    channels: tuple[Channel, ...]
    disagreement: Usual | None = None

    @classmethod
    def of(cls, images: Sequence[Features]) -> Fingerprint:
        """From training and validation images.

        Each image in turn is left out and compared with the others, so that limits come from
        images that the numbers they are compared with do not know. Quarters of images take part;
        of fewer than 3 images, they stand for images.

        Parameters
        ----------
        images
            One `features` an image, all with the same number of channels. `disagreement` is to be
            given for validation images alone: on what it was trained on, an ensemble agrees.

        Raises
        ------
        UsageError
            There are no images, or one or two of which fewer than 2 quarters hold structure, or
            the numbers of channels differ. Images that are blank do not count.
        """
        images = [images[i] for i in _spread(len(images))]
        counts = {len(image.whole) for image in images}
        if len(counts) != 1:
            raise UsageError(
                f"images of {' and '.join(map(str, sorted(counts))) or 'no'} channels "
                "have no common fingerprint",
                remedy="Give images of the same channels",
            )
        known = [i.disagreement for i in images if i.disagreement is not None]
        logs = [np.log([max(d, FAINTEST)]) for d in known]
        return cls(
            tuple(_channel(images, c) for c in range(counts.pop())),
            Usual.of(logs, LEAST_SCATTER) if logs else None,
        )

    def compare(self, image: Features) -> Comparison:
        """Compare another image.

        Raises
        ------
        UsageError
            It has another number of channels.
        """
        if len(image.whole) != len(self.channels):
            raise UsageError(
                f"an image of {len(image.whole)} channels cannot be compared with training images "
                f"of {len(self.channels)}",
                remedy="Give an image of the same channels",
            )
        share = FALSE_ALARMS / (len(self.channels) + (self.disagreement is not None))
        found = []
        for number, (view, channel) in enumerate(zip(image.whole, self.channels, strict=True)):
            name = f"channel {number}: " if len(self.channels) > 1 else ""
            found += [(score, name + why) for score, why in channel.excesses(view, share)]
        if self.disagreement is not None and image.disagreement is not None:
            usual, log = self.disagreement, math.log(max(image.disagreement, FAINTEST))
            score = usual.score(log) / usual.score(usual.limit(share))
            found.append((min(score, MOST), DISAGREE.format(ratio=math.exp(log - usual.mean))))
        found.sort(reverse=True)
        reasons = dict.fromkeys(why for score, why in found if score > 1)
        return Comparison(found[0][0], tuple(reasons))

    def to_json(self) -> dict[str, Any]:
        """A dict of plain numbers, lists and dicts, about 5 kB a channel."""
        usual = self.disagreement
        return {
            "channels": [channel.to_json() for channel in self.channels],
            "disagreement": None if usual is None else usual.to_json(),
        }

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> Fingerprint:
        """The inverse of `to_json`.

        Raises
        ------
        ModelError
            What is held is no fingerprint.
        """
        try:
            usual = held["disagreement"]
            channels = tuple(Channel.from_json(channel) for channel in held["channels"])
            return cls(channels, None if usual is None else Usual(**usual))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"the fingerprint of the training images is damaged ({error!r})",
                remedy="Copy the model again from its origin, or train it again",
            ) from None


def _spread(count: int) -> list[int]:
    """Indices of all images, or of so many evenly chosen that comparing them is quick."""
    chosen = np.linspace(0, count - 1, min(count, MOST_IMAGES)).round()
    return sorted({int(i) for i in chosen})


def _channel(images: Sequence[Features], channel: int) -> Channel:
    """What the images have in common in one channel."""
    views: list[tuple[View, ...]]
    seen = [image for image in images if image.whole[channel].something]
    if len(seen) >= FEW:
        views = [(image.whole[channel], *image.parts[channel]) for image in seen]
    else:
        views = [(part,) for image in seen for part in image.parts[channel]]
    if len(views) < 2:
        raise UsageError(
            "the training images are blank, too few or too small to tell what they have in common",
            remedy="Train on several images, or on a larger one",
        )
    return Channel.of(views, few=len(seen) < FEW)
