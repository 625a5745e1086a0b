"""The house rules that a machine can check; CONTRIBUTING.md lists them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "carescope"
PACKAGE = sorted(SOURCE.rglob("*.py"))
SHIPPED = [
    *PACKAGE,
    ROOT / "run.py",
    *ROOT.glob("examples/**/*.py"),
    *ROOT.glob("benchmarks/**/*.py"),
]
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
PICKLERS = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
LOADERS = {"torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "yaml.load"}
#: They run in the environments of other programs, where there is no carescope.
ELSEWHERE = {"harness.py", "csbdeep_peer.py", "careamics_peer.py"}
FILE_METHODS = {"open", "write_text", "write_bytes", "read_text", "read_bytes", "tofile"}
FILE_FUNCTIONS = {"open", "io.open", "os.open", "numpy.memmap"} | {
    f"numpy.{name}" for name in ("load", "save", "savez", "savetxt", "loadtxt", "fromfile")
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def in_full(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: ``import numpy as np`` gives np: numpy."""
    meanings = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                meanings[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return meanings


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call and the full name of what is called: ``np.load(f)`` gives numpy.load."""
    meanings = in_full(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            first = re.split(r"[.(\[]", name)[0]
            yield meanings.get(first, first) + name.removeprefix(first), node


def unsafe(tree: ast.AST) -> list[str]:
    """What could run code that a data file holds."""
    found = [m for m in in_full(tree).values() if m.split(".")[0] in PICKLERS | {"None"}]
    found += [m for m in in_full(tree).values() if m in LOADERS]
    for name, call in calls(tree):
        if name in LOADERS | {"eval", "exec"}:
            found.append(name)
        for keyword in call.keywords:
            allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "allow_pickle" and not allowed:
                found.append("allow_pickle")
    return found


def opens_files(tree: ast.AST) -> list[str]:
    """Where a file is touched without `files`, `read` or `write`; package data may be read."""
    found = [m for m in in_full(tree).values() if m.split(".")[0] == "tifffile"]
    for name, _ in calls(tree):
        ours = name.split(".")[0] == "carescope" or name.startswith("importlib.resources.files")
        by_method = "." in name and name.split(".")[-1] in FILE_METHODS
        if not ours and (name in FILE_FUNCTIONS or by_method):
            found.append(name)
    return found


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its def on, its docstring not counted."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= (text.end_lineno or 0) - text.lineno + 1
    return lines


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path):
    source = path.read_text()
    assert source.count("\n") <= 300
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [f"{f.name}: {length(f)}" for f in functions if length(f) > 60] == []


def test_names_say_something():
    assert [name_of(p) for p in PACKAGE if NAMELESS & {*p.parts, p.stem}] == []


def test_two_folder_levels_at_most():
    assert [name_of(p) for p in PACKAGE if len(p.relative_to(SOURCE).parts) > 3] == []


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_no_data_file_can_run_code(path):
    assert unsafe(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_user_input_is_never_asserted(path):
    tree = ast.parse(path.read_text())
    assert [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)] == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in PACKAGE
        if path.relative_to(SOURCE).parts[0] not in ("files", "read", "write")
        and path.name not in ELSEWHERE
    ],
    ids=name_of,
)
def test_only_three_folders_open_files(path):
    assert opens_files(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "import torch as t\nt.load(path)",
        "from torch import load",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "eval(text)",
    ],
)
def test_the_check_sees_unsafe_loading(source):
    assert unsafe(ast.parse(source))


@pytest.mark.parametrize(
    ("source", "harmless"),
    [
        ("open(path)", False),
        ("path.open('rb')", False),
        ("(folder / 'x').write_text('')", False),
        ("import numpy as np\nnp.load(path)", False),
        ("def f():\n    import tifffile", False),
        ("from carescope.read import open\nopen(path)", True),
        ("from carescope import files\nfiles.write_text(path, '')", True),
        ("from importlib.resources import files\nfiles('carescope').read_text()", True),
    ],
)
def test_the_check_sees_files_opened(source, harmless):
    assert (opens_files(ast.parse(source)) == []) is harmless
