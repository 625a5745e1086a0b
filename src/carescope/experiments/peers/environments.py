"""An environment for each program, so that none has to agree with the libraries of another."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from carescope.errors import UsageError
from carescope.files import atomic
from carescope.files.folder import read_bytes

#: What pip installs for a program; carescope runs where it is.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "csbdeep": (
        "csbdeep==0.8.2",
        "tensorflow-cpu==2.19.1; platform_machine == 'x86_64' or platform_machine == 'AMD64'",
        "tensorflow==2.19.1; platform_machine == 'arm64' or platform_machine == 'aarch64'",
        "tifffile",
    ),
    "careamics": ("careamics==0.3.5", "torch<2.14", "tifffile"),
}
INSTALLED = "installed"


def python_of(program: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The Python in which a program is installed; installed now where it is not yet.

    Parameters
    ----------
    program
        Of `REQUIREMENTS`, or ``carescope``.
    folder
        Where environments are kept, each in a folder of its own.
    say
        Told when an installation begins.

    Raises
    ------
    UsageError
        pip cannot install it here: for this version of Python, or without a network.
    """
    if program == "carescope":
        return Path(sys.executable)
    place = folder / program
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = REQUIREMENTS[program]
    mark, whole = place / INSTALLED, "\n".join(wanted)
    if python.exists() and mark.exists() and read_bytes(mark).decode() == whole:
        return python
    say(f"installing {wanted[0]} into an environment of its own")
    try:
        venv.create(place, clear=True, with_pip=True, symlinks=os.name != "nt")
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *wanted,
        ]
        subprocess.run(pip, check=True, capture_output=True, text=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip()
        why = said if isinstance(said, str) else said.decode(errors="replace")
        raise UsageError(
            f"{program} cannot be installed: {why.splitlines()[-1] if why else error}",
            where=place,
            remedy="Look at the network, and use a Python from 3.11 to 3.12, as it needs",
        ) from error
    atomic.write_text(mark, whole)
    return python
