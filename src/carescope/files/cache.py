"""What was found out on this machine and is worth knowing the next time: small JSON files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from carescope.errors import CarescopeError
from carescope.files.atomic import write_text
from carescope.files.folder import make


def cache_folder() -> Path:
    """Where this system keeps what programs can find out again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "carescope"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/carescope"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "carescope"


def recall(subject: str, key: str) -> dict[str, Any]:
    """What was remembered of a subject under a key; empty where nothing sound was."""
    try:
        found = json.loads(_path(subject, key).read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # the last where there is no home folder
        return {}
    return found if isinstance(found, dict) else {}


def remember(subject: str, key: str, facts: dict[str, Any]) -> None:
    """Keep JSON values under a key; where that cannot be written, they are found out again."""
    try:
        path = _path(subject, key)
        make(path.parent)
        write_text(path, json.dumps(facts), overwrite=True)
    except (CarescopeError, OSError, RuntimeError):
        return


def _path(subject: str, key: str) -> Path:
    return cache_folder() / subject / f"{key}.json"
