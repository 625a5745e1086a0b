"""The report page: complete, self-contained, and escaped."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.physics.blind import AxialBlur
from carescope.report import graphs
from carescope.report.isotropic import STANDING_WARNING, isotropic_page
from carescope.report.picture import show
from carescope.report.spread import Spread

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}
GRID = Grid(6, 3.0, 0.9)
VOXEL_UM = (0.9, 0.3, 0.3)


class Page(HTMLParser):
    """Checks the nesting of tags and collects text and whatever a browser would load."""

    def __init__(self, html):
        super().__init__()
        self.open, self.loads, self.tags, self.parts, self.images = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join("".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in {"dd", "td", "h2", "h3", "p", "figcaption"}:
            self.parts.append(" ")
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attributes)
        self.loads += [values[a] for a in ("src", "href", "srcset", "data") if a in values]
        if tag == "img":
            self.images.append(values)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.parts.append(data)


class Watched:
    """A lazy array that remembers how many voxels each access asked for."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, []

    def __getitem__(self, index):
        part = self.data[index]
        self.read.append(part.size)
        return part


#: What most tests can do without, and what takes time to draw.
QUICK = {"kernels": None, "history": [], "truth": None}


def page(**changes):
    truth = np.random.default_rng(0).random((18, 24, 40)).astype(np.float32)
    given = {
        "title": "A & B.tif",
        "stack": Image(truth[:16:3], "ZYX", VOXEL_UM, source="retina.tif"),
        "restored": Image(truth[:16], "ZYX", (0.3, 0.3, 0.3)),
        "grid": GRID,
        "kernels": {"h": np.ones((5, 3)), "h_iso": np.ones((3, 3)), "h_split": np.ones((5, 1))},
        "history": [
            {
                "step": s,
                "seconds": 2.0 * s,
                "train_loss": 1.0 / s,
                "val_loss": float("nan") if s % 2 else 1.1 / s,
                "learning_rate": 1e-3,
            }
            for s in range(1, 61)
        ],
        "numbers": {"peak memory (GB)": 1.2345678, "patches": 31337, "note": "<b>bold</b>"},
        "truth": truth,
        "scores": [
            {"name": "cubic <i>", "psnr_db": 24.61, "nrmse": 0.0712, "ssim": 0.611},
            {"name": "carescope", "psnr_db": 34.83, "nrmse": 0.0298, "ssim": 0.873},
        ],
        "warnings": ["The stack is <dim>.", "Only 6 planes."],
        "recipe": {"network": "auto", "optimiser": {"rate": 0.002, "decay": None}, "flip": True},
        "command": "carescope isotropic 'x<script>alert(1)</script>.tif' --out o.tif  --seed 7",
        "provenance": {"carescope": "0.1.0", "model sha256": "9f86d081"},
    }
    return isotropic_page(**(given | changes))


@pytest.fixture(scope="module")
def full():
    return page()


def test_the_page_loads_nothing_from_anywhere(full):
    parsed = Page(full)
    assert parsed.loads
    assert all(load.startswith("data:image/png;base64,") for load in parsed.loads)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert "@import" not in full
    assert "url(" not in full
    assert "default-src 'none'" in full


def test_every_number_given_is_on_the_page(full):
    text = Page(full).text
    for shown in ["1.2346", "31337", "24.61", "34.83", "0.0712", "0.0298", "0.6110", "0.8730"]:
        assert shown in text
    for shown in ["network auto", "optimiser.rate 0.002", "optimiser.decay –", "flip yes"]:
        assert shown in text
    for shown in ["6 recorded planes 0.9 µm apart (retina.tif) became 16 planes 0.3 µm apart"]:
        assert shown in text
    for shown in ["60 steps in 2 minutes", "model sha256 9f86d081", "spectral isotropy"]:
        assert shown in text


def test_everything_given_is_escaped(full):
    assert "<script>" not in full
    assert "x&lt;script&gt;alert(1)&lt;/script&gt;.tif" in full
    parsed = Page(full)
    assert not {"b>bold", "dim", "i"} & set(parsed.tags)
    for literal in ["<b>bold</b>", "cubic <i>", "The stack is <dim>.", "A & B.tif"]:
        assert literal in parsed.text


def test_the_command_is_there_to_the_letter(full):
    inside = full.split("<pre><code>")[1].split("</code></pre>")[0]
    parsed = Page(inside)
    assert (
        "".join(parsed.parts)
        == "carescope isotropic 'x<script>alert(1)</script>.tif' --out o.tif  --seed 7"
    )


def test_warnings_come_before_pictures_and_the_paper_s_always(full):
    text = Page(full).text
    assert text.index("Only 6 planes.") < text.index("Before and after")
    assert STANDING_WARNING in text


def test_every_picture_says_in_words_what_it_shows(full):
    images = Page(full).images
    assert len(images) == 5
    assert all(len(image["alt"]) > 30 for image in images)


def test_the_best_scores_are_marked(full):
    best = re.findall(r'<td class="best">([^<]*)</td>', full)
    assert best == ["34.83", "0.0298", "0.8730"]


@pytest.mark.parametrize(("psnr_db", "said"), [(34.2876, "34.29"), (float("inf"), "∞")])
def test_the_best_score_at_the_top_is_rounded_not_cut(psnr_db, said):
    scores = [{"name": "carescope", "psnr_db": psnr_db, "nrmse": 0.0298, "ssim": 0.873}]
    assert f"{said} dB" in page(**QUICK, scores=scores)


def test_sections_without_content_are_left_out():
    text = Page(
        page(
            kernels=None,
            history=[],
            numbers={},
            truth=None,
            scores=[],
            warnings=[],
            recipe={},
            provenance={},
        )
    ).text
    assert STANDING_WARNING in text  # even where there is no other warning
    for heading in ("Against the truth", "Training", "Numbers", "Recipe", "Where it came from"):
        assert heading not in text
    assert "No point spread function was used" in text
    assert "by a network trained before" in text


def several(channels, times=1, names=()):
    """The arguments of a page of several channels and time points."""
    axes = "TCZYX"
    volume = np.random.default_rng(0).random((times, channels, 16, 24, 40))
    return {
        "stack": Image(volume[:, :, ::3], axes, VOXEL_UM, names),
        "restored": Image(volume, axes),
        **QUICK,
    }


def test_each_channel_is_shown_under_its_name():
    html = page(**several(2, 3, ("DAPI", "<GFP>")))
    text = Page(html).text
    for said in [
        "The pictures show time point 1 of 3.",
        "Both channels are shown before and after, at the same place",
        "of the first (DAPI)",
        "Channel 1 of 2: DAPI",
        "Channel 2 of 2: <GFP>",
        "Channel 1 of 2: DAPI, closer",
    ]:
        assert said in text
    before_and_after = html[html.index("Before and after") : html.index("Detail along z")]
    pictures = re.findall(r'<img src="([^"]*)"', before_and_after)
    assert len(pictures) == len(set(pictures)) == 3


def test_no_more_than_four_channels_are_shown_and_that_is_said():
    text = Page(page(**several(6))).text
    assert "The first 4 of 6 channels are shown" in text
    assert "Channel 4 of 6" in text
    assert "Channel 5 of 6" not in text


def test_one_channel_and_time_point_need_no_words(full):
    text = Page(full).text
    assert "Channel" not in text
    assert "time point" not in text


def test_a_restoration_without_one_of_the_channels_is_refused():
    given = several(2)
    with pytest.raises(InputError, match="C=1"):
        page(**given | {"restored": Image(given["restored"].data[:, :1], "TCZYX")})


def test_the_blur_that_was_found_has_a_section_of_its_own(full):
    assert "Axial blur, found in the stack" not in Page(full).text
    text = Page(page(**QUICK, blur=AxialBlur(None, reason="6 planes are too few."))).text
    assert "cannot be told from this stack. 6 planes are too few. Optics" in text


def test_the_spread_comes_after_the_pictures_and_says_it_is_not_calibrated(full):
    assert "How sure the network is" not in Page(full).text
    scale, among = (Image(np.full((16, 24, 40), v, np.float32)) for v in (0.1, 0.3))
    parsed = Page(page(**QUICK, spread=Spread(scale, "laplace", among)))
    text = parsed.text
    order = ["Before and after", "How sure the network is", "not calibrated", "Against the truth"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert len(parsed.images) == 5


def test_of_an_ensemble_the_history_is_that_of_the_first_network(full):
    assert "networks" not in Page(full).text
    assert "This is the first of 5 networks" in Page(page(kernels=None, members=5)).text


def test_only_sections_and_a_crop_are_read_of_large_volumes(monkeypatch):
    monkeypatch.setattr(graphs, "MOST_VOXELS", 20**3)
    volume = np.random.default_rng(0).random((2, 160, 300, 320), np.float32)
    grid = Grid(40, 4.0, 1.0)
    arrays = [volume[:, :157:4], volume[:, :157], volume[:, :157]]
    stack, restored, scale = (Watched(array) for array in arrays)
    page(
        stack=Image(stack, "CZYX", (1.0, 0.25, 0.25)),
        restored=Image(restored, "CZYX"),
        grid=grid,
        **QUICK,
        spread=Spread(Image(scale, "CZYX"), "laplace"),
    )
    section = 157 * 320
    assert max(restored.read) <= section
    assert sum(restored.read) < 5 * section + 20**3  # xz and yz, xz of channel 2, two close-ups
    assert max(stack.read) <= 300 * 320  # a plane at a time
    assert sum(scale.read) < section


@pytest.mark.parametrize("shape", [(4, 5, 5), (16, 5, 300)])
def test_a_volume_too_small_for_spectra_still_has_a_page(shape):
    volume = np.random.default_rng(0).random(shape)
    factor = 3.0
    grid = Grid(len(volume[::3]), factor, 0.9)
    html = page(
        stack=Image(volume[::3], "ZYX", VOXEL_UM),
        restored=Image(volume, "ZYX"),
        grid=grid,
        **QUICK,
    )
    assert "Detail along z" not in Page(html).text


def test_a_constant_volume_still_has_a_page():
    volume = np.ones((16, 24, 40))
    html = page(stack=Image(volume[::3]), restored=Image(volume), **QUICK)
    assert "spectral isotropy" not in Page(html).text


def test_volumes_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="does not match"):
        page(restored=Image(np.zeros((15, 24, 40))))
    with pytest.raises(InputError, match="YXZ"):
        page(stack=Image(np.zeros((24, 40, 6)), "YXZ"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (3, "3"),
        (123456789, "123456789"),
        (0.1 + 0.2, "0.3"),
        (np.float32(2.5), "2.5"),
        (float("inf"), "∞"),
        (float("nan"), "–"),
        ("text", "text"),
        ((2.0, 99.8), "2, 99.8"),
    ],
)
def test_values_are_shown_for_people(value, shown):
    assert show(value) == shown
