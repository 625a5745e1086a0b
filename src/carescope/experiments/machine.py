"""On what an experiment ran: processor, cores, accelerator, version, commit."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import carescope
from carescope.files.processor import cores, processor_name


def machine() -> str:
    """Processor, its cores, and the GPU if there is one, in words."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{processor_name() or platform.machine()}, {cores()} cores, {gpu}, {platform.system()}"


def software() -> str:
    """The version of carescope, and the commit where it runs from a checkout."""
    root = Path(__file__).parents[3]
    commit = _commit(root) if (root / ".git").exists() else ""
    return f"carescope {carescope.__version__}" + (f", commit {commit}" if commit else "")


def _commit(root: Path) -> str:
    """The commit of a checkout, and whether files have changed since; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""

    def said(*words: str) -> str:
        asked = [git, "--no-optional-locks", "-C", str(root), *words]  # nothing is written there
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip()

    commit = said("rev-parse", "--short=12", "HEAD")
    changed = bool(commit) and bool(said("status", "--porcelain", "--untracked-files=no"))
    return f"{commit} with changes" if changed else commit
