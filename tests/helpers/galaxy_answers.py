"""Small prepared galaxies and answers for them, with the truth known."""

import numpy as np

from galaxy_files import map_header
from ingredients import AGE_EDGES_MYR, BANDS
from sfhnet.config import GridConfig
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import LEVELS, SCALARS
from sfhnet.core.spectra import Spectra, Unbinned
from sfhnet.core.training_grid import grid_wave_aa

# Normal quantiles at the levels of the posterior.
GAUSS = np.array([-1.95996, -1.64485, -0.99446, -0.67449, 0.0, 0.67449, 0.99446, 1.64485, 1.95996])
assert len(GAUSS) == len(LEVELS)


def make_spectra(side=12, rng=None, flags=0, simulated=True, **changes):
    """A square galaxy of side x side bins (1: a single spectrum) with gradients of age and metallicity."""
    rng = rng or np.random.default_rng(5)
    n = side * side
    wave = grid_wave_aa(GridConfig())
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    pixel = 2.0
    radius = np.hypot(x, y).ravel() * pixel
    flux = (
        100
        * np.exp(-radius / 20)[:, None]
        * (wave / 5400) ** -0.5
        * (1 + 0.01 * rng.standard_normal((n, wave.size)))
    )
    age = 9.9 - 0.02 * radius
    middle = np.sqrt(np.maximum(AGE_EDGES_MYR[:-1], 3) * AGE_EDGES_MYR[1:])
    fraction = np.diff(AGE_EDGES_MYR) * np.exp(-((np.log10(middle * 1e6) - age[:, None]) ** 2) / 0.3)
    fraction /= fraction.sum(axis=1, keepdims=True)
    mh = np.broadcast_to((0.1 - 0.01 * radius)[:, None] - 0.3 * middle / 13800, fraction.shape).copy()
    truth = {}
    if simulated:
        truth = {
            "mass_formed": 1e7 * np.exp(-radius / 20),
            "mass_fraction": fraction,
            "mh": mh,
            "mw_log_age": (fraction * np.log10(middle * 1e6)).sum(axis=1),
            "lw_log_age": (fraction * np.log10(middle * 1e6)).sum(axis=1) - 0.3,
            "mw_mh": (fraction * mh).sum(axis=1),
            "lw_mh": (fraction * mh).sum(axis=1) + 0.05,
            "a_v": 0.4 - 0.01 * radius,
            "log_sfr10": np.full(n, -2.0),
            "log_sfr100": np.full(n, -2.1),
            "velocity_kms": 5 * x.ravel(),
        }
    values = {
        "galaxy": "toy",
        "wave_aa": wave,
        "flux": flux,
        "sigma": 0.02 * flux,
        "mask": np.ones(flux.shape, dtype=bool),
        "band_names": BANDS,
        "band_flux": np.full((n, 5), 80.0),
        "band_sigma": np.full((n, 5), 3.0),
        "band_mask": np.ones((n, 5), dtype=bool),
        "flux_unit_cgs": 1e-20,
        "distance_mpc": 10.0,
        "redshift": np.full(n, 0.0022),
        "velocity_kms": 5 * x.ravel(),
        "velocity_err_kms": np.full(n, 2.0),
        "sigma_kms": np.full(n, 60.0),
        "sigma_err_kms": np.full(n, 4.0),
        "snr": np.full(n, 50.0),
        "noise_scale": np.ones(n),
        "smoothing_aa": np.full(n, 3.0),
        "area_arcsec2": np.full(n, pixel**2),
        "x_arcsec": -x.ravel() * pixel,
        "y_arcsec": y.ravel() * pixel,
        "flags": np.full(n, int(flags)),
        "bin_map": np.arange(n).reshape(side, side),
        "wcs_header": map_header(side, pixel).to_header_string() if side > 1 else "",
        "white": np.exp(-radius / 20).reshape(side, side),
        "meta": {
            "redshift_systemic": 0.0022,
            "r25_arcsec": 60.0,
            "inclination_deg": 0.0,
            "position_angle_deg": 0.0,
        },
        "truth": truth,
    }
    values |= changes
    unbinned = np.where(values["bin_map"] < 0, Unbinned.LOW_SNR, Unbinned.IN_A_BIN).astype(np.uint8)
    return Spectra(**{"unbinned": unbinned, **values})


def make_answer(spectra, offset=None, width=0.05, flags=0):
    """Answers for these spectra: the truth plus offsets, with Gaussian errors of a width."""
    offset = offset or {}
    full = make_spectra(side=int(np.sqrt(spectra.n))).truth
    log_luminosity = np.log10(4 * np.pi * (10 * 3.08568e24) ** 2 * 1e-20 / 3.828e33)
    window = (spectra.wave_aa > 5300) & (spectra.wave_aa < 5500)
    log_scale = np.log10(np.median(spectra.flux[:, window], axis=1).astype(float))
    log_mass = np.log10(full["mass_formed"])
    scalars = {name: full.get(name, np.full(spectra.n, 9.0)) + offset.get(name, 0.0) for name in SCALARS}
    scalars["log_ml"] = log_mass - log_scale - log_luminosity + offset.get("log_ml", 0.0)
    for name in ("log_sfr10", "log_sfr100"):
        scalars[name] = full[name] - log_mass + offset.get(name, 0.0)
    fraction, cumulative = full["mass_fraction"], np.cumsum(full["mass_fraction"], axis=1)
    spread = GAUSS[None, :, None] * width
    return Posterior(
        age_edges_myr=AGE_EDGES_MYR,
        mass_fraction=fraction,
        mh=full["mh"],
        mass_fraction_q=np.clip(fraction[:, None, :] * (1 + spread), 0, 1),
        cum_mass_q=np.clip(cumulative[:, None, :] + spread, 0, 1),
        mh_q=full["mh"][:, None, :] + spread,
        scalars=scalars,
        scalars_q={name: value[:, None] + GAUSS * width for name, value in scalars.items()},
        flags=np.full(spectra.n, int(flags), dtype=np.uint32),
        snr=spectra.snr.astype(float),
        log_scale=log_scale,
        chi2=np.ones(spectra.n),
        ood_score=np.full(spectra.n, 0.5),
        meta={"model": "by hand"},
    )
