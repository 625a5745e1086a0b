"""Settings from a text file: YAML, or JSON, which is YAML too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carescope.errors import InputError

#: No file of settings is larger; what is, was not meant.
MOST_BYTES = 1 << 20


def read_settings(path: Path) -> dict[str, Any]:
    """The names and values in a YAML file.

    Parameters
    ----------
    path
        The file: a mapping of names to plain values.

    Raises
    ------
    InputError
        It cannot be read, is no YAML, or holds something else.
    """
    import yaml

    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError("is too large to hold settings", where=path, remedy="Give a YAML file")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise InputError(
            f"cannot be read: {reason}", where=path, remedy="Give the path of a YAML file"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise InputError(
            f"is no YAML{line}: {getattr(error, 'problem', None) or error}",
            where=path,
            remedy="Write one name: value a line, lists as [1, 2]",
        ) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(
            "holds no names with values", where=path, remedy="Write one name: value a line"
        )
    return found
