"""The workflow with bands of JWST, from the curves to the maps: stars beyond E-MILES, dust that shines, a network that goes on."""

import json

import h5py
import numpy as np
import pytest

from projects import Project

# A run of its own, like that of the tiny configuration.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BANDS = ["F275W", "F336W", "F438W", "F555W", "F814W", "F200W", "F770W"]
OVERLAY = {
    "bands": BANDS,
    "models": {
        "later": {
            "kind": "linear_flow",
            "pairs": True,
            "start_from": "results/model/flow",
            "trunk_rate": 1.0,
            "training": {"epochs": 2, "batch": 32},
        }
    },
    "learning_curve": {"model": "later", "epochs": [2]},
}


def test_bands_of_jwst_from_their_curves_to_maps(project: Project, upstream):
    for source in ("sedpy_filters", "prospect_tables"):
        upstream(source)
    (project.folder / "infrared.yaml").write_text(json.dumps(OVERLAY))
    results = project.folder / "results"
    wanted = [
        "galaxies/mock_spiral/maps.fits",
        "galaxies/NGC3073/maps.fits",
        "validation/later/metrics.json",
        "band_value/flow.json",
        "learning_curve/2.json",
    ]
    targets = [f"results/{name}" for name in wanted]
    done = project.snakemake("--cores", "2", *targets, "--configfile", "configs/tiny.yaml", "infrared.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    with h5py.File(results / "ssp" / "emiles_bc03.h5") as file:
        assert file["Wave"][-1] > 9e4
    with h5py.File(results / "synthesis" / "0000.h5") as file:
        flux, a_v = file["band_flux"][:], file["labels/a_v"][:]
    assert flux.shape[1] == len(BANDS) and np.isfinite(flux).all() and (flux > 0).all()
    # What dust takes from the optical it gives at 7.7 um.
    colour, quarter = np.log(flux[:, 6] / flux[:, 5]), np.quantile(a_v, [0.25, 0.75])
    assert colour[a_v > quarter[1]].mean() > colour[a_v < quarter[0]].mean() + 0.5
    with h5py.File(results / "galaxies" / "mock_spiral" / "spectra.h5") as file:
        assert file["band_mask"][:].all() and file["band_mask"].shape[1] == len(BANDS)
    with h5py.File(results / "galaxies" / "NGC3073" / "spectra.h5") as file:
        assert not file["band_mask"][:].any()
    spec = json.loads((results / "model" / "later" / "model.json").read_text())["spec"]
    assert spec["band_names"] == BANDS and "learnt" not in spec, "it went on with the same bands"
    value = json.loads((results / "band_value" / "flow.json").read_text())
    assert {row["bands"] for row in value["rows"]} >= {"all", "none", "only F770W", "without F200W"}
