"""Imports point only up the list of layers, also those inside functions and for type checkers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FOUNDATION = [
    "ahead",
    "errors",
    "axes",
    "grid",
    "image",
    "normalize",
    "percentiles",
    "pieces",
    "recipe",
    "rng",
    "task",
]
LAYERS = [
    FOUNDATION,
    ["files"],
    ["read"],
    ["write"],
    ["physics"],
    ["phantoms"],
    ["pairs"],
    ["metrics"],
    ["baselines"],
    ["trust"],
    ["net"],
    ["model"],
    ["train"],
    ["engine"],
    ["predict"],
    ["report"],
    ["jobs"],
    ["experiments"],
    ["app"],
    ["__main__"],
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything of ours that a file imports: ``from carescope.x import y`` is carescope.x.y."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "carescope")


def wrong_way(module: str, tree: ast.AST) -> list[str]:
    """The imports of a module that point down the list."""
    here = HEIGHT[module.split(".")[1]]
    layers = {name.split(".")[1] for name in imported(tree) if "." in name}
    return sorted(name for name in layers if HEIGHT.get(name, 0) > here)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """One chain of modules that ends where it began; empty where there is none."""
    done: set[str] = set()

    def follow(module: str, chain: list[str]) -> list[str]:
        if module in chain:
            return [*chain[chain.index(module) :], module]
        if module in done:
            return []
        found = next((c for to in sorted(graph[module]) if (c := follow(to, [*chain, module]))), [])
        done.add(module)
        return found

    return next((c for module in sorted(graph) if (c := follow(module, []))), [])


def test_every_module_has_its_layer():
    assert {name.split(".")[1] for name in MODULES if "." in name} <= set(HEIGHT)


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_imports_point_up(module):
    assert wrong_way(module, ast.parse(MODULES[module].read_text())) == []


def test_no_module_imports_itself_by_way_of_others():
    graph = {}
    for module, path in MODULES.items():
        names = set(imported(ast.parse(path.read_text())))
        modules = {name if name in MODULES else name.rpartition(".")[0] for name in names}
        graph[module] = modules - {"carescope"}
    graph["carescope"] = set()  # its names are loaded when they are used
    assert cycle(graph) == []


@pytest.mark.parametrize(
    "source",
    [
        "import carescope.train",
        "from carescope.train import fit",
        "from carescope import train",
        "def f():\n    from carescope.train.loop import fit",
        "if TYPE_CHECKING:\n    from carescope.train import fit",
        "importlib.import_module('carescope.train')",
    ],
)
def test_the_check_sees_every_way_of_importing(source):
    assert wrong_way("carescope.net.unet", ast.parse(source)) == ["train"]
    assert wrong_way("carescope.jobs.denoise", ast.parse(source)) == []


def test_the_check_sees_a_cycle():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
