"""The page on trust: the numbers that were measured, doubts that are told, fitting pictures."""

import re

import numpy as np
import pytest

from carescope import trust
from carescope.errors import InputError
from carescope.report import evidence, reliability
from carescope.report.trust import CROSSED, Channel, trust_page
from carescope.trust import Rescaling

SHAPE = (80, 96)


def tallies(draw, count=6):
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        mean, scale = rng.normal(size=SHAPE), rng.uniform(0.2, 1, SHAPE)
        found.append(trust.tally(mean + scale * draw(rng), mean, scale))
    return found


def channel(draw, name="", judged_with=None):
    of_all = tallies(draw)
    return Channel(
        name, "laplace", trust.rescaling(of_all), of_all, judged_with or trust.leave_one_out(of_all)
    )


def laplace(rng):
    return rng.laplace(scale=2, size=SHAPE)


def gaussian(rng):
    return rng.normal(scale=2, size=SHAPE)


def hollow(rng):
    """Errors that no family has: always of one size."""
    return rng.choice([-1.0, 1.0], SHAPE)


def page(**changed):
    given = {
        "title": "Model <1>",
        "sentence": "Six fields.",
        "channels": [channel(laplace)],
        "numbers": {"fields": 6},
        "command": "carescope trust m --low a --high b",
        "provenance": {"model": {"sha256": "ab"}},
    }
    return trust_page(**given | changed)


def words(html):
    text = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def picture(seed=0):
    return np.random.default_rng(seed).random((40, 48))


def test_the_table_has_the_shares_that_were_measured():
    of_all = tallies(laplace)
    each = trust.leave_one_out(of_all)
    found = trust.coverage(of_all, each)
    html = page(channels=[Channel("", "laplace", trust.rescaling(of_all), of_all, each)])
    rows = re.findall(r'<th scope="row">(\d\d) %</th>((?:<td>.*?</td>)+)', html)
    assert [level for level, _ in rows] == ["50", "80", "90", "95"]
    for n, (level, cells) in enumerate(rows):
        before, after, bounds = re.findall(r"<td>(.*?)</td>", cells)
        expected = 100 * (1 - (1 - float(level) / 100) ** 0.5)  # scales half as wide as errors
        assert float(before.removesuffix(" %")) == pytest.approx(expected, abs=1)
        assert after == f"{100 * found.covered[n]:.1f} %"
        assert [float(b) for b in re.split(r"\s–\s", bounds)] == pytest.approx(
            [100 * found.low[n], 100 * found.high[n]], abs=0.051
        )


def test_the_page_says_how_scales_are_read_from_now_on():
    alike, other = words(page()), words(page(channels=[channel(gaussian)]))
    assert re.search(r"multiplied by (1\.9|2\.0)\d\d, and describes a Laplace", alike)
    assert re.search(r"multiplied by (1\.9|2\.0)\d\d and read as that of a Gaussian", other)
    assert "no factor alone" in other
    assert CROSSED in alike
    assert CROSSED not in words(page(how="By others."))


def test_what_rescaling_could_not_mend_is_a_warning():
    assert "Warning." not in words(page())
    told = words(page(channels=[channel(laplace), channel(hollow, "red")], warnings=["First."]))
    assert "Warning. First." in told
    assert "the 90 % interval of red holds" in told
    never = channel(laplace, judged_with=[Rescaling("laplace")] * 6)
    assert "take its width as a hint" in words(page(channels=[never]))


def test_of_several_channels_the_worst_is_told_first():
    text = words(page(channels=[channel(laplace, "green"), channel(hollow, "red")]))
    assert re.search(r"90 % interval holds [\d.]+ % was [\d.]+ %; the worst, red", text)
    assert "6 2 channels each" in text
    assert "read as" in text


def test_the_page_needs_nothing_else_and_is_escaped():
    shape = picture()
    example = evidence.Example("field 1", shape, shape, shape / 10, shape, "gaussian")
    html = page(
        examples=[example],
        members=[evidence.Members("<there>", shape, np.stack([shape] * 5), shape, shape)],
        disagreement=np.histogram(shape, bins=20, range=(0, 1)),
        errors=[evidence.Wrong("field 2", 0.5, shape, shape, picture(1))],
        pixel_um=(0.1, 0.1),
    )
    assert "Model &lt;1&gt;" in html
    assert "&lt;there&gt;" in html
    loaded = re.findall(r'(?:src|href|srcset)="([^"]*)"', html)
    assert len(loaded) == 12  # six figures at two widths
    assert all(link.startswith("data:image/png;base64,") for link in loaded)
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert headings[:4] == [
        "Does it keep its word?",
        "Against the truth",
        "Where the networks differ",
        "The strongest errors",
    ]
    bare = page()
    assert "Where the networks differ" not in bare
    assert "The strongest errors" not in bare


def test_the_example_counts_what_its_interval_holds():
    rng = np.random.default_rng(0)
    restored, scale = rng.random((100, 120)), np.full((100, 120), 0.1)
    truth = restored + rng.normal(0, 0.1, restored.shape)
    right, narrow = (
        evidence.against_truth(
            evidence.Example("here", restored, restored, s, truth, "gaussian"), None
        )
        for s in (scale, 0.1 * scale)
    )
    assert re.search("holds (89|90|91) % of the true", right[0].caption)
    assert re.search("holds (12|13|14) % of the true", narrow[0].caption)  # erf(0.1645 / sqrt 2)
    assert re.search(r"of 100 true values (8|9)\d % lie", right[1].caption)


def test_the_strongest_error_says_how_large_it_is():
    shape = picture()
    shown = evidence.wrong(evidence.Wrong("here", 0.283, shape, shape, shape + 1), None)
    assert "28.3 % of the truth's range" in shown.caption
    assert shown.heading == "here"


def test_a_recording_of_other_units_is_as_bright_as_its_restoration():
    restored = picture()
    dark = evidence._panels("", {"recorded": restored / 1000 + 5, "restored": restored}, (1, 1))
    np.testing.assert_allclose(dark[0].pixels, restored, atol=1e-4)
    flat = evidence._panels("", {"recorded": 0 * restored, "restored": restored}, (1, 1))
    assert np.isfinite(flat[0].pixels).all()


def test_the_histogram_counts_what_is_above_a_half():
    counts, edges = np.zeros(20), np.linspace(0, 1, 21)
    counts[0], counts[10] = 990, 10
    html = words(page(disagreement=(counts, edges)))
    assert "1 % of them are above 0.5" in html


@pytest.mark.parametrize("width", [8.0, 4.2])
@pytest.mark.parametrize("count", [1, 5])
def test_curves_are_drawn_at_the_width_asked(width, count):
    import io

    from matplotlib.image import imread

    curve = trust.combined(tallies(laplace, 1), Rescaling("laplace"))
    named = [(f"channel {n}", curve) for n in range(count)]
    drawn = imread(io.BytesIO(reliability.curves(named, named, width_in=width)))
    assert drawn.shape[1] == pytest.approx(200 * width, abs=1)


def test_pictures_of_other_pixels_and_pages_of_nothing_are_refused():
    shape = picture()
    with pytest.raises(InputError, match="the pictures have the shapes"):
        evidence.wrong(evidence.Wrong("here", 1, shape, shape, shape[1:]), None)
    with pytest.raises(InputError, match="no channel"):
        page(channels=[])
