"""Is this my kind of image? What training images have in common, and whether another has it too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carescope.errors import ModelError, UsageError
from carescope.trust.features import Features, View
from carescope.trust.judge import MOST, Channel, Usual
from carescope.trust.reasons import DISAGREE

#: This share of images of the same kind is taken for another kind.
FALSE_ALARMS = 1 / 50
#: Logarithms of disagreements are not told apart more finely than this.
LEAST_SCATTER = 0.15
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
        The usual logarithm of an ensemble's disagreement over an image, or None; see `knowing`.
    bright_px, patchiness
        Over how many pixels that is a mean, and how it would vary over few; 0 where unknown.
    """

    channels: tuple[Channel, ...]
    disagreement: Usual | None = None
    bright_px: float = 0.0
    patchiness: float = 0.0

    @classmethod
    def of(cls, images: Sequence[Features]) -> Fingerprint:
        """From training and validation images.

        Each image in turn is left out and compared with the others, so that limits come from
        images that the numbers they are compared with do not know. Quarters of images take part;
        of fewer than 3 images, they stand for images.

        Parameters
        ----------
        images
            One `features` an image, all with the same number of channels.

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
        return cls(tuple(_channel(images, c) for c in range(counts.pop())))

    def knowing(
        self,
        validating: Sequence[float],
        training: Sequence[float] = (),
        *,
        bright_px: float = 0.0,
        patchiness: float = 0.0,
    ) -> Fingerprint:
        """The same, and how much the members of an ensemble usually disagree.

        Parameters
        ----------
        validating, training
            Mean disagreements, from 0 to 1, over images or parts of them that validated, at least
            one, and over some that the members learnt from. Few images validate, so that both say
            by how much images differ. On what they learnt from members may agree too well: where
            they do, the images that validated alone tell the level.
        bright_px
            Over how many pixels of full brightness one of these is a mean.
        patchiness
            The variance of the logarithm that one such pixel alone would have: over n of them the
            n-th part. An image of fewer pixels than usual may differ by so much more.
        """
        held, known = (np.log(np.maximum(d, FAINTEST)) for d in (validating, training))
        everything = np.concatenate([held, known])
        own = np.concatenate([d - d.mean() for d in (held, known) if len(d)])
        usual = Usual.of([np.array([d]) for d in own], LEAST_SCATTER)
        level = max(float(held.mean()), float(everything.mean()))
        return replace(
            self,
            disagreement=replace(usual, mean=level),
            bright_px=bright_px,
            patchiness=patchiness,
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
        found = []
        for number, (view, channel) in enumerate(zip(image.whole, self.channels, strict=True)):
            name = f"channel {number}: " if len(self.channels) > 1 else ""
            found += [(score, name + why) for score, why in channel.excesses(view, self._share)]
        found.sort(reverse=True)
        reasons = dict.fromkeys(why for score, why in found if score > 1)
        return Comparison(found[0][0], tuple(reasons))

    def dispute(self, disagreement: float, bright_px: float = math.inf) -> Comparison:
        """Compare an ensemble's mean disagreement over an image with what is usual.

        It alarms only where there is more than usual, and never where it is not known what is.

        Parameters
        ----------
        disagreement
            From 0 to 1.
        bright_px
            Over how many pixels of full brightness it is a mean.
        """
        usual, log = self.disagreement, math.log(max(disagreement, FAINTEST))
        if usual is None:
            return Comparison(0.0, ())
        if bright_px < self.bright_px:
            more = self.patchiness * (1 / bright_px - 1 / self.bright_px)
            usual = replace(usual, scatter=math.hypot(usual.scatter, math.sqrt(more)))
        score = min(usual.score(log) / usual.score(usual.limit(self._share)), MOST)
        reason = DISAGREE.format(ratio=math.exp(log - usual.mean))
        return Comparison(score, (reason,) if score > 1 else ())

    @property
    def _share(self) -> float:
        """The share of images of the kind that each comparison may take for another kind."""
        return FALSE_ALARMS / (len(self.channels) + (self.disagreement is not None))

    def to_json(self) -> dict[str, Any]:
        """A dict of plain numbers, lists and dicts, about 5 kB a channel."""
        usual = self.disagreement
        return {
            "channels": [channel.to_json() for channel in self.channels],
            "disagreement": None if usual is None else usual.to_json(),
            "bright_px": self.bright_px,
            "patchiness": self.patchiness,
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
            known = {name: float(held.get(name, 0)) for name in ("bright_px", "patchiness")}
            return cls(channels, None if usual is None else Usual(**usual), **known)
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
