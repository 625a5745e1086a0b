"""The report on whether a model can be believed: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.errors import InputError
from carescope.report import evidence, reliability
from carescope.report.html import flat, render
from carescope.report.isotropic import STANDING_WARNING
from carescope.report.panels import plain
from carescope.report.picture import Picture, picture
from carescope.report.spread import FAMILIES

TOLERANCE = 0.02
"""How far the 90 % interval, and the curve on average, may be off before the page warns."""

CROSSED = (
    "Each field was judged with the factor found on all the others, so that no field vouches for "
    "itself."
)
ALONE = "There is one field, judged with the factor found on it: of others it says little."
MATCHED = (
    " Before that, the truth of each field was brought onto the grey levels of its restoration by "
    "the best gain and offset, as for all measures of this program."
)
OF_MEMBERS = (
    "Networks that were trained alike from other random numbers restore the same where the image "
    "says enough. Disagreement D is 0 where they do, and 1 where each restores something else: do "
    "not rely on what is there."
)
OF_ERRORS = (
    "Where restorations of the whole test set are farthest from the truth, the worst first. Look "
    "for structures that are not in the truth."
)


class Channel(NamedTuple):
    """What the held-out fields say of one channel.

    `family` is what the network was trained to predict, `rescaling` how its scales are read from
    now on, and `judged_with` by what rescaling each of the `tallies` is judged here.
    """

    name: str
    family: str
    rescaling: trust.Rescaling
    tallies: Sequence[trust.Tally]
    judged_with: Sequence[trust.Rescaling]


def trust_page(
    *,
    title: str,
    sentence: str,
    channels: Sequence[Channel],
    examples: Sequence[evidence.Example] = (),
    members: Sequence[evidence.Members] = (),
    disagreement: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
    errors: Sequence[evidence.Wrong] = (),
    pixel_um: tuple[float, float] | None = None,
    how: str = CROSSED + MATCHED,
    warnings: Sequence[str] = (),
    numbers: Mapping[str, object],
    command: str,
    provenance: Mapping[str, object],
) -> str:
    """Render the report on a model's trustworthiness.

    Parameters
    ----------
    title, sentence
        The page's heading, such as the name of the model, and what was judged by what.
    channels
        The tallies of each channel; at least one.
    examples
        Parts of held-out images beside their truth.
    members
        Parts that the members of an ensemble restore differently, or alike.
    disagreement
        Counts of all pixels by D, and the ends of the bins.
    errors
        The strongest errors of the test set, the worst first.
    pixel_um
        Pixel size (row, column) of all pictures; without it they are measured in pixels.
    how
        Which fields the factors and which the curves are from.
    warnings
        What the reader must know first. The page adds its own where intervals do not hold what
        they promise.
    numbers, provenance
        Whatever is worth a line; versions, hashes.
    command
        The command line that makes this page again.

    Returns
    -------
    str
        The HTML. It loads nothing: pictures, style and numbers are in it.

    Raises
    ------
    InputError
        There is no channel, or pictures that belong together differ in shape.
    """
    if not channels:
        raise InputError("there is no channel to report on", remedy="Give at least one")
    before = [trust.combined(c.tallies, trust.Rescaling(c.family)) for c in channels]
    after = [trust.combined(c.tallies, c.judged_with) for c in channels]
    covered = [_covered(c) for c in channels]
    return render(
        "trust.html",
        title=title,
        sentence=sentence,
        standing_warning=STANDING_WARNING,
        warnings=[*warnings, *broken_promises(channels)],
        facts=_facts(channels, before, after, covered),
        how=how,
        curves=_curves(channels, before, after),
        tables=[
            (c.name, _reading(c), _rows(*both), _percent(error.error), _percent(less.error))
            for c, both, error, less in zip(channels, covered, before, after, strict=True)
        ],
        examples=[p for e in examples for p in evidence.against_truth(e, pixel_um)],
        members=[evidence.members(m, pixel_um) for m in members],
        of_members=OF_MEMBERS,
        histogram=_histogram(*disagreement) if disagreement else None,
        errors=[evidence.wrong(w, pixel_um) for w in errors],
        of_errors=OF_ERRORS,
        numbers=numbers,
        recipe={},
        command=command,
        provenance=flat(provenance),
    )


def _covered(channel: Channel) -> tuple[trust.Coverage, trust.Coverage]:
    """What the intervals hold, as predicted and rescaled."""
    as_predicted = trust.Rescaling(channel.family)
    return (
        trust.coverage(channel.tallies, as_predicted),
        trust.coverage(channel.tallies, channel.judged_with),
    )


def _of_90(covered: trust.Coverage) -> tuple[float, float, float]:
    """The share in the 90 % interval, and its bounds."""
    n = int(np.argmin(np.abs(covered.levels - 0.9)))
    return float(covered.covered[n]), float(covered.low[n]), float(covered.high[n])


def broken_promises(channels: Sequence[Channel]) -> list[str]:
    """What must be said first where rescaling was not enough, a sentence a channel."""
    doubts = []
    for channel in channels:
        curve = trust.combined(channel.tallies, channel.judged_with)
        share = _of_90(trust.coverage(channel.tallies, channel.judged_with))[0]
        if abs(share - 0.9) > TOLERANCE or curve.error > TOLERANCE:
            named = f" of {channel.name}" if channel.name else ""
            doubts.append(
                f"Even after rescaling, the 90 % interval{named} holds {_percent(share)} of the "
                f"true values, and the calibration error is {_percent(curve.error)}: take its "
                "width as a hint and not as a promise."
            )
    return doubts


def _facts(
    channels: Sequence[Channel],
    before: Sequence[trust.Calibration],
    after: Sequence[trust.Calibration],
    covered: Sequence[tuple[trust.Coverage, trust.Coverage]],
) -> list[tuple[str, str, str]]:
    """The numbers to read first: name, value, remark. Of several channels, those of the worst."""
    fields = max(len(c.tallies) for c in channels)
    shares = [_of_90(rescaled) for _, rescaled in covered]
    worst = int(np.argmax([abs(share - 0.9) for share, _, _ in shares]))
    least = int(np.argmax([curve.error for curve in after]))
    was = _of_90(covered[worst][0])[0]
    facts = [
        ("held-out fields", str(fields), f"{len(channels)} channels each" * (len(channels) > 1)),
        ("90 % interval holds", _percent(shares[worst][0]), f"was {_percent(was)}"),
        ("calibration error", _percent(after[least].error), f"was {_percent(before[least].error)}"),
    ]
    if len(channels) > 1:
        for n, at in ((1, worst), (2, least)):
            name, value, remark = facts[n]
            facts[n] = (name, value, f"{remark}; the worst, {channels[at].name}")
    factors = [f"{c.rescaling.factor:.2f}" for c in channels]
    spread = " – ".join(dict.fromkeys([min(factors, key=float), max(factors, key=float)]))
    kinds = sorted({FAMILIES[c.rescaling.family] for c in channels})
    return [*facts, ("factor on the scale", f"× {spread}", f"read as {' or '.join(kinds)}")]


def _reading(channel: Channel) -> str:
    """How the scales of a channel are read from now on."""
    family, factor = channel.rescaling
    said = f"The scale is multiplied by {factor:.3f}"
    if family == channel.family:
        return f"{said}, and describes a {FAMILIES[family]} distribution, as it was trained to."
    return (
        f"{said} and read as that of a {FAMILIES[family]} distribution. The network was trained to "
        f"predict a {FAMILIES[channel.family]} one, but that is not the shape of its errors, and "
        "no factor alone would make the intervals right."
    )


def _rows(before: trust.Coverage, after: trust.Coverage) -> list[tuple[str, str, str, str]]:
    """The table of coverage: interval, as predicted, after rescaling, and its bounds."""
    return [
        (
            f"{100 * level:.0f} %",
            _percent(float(before.covered[n])),
            _percent(float(after.covered[n])),
            _between(float(after.low[n]), float(after.high[n])),
        )
        for n, level in enumerate(after.levels)
    ]


def _curves(
    channels: Sequence[Channel],
    before: Sequence[trust.Calibration],
    after: Sequence[trust.Calibration],
) -> Picture:
    """The reliability curves of up to four channels."""
    named = [
        [(c.name, curve) for c, curve in zip(channels, curves, strict=True)][:4]
        for curves in (before, after)
    ]
    return picture(
        lambda width: reliability.curves(*named, width_in=width),
        "How many true values lie in the intervals of each confidence, before and after rescaling.",
        "For each confidence, the share of true values that lie in the interval of that "
        "confidence. On the diagonal a network promises what it keeps; below it, it is too sure. "
        "The expected calibration error is the mean distance from the diagonal."
        + (f" The first four of {len(channels)} channels." if len(channels) > 4 else ""),
    )


def _histogram(counts: npt.NDArray[Any], edges: npt.NDArray[Any]) -> Picture:
    """How often the members disagree, and how much."""
    share = float(counts[edges[:-1] >= 0.5 - 1e-9].sum() / counts.sum())
    return picture(
        lambda width: reliability.histogram(counts, edges, width_in=width),
        "A histogram of the disagreement of all pixels.",
        "Disagreement of all pixels of the test set, on a logarithmic axis: "
        f"{plain(100 * share)} % of them are above 0.5.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _between(low: float, high: float) -> str:
    space = "\N{NO-BREAK SPACE}"
    return f"{100 * low:.1f}{space}–{space}{100 * high:.1f}" if np.isfinite(low) else "–"
