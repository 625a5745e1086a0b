"""Nothing that a library only mutters about passes: complaints become refusals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carescope.errors import CarescopeError, InputError

COPY_AGAIN = (
    "The file is damaged or was cut short: copy it again from its origin; "
    "--allow-incomplete keeps the whole leading planes of a Z stack"
)


@contextmanager
def listening(path: Path) -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread, and turn what it raises into a refusal.

    Yields
    ------
    list of str
        The warnings and errors logged so far; nothing of them is printed.

    Raises
    ------
    InputError
        The block raised anything but an error of ours or an interrupt.
    """
    complaints: list[str] = []
    thread = threading.get_ident()

    def catch(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.levelno >= logging.WARNING:
            complaints.append(record.getMessage())
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(catch)
    try:
        yield complaints
    except CarescopeError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        raise InputError(
            f"cannot be read as a TIFF: {error or type(error).__name__}",
            where=path,
            remedy=COPY_AGAIN,
        ) from error
    finally:
        logger.removeFilter(catch)


def unreadable(path: Path, error: OSError) -> InputError:
    """The refusal of a file that the operating system does not let us read."""
    return InputError(
        f"cannot be read: {(error.strerror or str(error)).lower()}",
        where=path,
        remedy="Check the name and the permissions of the file",
    )
