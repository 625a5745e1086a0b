"""The door is light: what a user types first does not wait for torch."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import carescope

HEAVY = {
    "torch",
    "openvino",
    "scipy",
    "skimage",
    "matplotlib",
    "tifffile",
    "jinja2",
    "psf",
    "safetensors",
}


def imported_by(statement: str) -> tuple[set[str], float]:
    """Packages in memory after a statement in a fresh interpreter, and the seconds it took."""
    code = (
        f"import time; t = time.perf_counter(); {statement}; s = time.perf_counter() - t; "
        "import json, sys; print(json.dumps([s, sorted({m.split('.')[0] for m in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout)
    return set(modules), seconds


def test_import_is_light():
    modules, seconds = imported_by("import carescope")
    print(f"import carescope: {seconds:.3f} s")
    assert not modules & (HEAVY | {"numpy", "pydantic"})


def test_an_image_needs_only_numpy():
    modules, _ = imported_by("import carescope; carescope.Image; carescope.Grid")
    assert not modules & HEAVY


def test_the_command_line_starts_light():
    modules, seconds = imported_by("import carescope.app.cli")
    print(f"import carescope.app.cli: {seconds:.3f} s")
    assert not modules & HEAVY


def test_every_public_name_is_there_and_listed():
    for name, (module, attribute) in carescope._PUBLIC.items():
        found = importlib.import_module(module)
        assert getattr(carescope, name) is (getattr(found, attribute) if attribute else found)
        assert name in dir(carescope)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(carescope.__file__).read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {}
    for line in block.body:
        if isinstance(line, ast.Assign):
            module, attribute = ast.unparse(line.value).split(".")
            seen[ast.unparse(line.targets[0])] = (f"carescope.{module}", attribute)
        elif isinstance(line, ast.ImportFrom):
            for name in (alias.name for alias in line.names if alias.asname):
                whole = line.module == "carescope"
                seen[name] = (f"carescope.{name}", None) if whole else (line.module, name)
    assert seen == carescope._PUBLIC
