"""What files say of themselves is found; what they do not say is asked for."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import read
from carescope.errors import InputError

STACK = np.arange(3 * 8 * 10, dtype="u2").reshape(3, 8, 10)


def write(path, values=STACK, **options):
    tifffile.imwrite(path, values, **{"photometric": "minisblack", **options})
    return path


def imagej_text(path, text, pages=3, values=STACK, **options):
    """An ImageJ TIFF with a description of our own."""
    with tifffile.TiffWriter(path) as tif:
        for k in range(pages):
            tif.write(
                values[k], metadata=None, contiguous=False, photometric="minisblack",
                description=text if k == 0 else None, **options,
            )  # fmt: skip
    return path


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(1, 3)),
    z=st.floats(0.01, 50),
    pixels_a_unit=st.integers(1, 50),
    unit=st.sampled_from([("um", 1), ("micron", 1), ("\\u00B5m", 1), ("nm", 1e-3), ("mm", 1e3)]),
)
def test_f42_imagej_hyperstacks(tmp_path_factory, sizes, z, pixels_a_unit, unit):
    t, s, c = sizes
    values = np.arange(t * s * c * 6 * 7, dtype="u2").reshape(t, s, c, 6, 7)
    path = tmp_path_factory.mktemp("ij") / "a.tif"
    write(
        path, values, imagej=True, resolution=(pixels_a_unit, pixels_a_unit),
        metadata={"axes": "TZCYX", "unit": unit[0], "spacing": z},
    )  # fmt: skip
    image = read.open(path)
    wanted = "".join(a for a, n in zip("TZC", sizes, strict=True) if n > 1) + "YX"
    assert image.axes == wanted
    np.testing.assert_array_equal(image.array(), values.squeeze(_singles(sizes)))
    assert image.voxel_um == pytest.approx(
        (z * unit[1], unit[1] / pixels_a_unit, unit[1] / pixels_a_unit)
    )


def _singles(sizes):
    return tuple(i for i, n in enumerate(sizes) if n == 1)


def test_imagej_leaves_a_spacing_of_one_out(tmp_path):
    text = "ImageJ=1.53t\nimages=3\nslices=3\nunit=micron\n"
    path = imagej_text(tmp_path / "a.tif", text, resolution=(4, 2))
    assert read.open(path).voxel_um == (1, 0.5, 0.25)


def test_imagej_units_that_differ_by_axis(tmp_path):
    text = "ImageJ=1.53t\nimages=3\nslices=3\nunit=nm\nyunit=um\nzunit=mm\nspacing=0.002\n"
    path = imagej_text(tmp_path / "a.tif", text, resolution=(0.01, 2))
    assert read.open(path).voxel_um == pytest.approx((2, 0.5, 0.1))


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.53t\nimages=3\nslices=3\nunit=pixel\nspacing=2.0\n",
        "ImageJ=1.53t\nimages=3\nslices=3\nspacing=2.0\n",
        "ImageJ=1.53t\nimages=3\nslices=3\nunit=um\nspacing=0.0\n",
        "ImageJ=1.53t\nimages=3\nslices=3\nunit=um\nspacing=-2.0\n",
        "ImageJ=1.53t\nimages=3\nslices=3\nunit=um\nspacing=nan\n",
        "ImageJ=1.53t\nimages=3\nslices=3\nunit=sec\nspacing=2.0\n",
    ],
)
def test_f10_no_voxel_size_is_none_and_can_be_given(tmp_path, text):
    path = imagej_text(tmp_path / "a.tif", text, resolution=(4, 4))
    assert read.open(path).voxel_um is None
    assert read.open(path, voxel_um=(2, 0.2, 0.2)).voxel_um == (2, 0.2, 0.2)
    with pytest.raises(InputError, match="--voxel-um"):
        read.open(path, voxel_um=(2, 0, 0.2))


def test_ome_sizes_units_and_channels(tmp_path):
    values = np.arange(2 * 3 * 4 * 8 * 10, dtype="u2").reshape(2, 3, 4, 8, 10)
    path = write(
        tmp_path / "a.ome.tif", values,
        metadata={
            "axes": "TCZYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.3, "PhysicalSizeZ": 0.002, "PhysicalSizeZUnit": "mm",
            "Channel": {"Name": ["DAPI", "", "actin"]},
        },
    )  # fmt: skip
    image = read.open(path)
    assert (image.axes, image.shape) == ("TCZYX", values.shape)
    assert image.voxel_um == pytest.approx((2, 0.3, 0.25))
    assert image.channel_names == ("DAPI", "", "actin")
    np.testing.assert_array_equal(image.array(), values)


def test_ome_planes_in_an_order_of_their_own(tmp_path):
    path = tmp_path / "a.ome.tif"
    write(path, STACK, metadata={"axes": "ZYX"})
    listed = "".join(f'<TiffData FirstZ="{z}" IFD="{2 - z}"/>' for z in range(3))
    _edit_ome(path, '<TiffData IFD="0" PlaneCount="3"/>', listed)
    np.testing.assert_array_equal(read.open(path).array(), STACK[::-1])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('PlaneCount="3"', 'PlaneCount="2"', "list 2 pages"),
        ('PlaneCount="3"', 'PlaneCount="4"', "place 4 planes"),
        ('IFD="0"', 'IFD="1"', "2 whole planes|0 whole planes"),
        ('SizeZ="3"', 'SizeZ="4"', "planes"),
        ('SizeX="10"', 'SizeX="11"', "8 x 11"),
        ('Type="uint16"', 'Type="int16"', "int16"),
        ('SizeT="1"', 'SizeT="1000000000"', "planes"),
        ("</Image>", '</Image><Image ID="Image:1"><Pixels/></Image>', "2 OME images"),
        ('PlaneCount="3"/>', 'PlaneCount="3"><UUID FileName="b.tif">urn:uuid:b</UUID></TiffData>'
         '<TiffData IFD="0"><UUID FileName="c.tif">urn:uuid:c</UUID></TiffData>', "several files"),
    ],
)  # fmt: skip
def test_ome_that_contradicts_itself_is_refused(tmp_path, old, new, message):
    path = tmp_path / "a.ome.tif"
    write(path, STACK, metadata={"axes": "ZYX"})
    _edit_ome(path, old, new)
    with pytest.raises(InputError, match=message) as caught:
        read.open(path)
    assert caught.value.remedy


def test_a_renamed_ome_tiff_is_still_itself(tmp_path):
    path = tmp_path / "renamed.ome.tif"
    write(path, STACK, metadata={"axes": "ZYX"})
    _edit_ome(path, '"3"/>', '"3"><UUID FileName="old.ome.tif">urn:uuid:x</UUID></TiffData>')
    np.testing.assert_array_equal(read.open(path).array(), STACK)


def _edit_ome(path, old, new):
    xml = tifffile.tiffcomment(path)
    assert old in xml
    tifffile.tiffcomment(path, xml.replace(old, new).encode())


def test_a_single_image_needs_no_axes(tmp_path):
    path = write(tmp_path / "a.tif", STACK[0], metadata=None)
    assert (read.open(path).axes, read.open(path).shape) == ("YX", (8, 10))


@pytest.mark.parametrize(
    ("resolution", "unit", "um"),
    [((1e5, 5e4), "CENTIMETER", (1.0, 0.2, 0.1)), ((300, 300), "INCH", None), ((4, 4), None, None)],
)
def test_a_plain_resolution_counts_where_it_is_a_microscopes(tmp_path, resolution, unit, um):
    path = write(
        tmp_path / "a.tif", STACK[0], metadata=None, resolution=resolution, resolutionunit=unit
    )
    assert read.open(path).voxel_um == (um if um is None else pytest.approx(um))


def test_unnamed_planes_must_be_named(tmp_path):
    path = write(tmp_path / "a.tif", STACK, metadata=None)
    with pytest.raises(InputError, match=r"\?=3 Y=8 X=10.*--axes ZYX"):
        read.open(path)
    assert read.open(path, axes="zyx").axes == "ZYX"
    assert read.open(path, axes="TYX").axes == "TYX"


def test_dimensions_of_length_one_are_dropped_unless_named(tmp_path):
    path = write(tmp_path / "a.tif", STACK[None, :, None], metadata={"axes": "TZCYX"}, imagej=True)
    assert read.open(path).axes == "ZYX"
    assert read.open(path, axes="ZYX").shape == (3, 8, 10)
    ome = write(tmp_path / "a.ome.tif", STACK[:1], metadata={"axes": "ZYX"})
    assert read.open(ome).axes == "YX"
    assert read.open(ome, axes="ZYX").shape == (1, 8, 10)
    assert read.open(ome, axes="CTZYX").shape == (1, 1, 1, 8, 10)
    shaped = write(tmp_path / "b.tif", STACK[:1], metadata={"axes": "ZYX"})
    assert read.open(shaped).shape == (1, 8, 10)


def test_a_huge_imagej_stack_has_one_page(tmp_path):
    path = write(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX"}, truncate=True)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    np.testing.assert_array_equal(read.open(path).array(), STACK)


def test_provenance_of_a_foreign_file_is_empty(tmp_path):
    assert read.provenance_of(write(tmp_path / "a.ome.tif", STACK)) == {}
    assert read.provenance_of(write(tmp_path / "a.tif", STACK)) == {}
