"""Models made by CSBDeep and what it restores with them; then what carescope makes of both.

    python3 -m venv peer && peer/bin/pip install csbdeep==0.8.2 tensorflow-cpu==2.19.1
    peer/bin/python benchmarks/csbdeep_models.py make tests/model/csbdeep --models data/models_*
    peer/bin/python benchmarks/csbdeep_models.py make /tmp/many --all
    python benchmarks/csbdeep_models.py compare /tmp/many

The first `make` is for the tests. It writes the models' folders into models.zip, and expected.npz:
for each model `x`, a batch in the network's own axes, `raw`, what the network makes of it, and for
most an `image`, which CSBDeep's own predict turned into `restored` and `scale`. The weights are
random. `compare` is for carescope's environment.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

# name: (class, axes of the network, options, (axes, shape) of an image to restore, factor)
Case = tuple[str, str, dict[str, Any], tuple[str, tuple[int, ...]] | None, float | None]
SMALL: dict[str, Case] = {
    "plain": ("CARE", "YX", {}, ("YX", (21, 30)), None),
    "two_of_one": (
        "CARE",
        "YX",
        {"n_channel_out": 2, "probabilistic": True, "unet_n_depth": 1, "unet_kern_size": 3},
        ("YX", (13, 16)),
        None,
    ),
    "xyc": (
        "CARE",
        "XYC",
        {
            "n_channel_in": 2,
            "n_channel_out": 2,
            "unet_kern_size": 3,
            "unet_last_activation": "relu",
        },
        ("CYX", (2, 10, 15)),
        None,
    ),
    "sigmoid": (
        "CARE",
        "YX",
        {"unet_kern_size": 3, "unet_n_depth": 3}
        | {"unet_last_activation": "sigmoid", "unet_residual": False},
        None,
        None,
    ),
    "stack": ("CARE", "ZYX", {"probabilistic": True}, ("ZYX", (5, 10, 7)), None),
    "xyzc": ("CARE", "XYZ", {"unet_n_depth": 1}, ("ZYX", (3, 7, 10)), None),
    "keras3": (
        "CARE",
        "YX",
        {"probabilistic": True, "unet_residual": False, "unet_kern_size": 3},
        None,
        None,
    ),
    "surface": (
        "ProjectionCARE",
        "ZYX",
        {"probabilistic": True, "proj_n_filt": 2},
        ("ZYX", (3, 19, 18)),
        None,
    ),
    "surface_xyzc": (
        "ProjectionCARE",
        "XYZ",
        {"unet_n_depth": 1, "proj_n_depth": 2, "proj_n_filt": 3, "proj_n_conv_per_depth": 2}
        | {"proj_kern": (5, 3, 1), "proj_pool": (2, 3, 1), "n_channel_in": 2},
        None,
        None,
    ),
    "isotropic": (
        "IsotropicCARE",
        "YX",
        {"unet_n_depth": 1, "unet_kern_size": 3, "probabilistic": True},
        ("ZYX", (5, 7, 10)),
        2.5,
    ),
    "upsampling": ("UpsamplingCARE", "ZYX", {"unet_n_depth": 1}, ("ZYX", (3, 8, 9)), 2.5),
}


LAST = ["linear", "relu", "sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "gelu", "silu"]


def many() -> dict[str, Case]:
    """Every depth, kernel, order of axes and last activation, and the sizes that people use."""
    cases: dict[str, Case] = {}
    for depth in (1, 2, 3, 4):
        for kernel in (3, 5, 7):
            options = {"unet_n_depth": depth, "unet_kern_size": kernel, "unet_n_first": 4}
            image = ("YX", (45, 70))
            cases[f"depth {depth} kernel {kernel}"] = ("CARE", "YX", options, image, None)
    for axes in ("ZYX", "ZXY", "YZX", "YXZ", "XZY", "XYZ"):
        for probabilistic in (False, True):
            options = {"unet_n_first": 4, "probabilistic": probabilistic}
            name = f"{axes}C {'laplace' if probabilistic else 'mae'}"
            cases[name] = ("CARE", axes, options, ("ZYX", (7, 18, 26)), None)
    for activation in LAST:
        options = {"unet_last_activation": activation, "probabilistic": True}
        cases[f"last {activation}"] = ("CARE", "YX", options, None, None)
    for into, out in ((1, 1), (1, 2), (2, 1), (3, 3)):
        options = {"n_channel_in": into, "n_channel_out": out, "probabilistic": True}
        cases[f"{into} to {out} channels"] = ("CARE", "YX", options, ("CYX", (into, 30, 41)), None)
    for depth in (2, 3):
        options = {"unet_n_depth": depth, "unet_n_first": 16}
        image = ("ZYX", (11, 60, 75))
        cases[f"projection, U-Net of depth {depth}"] = (
            "ProjectionCARE",
            "ZYX",
            options,
            image,
            None,
        )
    full = {"unet_n_first": 32}
    cases["full 2D"] = ("CARE", "YX", full, ("YX", (130, 70)), None)
    cases["full 3D"] = ("CARE", "ZYX", full, ("ZYX", (9, 50, 34)), None)
    for factor in (2.0, 3.7):
        image = ("ZYX", (9, 30, 37))
        cases[f"isotropic {factor}"] = ("IsotropicCARE", "YX", {}, image, factor)
        cases[f"upsampling {factor}"] = ("UpsamplingCARE", "ZYX", {}, image, factor)
    return cases


def quantised(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that neither silence nor inflate what passes them, and that compress well."""
    fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 25
    spread = np.sqrt(2 / fan_in)
    step = 2.0 ** np.round(np.log2(spread) - 3)
    return (np.round(rng.normal(0.5 / fan_in, spread, shape) / step) * step).astype(np.float32)


def fill(network: Any, x: np.ndarray, rng: np.random.Generator) -> None:
    """Draw weights until each layer shows in the output, few filters being soon all dead.

    The best of 20 draws is taken where no layer of them is worth 1 % of the output's range.
    """
    best, clearest = [], 0.0
    for _ in range(20):
        drawn = [quantised(rng, w.shape) for w in network.get_weights()]
        network.set_weights(drawn)
        y = np.asarray(network(x))
        if np.ptp(y) < 0.1:
            continue
        faintest = np.inf
        for number in range(0, len(drawn), 2):
            network.set_weights([w * (n != number) for n, w in enumerate(drawn)])
            faintest = min(faintest, np.abs(np.asarray(network(x)) - y).max() / np.ptp(y))
        if faintest > clearest:
            best, clearest = drawn, faintest
        if clearest > 0.01:
            break
    assert clearest > 1e-4, "a layer that hardly counts tests nothing"
    network.set_weights(best)


def make_one(name: str, case: Case, number: int, folder: Path) -> dict[str, np.ndarray]:
    """Build, fill, save and run one model."""
    from csbdeep import models

    kind, axes, options, image, factor = case
    projects = kind == "ProjectionCARE"
    base = models.ProjectionConfig if projects else models.Config
    # CSBDeep refuses to save most of the activations that it can build.
    configured = type(base.__name__, (base,), {"is_valid": lambda *_: True})
    made_for = type(kind, (getattr(models, kind),), {"_config_class": configured})
    chosen = {"unet_n_first": 2, "train_tensorboard": False} | options
    channels = {key: chosen.pop(key) for key in ("n_channel_in", "n_channel_out") if key in chosen}
    probabilistic = chosen.pop("probabilistic", False)
    config = configured(axes, **channels, probabilistic=probabilistic, **chosen)
    model = made_for(config, name, basedir=str(folder))
    rng = np.random.default_rng(number)
    x = batch(model, rng)
    fill(model.keras_model, x, rng)
    weights = "weights_best.weights.h5" if name == "keras3" else "weights_best.h5"
    model.keras_model.save_weights(str(folder / name / weights))
    found = {"x": x, "raw": model.keras_model.predict(x, verbose=0)}
    if image is not None:
        axes, shape = image
        grey = rng.integers(100, 356, shape).astype(np.uint16)
        how = {} if factor is None else {"factor": factor}
        found |= {"image": grey, "restored": model.predict(grey, axes, **how)}
        if probabilistic:
            found["scale"] = model.predict_probabilistic(grey, axes, **how).scale()
    return found


def batch(model: Any, rng: np.random.Generator) -> np.ndarray:
    """Random numbers, axes (1, *space, C) in the network's own order."""
    config = model.config
    divisors = zip(config.axes, model._axes_div_by(config.axes), strict=True)
    steps = {axis: math.lcm(n, 1 if n == 1 else 2**config.unet_n_depth) for axis, n in divisors}
    sizes = {"Z": 4, "Y": 8, "X": 12, "C": config.n_channel_in}
    shape = [sizes[a] if a == "C" else -(-sizes[a] // steps[a]) * steps[a] for a in config.axes]
    return (rng.integers(-32, 160, (1, *shape)) / 128).astype(np.float32)


def make_given(folder: Path) -> dict[str, np.ndarray]:
    """What somebody's network makes of random numbers, which the tests draw again."""
    from csbdeep.models import CARE

    model = CARE(None, folder.name, basedir=str(folder.parent))
    x = np.random.default_rng(0).random((1, 24, 32, model.config.n_channel_in), np.float32)
    grey = np.random.default_rng(1).integers(100, 356, (21, 30)).astype(np.uint16)
    restored = model.predict(grey, "YX")
    return {"raw": model.keras_model.predict(x, verbose=0), "restored": restored}


def pack(folder: Path, archive: Path) -> None:
    """A zip archive that depends on nothing but the files' content."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())


def make(out: Path, cases: dict[str, Case], given: list[Path]) -> None:
    """Write models.zip and expected.npz."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        arrays: dict[str, np.ndarray] = {}
        for number, (name, case) in enumerate(cases.items()):
            made = make_one(name, case, number, Path(scratch))
            arrays |= {f"{name}/{key}": array for key, array in made.items()}
        for folder in (folder for folder in given if "n2v" not in folder.name):
            arrays |= {f"{folder.name}/{key}": a for key, a in make_given(folder).items()}
        pack(Path(scratch), out / "models.zip")
    np.savez_compressed(out / "expected.npz", **arrays)


def compare(made: Path) -> None:
    """Print how far carescope's raw outputs are from CSBDeep's, as a share of their range."""
    import torch

    from carescope import net
    from carescope.model.csbdeep import read_csbdeep

    expected = np.load(made / "expected.npz", allow_pickle=False)
    cases = many() | SMALL
    kinds = {"IsotropicCARE": "isotropic", "UpsamplingCARE": "upsample"}
    print("| model | weights | largest difference / range |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        zipfile.ZipFile(made / "models.zip").extractall(scratch)
        for folder in sorted(Path(scratch).iterdir()):
            kind = kinds.get(cases[folder.name][0])
            imported = read_csbdeep(folder, kind=kind, factor=cases[folder.name][4])
            network = net.build(**imported.architecture).eval()
            network.load_state_dict(imported.state)
            x, raw = (expected[f"{folder.name}/{key}"] for key in ("x", "raw"))
            with torch.inference_mode():
                given = torch.from_numpy(channels_first(x, imported))
                difference = network(given).numpy() - channels_first(raw, imported)
            share = np.abs(difference).max() / np.ptp(raw)
            weights = sum(tensor.numel() for tensor in imported.state.values())
            print(f"| {folder.name} | {weights:,} | {share:.1e} |", flush=True)


def channels_first(batch: np.ndarray, imported: Any) -> np.ndarray:
    """(N, *space, C) in the order of CSBDeep's network to (N, C, [Z,] Y, X)."""
    space = imported.facts["config"]["axes"].replace("C", "")
    order = "ZYX"
    if imported.kind == "isotropic":
        space, order = "XZ", "ZX"
    if batch.ndim < len(space) + 2:  # it has been projected
        space = space.replace("Z", "")
    axes = [space.index(axis) + 1 for axis in order if axis in space]
    return np.ascontiguousarray(batch.transpose(0, -1, *axes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["make", "compare"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="every variant, not the tests' alone")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="folders of CSBDeep's")
    given = parser.parse_args()
    if given.do == "make":
        make(given.folder, SMALL | (many() if given.all else {}), given.models)
    else:
        compare(given.folder)
