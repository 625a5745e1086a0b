"""The script behind make demo and make test: sets up once, forwards exit codes."""

import ast
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "run.py"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script in an empty project, whose commands are recorded instead of run."""
    spec = importlib.util.spec_from_file_location("run", SCRIPT)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "constraints.txt").write_text("")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "installed")
    module.said, module.codes = [], {}

    def call(what, *command):
        module.said.append(what)
        module.last = command
        return module.codes.get(what, 0)

    monkeypatch.setattr(module, "call", call)
    monkeypatch.setattr(module, "answer", lambda *_: "3.12.1")
    return module


def installs(script) -> int:
    return sum(what.startswith("Installing") for what in script.said)


def test_it_installs_once_and_again_when_a_pin_changes(script):
    assert script.main(["test"]) == 0
    assert script.main(["demo"]) == 0
    assert installs(script) == 1
    (script.ROOT / "constraints.txt").write_text("numpy==2")
    script.main(["test"])
    assert installs(script) == 2


def test_an_installation_that_failed_is_tried_again_and_stops_the_rest(script):
    script.codes["Installing carescope (minutes, once)"] = 7
    assert script.main(["test"]) == 7
    assert script.main(["test"]) == 7
    assert installs(script) == len(script.said) == 2


def test_it_makes_an_environment_where_there_is_none_or_an_old_one(script, monkeypatch):
    for broken in ("", "3.9.2"):
        answers = iter([broken, "3.11.0"])
        monkeypatch.setattr(script, "answer", lambda *_, answers=answers: next(answers))
        script.main(["demo"])
    assert script.said.count("Making .venv") == 2


def test_one_failing_check_fails_the_tests_but_stops_no_other(script):
    script.codes["Layout"] = 1
    assert script.main(["test"]) == 1
    assert script.said[-4:] == ["Style", "Layout", "Types", "Tests"]


def test_arguments_and_exit_codes_pass_through(script):
    script.codes["The demo"] = 130
    assert script.main(["demo", "--minutes", "1"]) == 130
    assert script.last[1:] == ("demo", "--out", "demo", "--minutes", "1")
    script.main(["test", "-k", "reach"])
    assert script.last[-2:] == ("-k", "reach")


def test_an_old_python_is_refused_with_a_sentence(script):
    assert script.refuse((3, 11)) == script.refuse((3, 14)) == ""
    assert "needs Python 3.11 or newer, and this is 3.9" in script.refuse((3, 9))


def test_an_old_python_can_read_the_script_to_refuse():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
