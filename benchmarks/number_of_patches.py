"""How many patches does denoising need? NRMSE on unseen fields against distinct training patches.

    CARESCOPE_DATA=... python benchmarks/number_of_patches.py --steps 600 --csv patches.csv
    python benchmarks/number_of_patches.py --draw patches.csv

Networks learn from fields 1-14 of a channel of `paired_w2s`, all for equally many steps, and are
tested on fields 15-20. With 25 to 1,000 patches these are drawn once, augmented once, and shown
again and again in ever new order, as a package that writes patches to disk would; `all` draws new
ones in every step, as carescope does. One whole image chooses the best weights, of all networks
alike. Classical methods are tuned on every other field of 1-14. Rows are written as they come, and
a second call with the same --csv trains only what is missing.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import carescope as cs
from carescope import baselines, metrics, pairs, rng, train

TRAINING, TUNED_ON, TEST = range(1, 15), range(2, 15, 2), range(15, 21)
COUNTS = (25, 50, 100, 200, 400, 1000)
COLUMNS = ("patches", "steps", "seed", "field", "nrmse")
PICTURE = Path("docs/images/number-of-patches.png")


class Few:
    """The first so many patches of other pairs, in an order of its own in every epoch."""

    def __init__(self, whole: pairs.Pairs, count: int) -> None:
        self.whole, self.count = whole, count
        size = whole.recipe.batch_size
        batches = [whole.batch(number) for number in range(-(-count // size))]
        self.inputs, self.targets = (
            np.concatenate(sides)[:count] for sides in zip(*batches, strict=True)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def under(self, recipe: cs.Recipe) -> Few:
        return self if recipe == self.whole.recipe else Few(self.whole.under(recipe), self.count)

    def identity(self) -> list[object]:
        return [*self.whole.identity(), self.count]

    def batch(self, number: int, share: tuple[int, int] = (0, 1)) -> pairs.contract.Batch:
        size = self.recipe.batch_size // share[1]
        first = number * self.recipe.batch_size + share[0] * size
        chosen = [self._patch(n) for n in range(first, first + size)]
        return self.inputs[chosen], self.targets[chosen]

    def _patch(self, number: int) -> int:
        """Which patch is the n-th to be shown: every epoch is a permutation."""
        epoch, place = divmod(number, self.count)
        order = rng.generator(self.recipe.seed, "epoch", epoch).permutation(self.count)
        return int(order[place])


def image(kind: str, field: int, channel: int) -> cs.Image:
    path = Path(os.environ["CARESCOPE_DATA"], "paired_w2s", kind, f"{field:03}_{channel}.tif")
    return cs.open(path, axes="YX")


def both(field: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(image(kind, field, channel).array() for kind in ("avg1", "avg400"))


def learnt(channel: int, count: int | None, recipe: cs.Recipe) -> dict[int, float]:
    """NRMSE of each test field, restored by a network that saw so many patches."""
    images = [(image("avg1", f, channel), image("avg400", f, channel)) for f in TRAINING]
    whole = pairs.from_pairs(images, recipe)
    model = train.fit(whole if count is None else Few(whole, count))
    found = {}
    for field in TEST:
        restored = cs.restore(model, image("avg1", field, channel)).mean.array()
        found[field] = metrics.nrmse(image("avg400", field, channel).array(), restored)
    return found


def classical(channel: int, methods: list[str]) -> dict[str, dict[int, float]]:
    """NRMSE of the input itself and of tuned methods, by test field."""
    tuning = [both(field, channel) for field in TUNED_ON]
    settings = {name: baselines.tune(name, tuning) for name in methods}
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for field in TEST:
        low, high = both(field, channel)
        found["input"][field] = metrics.nrmse(high, low)
        for name, setting in settings.items():
            found[name][field] = metrics.nrmse(high, baselines.apply(name, low, setting))
    return found


def table(rows: list[dict[str, str]]) -> str:
    """The mean and standard deviation over the test fields; seeds are averaged first."""
    lines = ["| patches | NRMSE on unseen fields |", "|---|---|"]
    for name, values in by_field(rows).items():
        spread = f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"
        lines.append(f"| {name} | {spread} |")
    return "\n".join(lines)


def by_field(rows: list[dict[str, str]]) -> dict[str, list[float]]:
    """For each number of patches and each method the NRMSE of every field, over seeds."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row["patches"]][row["field"]].append(float(row["nrmse"]))
    return {name: [statistics.mean(v) for v in fields.values()] for name, fields in found.items()}


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """NRMSE against the number of patches, with classical methods as lines."""
    from matplotlib.figure import Figure

    values = {name: statistics.mean(found) for name, found in by_field(rows).items()}
    steps = {int(row["steps"]) for row in rows if row["steps"]}
    shown = max(steps) * cs.Recipe().batch_size
    counts = sorted(int(name) for name in values if name.isdigit())
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    x = [*counts, shown] if "all" in values else counts
    y = [values[str(n)] for n in counts] + ([values["all"]] if "all" in values else [])
    axes.plot(x, y, "o-", color="#0b6e99", label="carescope", zorder=3)
    others = [name for name in values if not name.isdigit() and name != "all"]
    for name, style in zip(others, ("-", "--", ":", "-."), strict=False):
        colour = "#555555" if name == "input" else "#b5651d"
        label = "input: one exposure" if name == "input" else f"{name}, tuned"
        axes.axhline(values[name], linestyle=style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(x, [*map(str, counts), *(["all new"] if "all" in values else [])])
    ticks = [t for t in (0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15)
             if min(values.values()) * 0.9 <= t <= max(values.values()) * 1.1]  # fmt: skip
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("distinct training patches of 128 × 128 pixels")
    axes.set_ylabel("NRMSE, mean of 6 unseen fields")
    axes.set_title(f"{max(steps)} steps each", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train what is missing, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--patches", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--baselines", nargs="*", default=["low-pass"])
    parser.add_argument("--csv", type=Path, default=Path("number_of_patches.csv"))
    parser.add_argument("--draw", type=Path, help="only draw what is in a CSV")
    parser.add_argument("--out", type=Path, default=PICTURE)
    given = parser.parse_args()
    if not given.draw:
        measure(given)
    with (given.draw or given.csv).open() as file:
        rows = list(csv.DictReader(file))
    print(table(rows))
    draw(rows, given.out)


def measure(given: argparse.Namespace) -> None:
    """Append to the CSV what it does not hold yet."""
    held = list(csv.DictReader(given.csv.open())) if given.csv.exists() else []
    done = {(row["patches"], row["steps"], row["seed"]) for row in held}
    with given.csv.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not held:
            writer.writeheader()

        def add(name: str, steps: str, seed: str, found: dict[int, float]) -> None:
            told = {"patches": name, "steps": steps, "seed": seed}
            writer.writerows(told | {"field": f, "nrmse": v} for f, v in found.items())
            file.flush()

        missing = [n for n in given.baselines if (n, "", "") not in done]
        if missing or ("input", "", "") not in done:
            for name, found in classical(given.channel, missing).items():
                if (name, "", "") not in done:
                    add(name, "", "", found)
        for seed in given.seeds:
            for count in [*given.patches, None]:
                name = "all" if count is None else str(count)
                if (name, str(given.steps), str(seed)) not in done:
                    recipe = cs.Recipe(steps=given.steps, seed=seed)
                    add(name, str(given.steps), str(seed), learnt(given.channel, count, recipe))


if __name__ == "__main__":
    main()
