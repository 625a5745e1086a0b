"""Plain sentences that say in what an image differs."""

from __future__ import annotations

import math

from carescope.trust.describe import EDGES

BLANK = "the image is blank: there is a single grey level"
NOISE = "nothing rises above the noise: no light, or no sample?"
DISAGREE = "the members of the ensemble disagree {ratio:.2g} times as much as usual"
TOGETHER = "{group}: no number stands out, but they do not go together as in training images"
#: Fewer standard deviations than this are not worth a sentence of their own.
NOTABLE = 1.5
#: These explain others of their group, and are named first where they are so many off.
EVIDENT, PLAIN = ("flat", "saturated"), 3.0

# Of each number, what it means when it is greater and when it is less than in training images.
SENTENCES: dict[str, tuple[str, str]] = {
    "level": (
        "{share:.0f} % of the pixels lie below {value:.0%} of the range, which is more than the "
        "{usual:.0%} of training images: are the background or the contrast different?",
        "{share:.0f} % of the pixels lie below {value:.0%} of the range, which is less than the "
        "{usual:.0%} of training images: are the background or the contrast different?",
    ),
    "flat": (
        "{square:.0%} of the image has no noise at all: was it masked, clipped or padded?",
        "less of the image is without any noise than of training images",
    ),
    "saturated": (
        "{square:.1%} of the pixels have the greatest grey level: is the image saturated?",
        "fewer pixels have the greatest grey level than in training images",
    ),
    "noise": (
        "noise is {ratio:.3g} times that of training images, relative to the range",
        "noise is only {ratio:.2g} times that of training images, relative to the range",
    ),
    "colour": (
        "neighbouring pixels share noise or detail more than in training images: was the image "
        "smoothed, enlarged or compressed?",
        "noise or detail is more abrupt from pixel to pixel than in training images",
    ),
    "grain": (
        "noise or the finest detail is stronger along x than in training images",
        "noise or the finest detail is stronger along y than in training images",
    ),
    "spikes": (
        "single pixels stand out more than in training images",
        "single pixels stand out less than in training images",
    ),
    "power": (
        "structures of about {period:.0f} pixels rise higher above the noise than in training "
        "images",
        "structures of about {period:.0f} pixels rise less above the noise than in training "
        "images: dim, blurred, or none?",
    ),
    "fall": (
        "detail below {period:.0f} pixels falls off faster than in training images: blurred?",
        "detail below {period:.0f} pixels falls off more slowly than in training images: sharper, "
        "or smaller structures?",
    ),
    "lean": (
        "structures of about {period:.0f} pixels are stretched along y, or less along x, than in "
        "training images",
        "structures of about {period:.0f} pixels are stretched along x, or less along y, than in "
        "training images",
    ),
    "tails": (
        "structures are sparser, or stand out more, than in training images",
        "structures are denser, or stand out less, than in training images",
    ),
    "uneven": (
        "structures are spread less evenly over the image than in training images",
        "structures are spread more evenly over the image than in training images",
    ),
    "skew": (
        "structures are brighter than what is around them, more than in training images",
        "structures are darker than what is around them, or less bright than in training images",
    ),
    "depth": (
        "neighbouring planes differ more than in training images: another plane distance, or "
        "other axes?",
        "neighbouring planes differ less than in training images: another plane distance, or "
        "other axes?",
    ),
}
KINDS = {"lean_6": "grain", "lean_7": "grain", "tails_1": "spikes"}


def reason(name: str, value: float, usual: float) -> str:
    """The sentence for the number `name` of `describe`, without its full stop.

    Parameters
    ----------
    name
        As in `GROUPS`.
    value, usual
        The number of the image and the mean of training images.
    """
    kind, _, detail = name.partition("_")
    greater, less = SENTENCES[KINDS.get(name, kind)]
    index = int(detail) if detail.isdigit() else 0
    band = min(index, len(EDGES) - 2)
    return (greater if value > usual else less).format(
        value=value,
        usual=usual,
        share=index,
        square=value**2,
        ratio=math.exp(min(value - usual, 20.0)),
        period=1 / math.sqrt(EDGES[band] * EDGES[band + 1]),
    )
