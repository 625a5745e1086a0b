"""Set the project up and run it: ``python3 run.py demo`` or ``python3 run.py test``.

Needs Python 3.11 and nothing else. The first call makes .venv and installs into it; later
ones find it as it was. Further arguments go to the demo, or to pytest.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "carescope-installed"
OLDEST = (3, 11)


def main(arguments: "list[str]") -> int:
    """Run one of the two commands and return its exit code."""
    if not arguments or arguments[0] not in ("demo", "test"):
        print("usage: python3 run.py demo|test [arguments of the demo, or of pytest]")
        return 2
    refusal = refuse(sys.version_info[:2])
    if refusal:
        print(refusal, file=sys.stderr)
        return 2
    command, rest = arguments[0], arguments[1:]
    try:
        return set_up() or (demo(rest) if command == "demo" else test(rest))
    except KeyboardInterrupt:
        return 130


def refuse(version: "tuple[int, ...]") -> str:
    """Say why this Python will not do; an empty string where it will."""
    if version >= OLDEST:
        return ""
    return "carescope needs Python {}.{} or newer, and this is {}. {}".format(
        *OLDEST,
        ".".join(str(n) for n in version),
        "Run it with a newer one, such as python3.11 run.py demo, or make PYTHON=python3.11 demo.",
    )


def set_up() -> int:
    """Make .venv and install into it, unless that has been done for just this project."""
    python = str(BIN / "python")
    version = answer(python, "import sys; print(*sys.version_info[:3], sep='.')")
    if not version or refuse(tuple(int(n) for n in version.split(".")[:2])):
        code = call("Making .venv", sys.executable, "-m", "venv", "--clear", str(VENV))
        if code:
            print("On Debian and Ubuntu, install python3-venv first.", file=sys.stderr)
            return code
        version = answer(python, "import sys; print(*sys.version_info[:3], sep='.')")
    wanted = fingerprint(version)
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return 0
    install = ("-m", "pip", "install", "--disable-pip-version-check", "-c", "constraints.txt")
    code = call("Installing carescope (minutes, once)", python, *install, "-e", ".[test]")
    if not code:
        STAMP.write_text(wanted)
    return code


def fingerprint(version: str) -> str:
    """Hash what decides the installation: pyproject.toml, constraints.txt, Python, the folder."""
    digest = hashlib.sha256(f"{version} {ROOT}".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def demo(rest: "list[str]") -> int:
    """Restore a real stack, start to report."""
    return call("The demo", str(BIN / "carescope"), "demo", "--out", "demo", *rest)


def test(rest: "list[str]") -> int:
    """Run every check, also after one has failed; return the first code that is not 0."""
    python = str(BIN / "python")
    if "CARESCOPE_DATA" not in os.environ:
        print("CARESCOPE_DATA is not set: tests on real data will be skipped.", flush=True)
    codes = {
        "Style": call("Style", python, "-m", "ruff", "check", "."),
        "Layout": call("Layout", python, "-m", "ruff", "format", "--check", "."),
        "Types": call("Types", python, "-m", "mypy"),
        "Tests": call("Tests", python, "-m", "pytest", "-n", "auto", "--dist", "loadfile", *rest),
    }
    failed = {what: code for what, code in codes.items() if code}
    if failed:
        print(f"\nFailed: {', '.join(failed)}.", flush=True)
    return next(iter(failed.values()), 0)


def call(what: str, *command: str) -> int:
    """Say what is about to run, run it in the project's folder, return its exit code."""
    print(f"\n{what}: {' '.join(command)}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def answer(python: str, code: str) -> str:
    """Return what a line of Python prints, or nothing where that Python does not run."""
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
