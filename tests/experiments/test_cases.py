"""What every experiment promises of its cases, at both sizes."""

import json

import pytest

from carescope import experiments
from carescope.recipe import Recipe


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", experiments.NAMES)
def test_cases_have_names_of_their_own_and_can_be_noted(name, full):
    if name == "drosophila":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    experiment = experiments.named(name)
    assert experiment.name == name
    cases = experiment.cases(full, 3)
    names = [case["name"] for case in cases]
    assert names
    assert len(set(names)) == len(names)
    assert json.loads(json.dumps(cases)) == cases
    assert "doi:" in experiment.source


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["calibration", "channels", "dose", "drosophila"])
def test_their_recipes_are_possible(name, full):
    for case in experiments.named(name).cases(full, 0):
        assert Recipe.of(**case["recipe"]).steps >= 600
