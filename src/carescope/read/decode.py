"""From the bytes of a strip or tile to its pixels."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.read.page import DEFLATE, NONE, Page


class DecodeError(Exception):
    """A strip or tile cannot be decoded; the message says why."""


def segment(page: Page, index: int, data: bytes) -> npt.NDArray[Any]:
    """Decode one segment.

    Parameters
    ----------
    page
        The page it belongs to.
    index
        Its number on the page.
    data
        Its bytes as they are in the file.

    Returns
    -------
    array
        (rows, columns) in the machine's byte order.

    Raises
    ------
    DecodeError
        The bytes do not hold exactly the pixels that the page declares.
    """
    length = page.segment_bytes(index)
    try:
        data = _decompress(page.compression, data, length)
    except DecodeError:
        raise
    except Exception as error:  # each codec has errors of its own
        raise DecodeError(str(error)) from error
    if len(data) != length:
        raise DecodeError(f"it holds {len(data)} bytes instead of {length}")
    rows, columns = page.segment_shape(index)
    if page.bits == 1:
        bits = np.frombuffer(data, np.uint8).reshape(rows, -1)
        return np.unpackbits(bits, axis=1)[:, :columns].astype(np.bool_)
    if page.predictor == 3:
        return _undo_float_prediction(data, rows, columns, page.dtype)
    pixels = np.frombuffer(data, page.dtype).reshape(rows, columns)
    pixels = pixels.astype(page.dtype.newbyteorder("="), copy=False)
    return _undo_prediction(pixels) if page.predictor == 2 else pixels


def _decompress(compression: int, data: bytes, length: int) -> bytes:
    """Decompress, never to more than a byte beyond `length`."""
    if compression == NONE:
        return data
    if compression in DEFLATE:
        stream = zlib.decompressobj()
        out = stream.decompress(data, length + 1)
        # Asking for one byte more makes zlib reach the end of the stream and its checksum.
        if not stream.eof:
            raise DecodeError("its compressed stream is cut or longer than declared")
        return out
    import tifffile

    return bytes(tifffile.TIFF.DECOMPRESSORS[compression](data, out=length))


def installed(compression: int) -> bool:
    """Whether a compression can be undone here."""
    import tifffile

    if compression == NONE or compression in DEFLATE:
        return True
    try:
        tifffile.TIFF.DECOMPRESSORS[compression](b"")
    except (KeyError, ImportError):
        return False
    except Exception:  # it is there, and does not like to be given nothing
        return True
    return True


def _undo_prediction(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum up horizontal differences, modulo the size of the sample (TIFF 6.0, section 14)."""
    unsigned = np.dtype(f"u{pixels.dtype.itemsize}")
    return np.cumsum(pixels.view(unsigned), axis=1, dtype=unsigned).view(pixels.dtype)


def _undo_float_prediction(
    data: bytes, rows: int, columns: int, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Undo the floating-point predictor (Adobe Photoshop TIFF Technical Note 3, 2005).

    Each row stores the most significant bytes of all its samples first, then the next ones,
    and of this sequence of bytes the differences.
    """
    differences = np.frombuffer(data, np.uint8).reshape(rows, -1)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, columns)
    big_endian = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(dtype.newbyteorder(">"))
    return big_endian.reshape(rows, columns).astype(dtype.newbyteorder("="))
