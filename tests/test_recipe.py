"""A recipe refuses what cannot be meant, by name (F25)."""

import pytest

from carescope import Recipe
from carescope.errors import UsageError


def test_misspelt_key_names_the_nearest():
    with pytest.raises(UsageError, match=r"no 'minuts' \(did you mean 'minutes'\?\). Leave out"):
        Recipe.of(minuts=3)


def test_the_remedy_names_the_options():
    with pytest.raises(UsageError, match="Correct --loss and --batch-size"):
        Recipe.of(batch_size=0, loss="foo")


@pytest.mark.parametrize("name", sorted(Recipe.model_fields))
def test_every_field_refuses_nonsense(name):
    with pytest.raises(UsageError, match=name):
        Recipe.of(**{name: "nonsense"})


@pytest.mark.parametrize(
    "bad",
    [
        {"minutes": 1, "steps": 1},
        {"minutes": 0},
        {"steps": -1},
        {"patch_px": 100},
        {"percentiles": (50, 50)},
        {"network": "resnet"},
        {"loss": "laplace", "noise": "clean"},
        {"loss": "gaussian", "network": "isonet1"},
    ],
)
def test_impossible_values(bad):
    with pytest.raises(UsageError):
        Recipe.of(**bad)


def test_round_trips_through_json_and_is_frozen():
    recipe = Recipe.of(steps=7, seed=3, psf_mode="full")
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 4


def test_budget():
    assert Recipe().seconds == 300
    assert Recipe(minutes=2).seconds == 120
    assert Recipe(steps=2).seconds is None
