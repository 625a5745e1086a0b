"""Images of the training images' kind pass, others do not, and the reason names what differs."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, zoom

from carescope import Image, normalize
from carescope import open as open_image
from carescope.errors import InputError, ModelError, UsageError
from carescope.normalize import Affine
from carescope.trust.features import features
from carescope.trust.fingerprint import Fingerprint

DATA = os.environ.get("CARESCOPE_DATA")


def blobs(seed, *, sigma=(2.0, 2.0), shape=(256, 256)):
    """Bright blobs of a size on an uneven background, without noise, from 0 to about 1."""
    draw = np.random.default_rng(seed)
    points = (draw.random(shape) < 0.02 / np.prod(sigma)) * draw.uniform(0.5, 1, shape)
    grown = gaussian_filter(points, sigma, mode="wrap")
    haze = gaussian_filter(draw.random(shape), 20, mode="wrap")
    return grown / np.quantile(grown, 0.999) + (haze - haze.min()) / np.ptp(haze) / 5


def exposed(density, seed=0, photons=100.0):
    """A picture of it in grey levels, of a camera with an offset and read noise."""
    draw = np.random.default_rng(seed + 1000)
    return 100 + 2 * draw.poisson(photons * density) + draw.normal(0, 3, density.shape)


def described(picture):
    maps = normalize.fit(Image(picture, "ZYX"[-picture.ndim :]))
    return features(picture[None], maps)


@pytest.fixture(scope="module")
def fingerprint():
    return Fingerprint.of([described(exposed(blobs(n), n)) for n in range(12)])


@pytest.fixture(scope="module")
def stacks():
    """The fingerprint of stacks that are blurred along z."""
    return Fingerprint.of([described(stack(n)) for n in range(8)])


def stack(seed):
    return exposed(blobs(seed, sigma=(6, 2, 2), shape=(48, 96, 96)), seed)


def test_few_images_of_the_kind_raise_an_alarm(fingerprint):
    pictures = [exposed(blobs(n), n) for n in range(100, 120)]
    pictures += [p[rows, :] for p in pictures for rows in (slice(128), slice(128, None))]
    assert len(pictures) == 60
    alarms = sum(fingerprint.compare(described(p)).unlike for p in pictures)
    assert alarms <= 3


NOISE = np.random.default_rng(5)
OTHERS = {
    "ten times the light": (lambda n: exposed(blobs(n), n, 1000.0), "noise is only 0."),
    "a tenth of the light": (lambda n: exposed(blobs(n), n, 10.0), "noise is"),
    "blurred": (lambda n: exposed(blobs(n, sigma=(4, 4)), n), "blurred"),
    "stretched": (lambda n: exposed(blobs(n, sigma=(2, 6)), n), "stretched along x"),
    "smoothed": (lambda n: gaussian_filter(exposed(blobs(n), n), 0.8), "smoothed"),
    "enlarged": (lambda n: zoom(exposed(blobs(n), n), 2, order=1)[:256, :256], "enlarged"),
    "inverted": (lambda n: -exposed(blobs(n), n), "darker"),
    "saturated": (lambda n: np.minimum(exposed(blobs(n), n), 130), "saturated"),
    "masked": (lambda n: np.where(blobs(n) > 0.25, exposed(blobs(n), n), 0), "masked"),
    "noise only": (lambda n: NOISE.normal(100, 5, (256, 256)), "nothing rises above the noise"),
    "photons only": (lambda n: NOISE.poisson(30.0, (256, 256)), "nothing rises above the noise"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_images_of_another_kind_raise_an_alarm_that_names_it(fingerprint, kind):
    make, words = OTHERS[kind]
    for number in range(200, 203):
        comparison = fingerprint.compare(described(make(number)))
        assert comparison.unlike
        assert any(words in reason for reason in comparison.reasons), comparison.reasons


def test_a_blank_image_is_called_blank(fingerprint):
    comparison = fingerprint.compare(features(np.full((1, 64, 64), 7), [None]))
    assert comparison.unlike
    assert "blank" in comparison.reasons[0]


def test_no_reasons_are_given_for_an_image_of_the_kind(fingerprint):
    comparison = fingerprint.compare(described(exposed(blobs(101), 101)))
    assert not comparison.unlike
    assert comparison.reasons == ()


def test_sections_along_z_are_not_taken_for_planes(stacks):
    held = [stacks.compare(described(stack(n))).unlike for n in range(50, 56)]
    turned = [stacks.compare(described(stack(n).swapaxes(0, 1))) for n in range(50, 53)]
    assert sum(held) <= 1
    assert all(comparison.unlike for comparison in turned)
    words = " ".join(reason for comparison in turned for reason in comparison.reasons)
    assert "neighbouring planes differ more" in words


def test_other_distances_of_planes_are_seen(stacks):
    comparison = stacks.compare(described(stack(50)[::6]))
    assert comparison.unlike
    assert any("another plane distance" in reason for reason in comparison.reasons)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 1000), st.floats(-1e4, 1e4))
def test_gain_and_offset_of_a_camera_change_nothing(gain, offset):
    picture = exposed(blobs(3))
    before = described(picture).whole[0].values
    after = described(gain * picture + offset).whole[0].values
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=0.02, nan_ok=True), name


class Counting:
    """A stack of 4 TB that counts what is read of it."""

    shape, dtype = (1, 2000, 40_000, 50_000), np.dtype(np.uint8)

    def __init__(self):
        self.read = 0

    def __getitem__(self, index):
        shape = tuple(range(*i.indices(n)) for i, n in zip(index[2:], self.shape[2:], strict=True))
        self.read += len(shape[0]) * len(shape[1])
        return np.random.default_rng(self.read).integers(0, 9, [len(r) for r in shape])


def test_little_is_read_of_a_large_stack():
    image = Counting()
    features(image, [Affine(0, 9)])
    assert image.read <= 64 * 3 * 64 * 64


def test_a_stack_of_30_large_planes_takes_less_than_a_second():
    image = np.random.default_rng(0).normal(100, 9, (1, 30, 1024, 1024)).astype(np.float32)
    features(image[:, :3, :64, :64], [Affine(80, 120)])  # what is imported counts once
    begin = time.process_time()
    features(image, [Affine(80, 120)])
    assert time.process_time() - begin < 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(16, 90), st.integers(16, 90), st.booleans())
def test_any_size_can_be_described_and_compared(planes, height, width, flat):
    picture = exposed(blobs(0, sigma=(1, 2, 2), shape=(planes, height, width)))
    picture = picture[0] if flat else picture
    found = described(picture)
    alike = Fingerprint.of([described(picture + n) for n in range(3)])
    assert np.isfinite(alike.compare(found).score)
    assert not alike.compare(found).unlike


def test_values_that_are_not_finite_do_not_spread():
    picture = exposed(blobs(0))[None]
    maps = [Affine(90, 300)]
    holes = picture.copy()
    holes[0, 5, 7], holes[0, 50, 70] = np.nan, np.inf
    before, after = (features(p, maps).whole[0].values for p in (picture, holes))
    assert after["noise_median"] == pytest.approx(before["noise_median"], abs=0.05)
    assert not features(np.full((1, 32, 32), np.nan), maps).whole[0].something


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_training_images_are_enough_for_gross_differences(count):
    few = Fingerprint.of([described(exposed(blobs(n), n)) for n in range(count)])
    same = [few.compare(described(exposed(blobs(n), n))).unlike for n in range(100, 120)]
    assert sum(same) <= 1
    assert few.compare(described(gaussian_filter(exposed(blobs(9), 9), 1.5))).unlike
    assert few.compare(described(NOISE.normal(size=(256, 256)))).unlike


def test_blank_training_images_do_not_count():
    images = [described(exposed(blobs(n), n)) for n in range(4)]
    blank = features(np.zeros((1, 256, 256)), [None])
    assert Fingerprint.of([*images, blank]).to_json() == Fingerprint.of(images).to_json()


def test_json_holds_all_in_a_few_kilobytes(fingerprint):
    text = json.dumps(fingerprint.to_json(), allow_nan=False)
    assert len(text) < 6000
    again = Fingerprint.from_json(json.loads(text))
    for number in (100, 200):
        image = described(exposed(blobs(number, sigma=(2, number / 60)), number))
        before, after = fingerprint.compare(image), again.compare(image)
        assert after.score == pytest.approx(before.score, rel=0.02)
        assert after.reasons == before.reasons
    assert again.to_json() == json.loads(text)


@pytest.mark.parametrize(
    "held", [{}, {"channels": [{}], "disagreement": None}, [], {"channels": 3}]
)
def test_a_damaged_fingerprint_is_refused(held):
    with pytest.raises(ModelError, match="fingerprint"):
        Fingerprint.from_json(held)


def test_the_channel_that_differs_is_named():
    def two(n, photons):
        pictures = np.stack([exposed(blobs(n), n), exposed(blobs(n + 500), n, photons)])
        return features(pictures, normalize.fit(Image(pictures, "CYX")))

    both = Fingerprint.of([two(n, 100.0) for n in range(6)])
    comparison = both.compare(two(60, 3000.0))
    assert not both.compare(two(60, 100.0)).unlike
    assert comparison.unlike
    assert all(reason.startswith("channel 1: ") for reason in comparison.reasons)
    with pytest.raises(UsageError, match="1 channels cannot be compared"):
        both.compare(described(exposed(blobs(0))))
    with pytest.raises(UsageError, match="1 and 2 channels"):
        Fingerprint.of([two(0, 100.0), described(exposed(blobs(0)))])


def test_members_that_disagree_more_than_usual_are_a_reason(fingerprint):
    assert fingerprint.dispute(0.9).reasons == ()
    usual = [0.036, 0.038, 0.04, 0.042, 0.044]
    ensemble = Fingerprint.from_json(fingerprint.knowing(usual[:2], usual[2:]).to_json())
    for alike in (0.0, 0.03, 0.05):
        assert not ensemble.dispute(alike).unlike
    comparison = ensemble.dispute(0.4)
    assert comparison.unlike
    assert comparison.reasons == ("the members of the ensemble disagree 10 times as much as usual",)
    assert ensemble.compare(described(exposed(blobs(100), 100))).reasons == ()


@settings(max_examples=50, deadline=None)
@given(
    st.floats(1e-5, 0.5),
    st.lists(st.floats(0.5, 2), min_size=1, max_size=8),
    st.lists(st.floats(0.5, 2), max_size=12),
    st.floats(0.01, 1),
)
def test_agreement_on_what_was_learnt_does_not_lower_the_limit(fingerprint, d, held, known, less):
    """Images that validated are usual however well members agree on those they learnt from."""
    ensemble = fingerprint.knowing([d * h for h in held], [less * d * k for k in known])
    assert not ensemble.dispute(d * float(np.exp(np.log(held).mean()))).unlike


def test_a_fingerprint_needs_something_to_go_by():
    with pytest.raises(UsageError, match="no channels"):
        Fingerprint.of([])
    with pytest.raises(UsageError, match="too few or too small"):
        Fingerprint.of([described(exposed(blobs(0, shape=(32, 32))))])


@pytest.mark.parametrize("shape", [(64, 64), (1, 1, 1, 64, 64), (2, 64, 64), (1, 8, 64)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError):
        features(np.zeros(shape), [Affine(0, 1)])


@pytest.mark.skipif(DATA is None, reason="CARESCOPE_DATA is not set")
def test_real_exposures_of_unseen_fields_pass_and_other_data_do_not():
    folder = Path(DATA or "")

    def exposure(field):
        return open_image(folder / "paired_w2s" / "avg1" / f"{field:03d}_0.tif").array()

    real = Fingerprint.of([described(exposure(field)) for field in range(1, 15)])
    fields = [exposure(field) for field in range(15, 21)]
    parts = [p[y : y + 256, x : x + 256] for p in fields for y in (0, 256) for x in (0, 256)]
    assert sum(real.compare(described(p)).unlike for p in [*fields, *parts]) <= 1
    fly = open_image(folder / "iso_flybrain" / "flybrain.tif").array()
    assert real.compare(described(fly[28])).unlike
    assert real.compare(described(gaussian_filter(fields[0].astype(float), 1.5))).unlike
