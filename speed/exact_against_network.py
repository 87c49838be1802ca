"""What the amortised answer loses: the exact posterior beside a network's, per quantity, at the noise of the set `ideal`.

    python speed/exact_against_network.py --shards results/synthesis/*.h5 --galaxies 40 --out exact.json

Mocks are galaxies of the last shard, made again by the model that is fitted: rates and [M/H] constant within the network's
age bins, so that nothing but noise stands between the data and the exact posterior. Its prior is that of the training, as a
mixture of normals learned from the labels of the shards. Chains are run on pairs of pixels, as the network reads them, once
with the noise alone and once with a calibration polynomial integrated out, as the network has learned to do.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fitted_muse import add_ingredients, load
from pyprospect import SSPLibrary
from pyprospect.constants import Z_SUN
from pyprospect.fit import (
    Calibration,
    Data,
    GalaxyModel,
    Likelihood,
    Normal,
    Photometry,
    Several,
    Spectrum,
    Uniform,
)
from pyprospect.fit.chains import sample_many
from pyprospect.fit.convergence import effective_size
from pyprospect.fit.laplace import laplace
from pyprospect.fit.map import modes
from pyprospect.fit.parameters import Parameters, Values
from pyprospect.fit.target import Target
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import Config, load_config
from sfhnet.core.batch import Batch
from sfhnet.core.histories import scalar_from_label
from sfhnet.core.quantities import QUANTITIES
from sfhnet.inference.model import load as load_model
from sfhnet.mocks.filters_and_lines import load_bands, load_lines
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.shard_set import ShardSet
from sfhnet.mocks.synthesize import gas_log_u, halpha_of_photons, line_range_aa
from sfhnet.tools import script_options
from sfhnet.tools.random_streams import stream

SHOWN = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "t25", "t50", "t75", "log_sfr100", "a_v")
GAS = ("log_line_scale", "line_mix", "diffuse_ew_aa", "_log_u_offset")
DUST = ("tau_birth", "tau_screen", "pow_birth", "pow_screen", "Eb")
RENAMED = {"Eb": "bump", "_log_u_offset": "log_u_offset"}
CALIBRATION = Calibration(10, 0.02, level=0.03)
REDSHIFT = 0.005
# Per yr and Msol formed: less cannot be told from none (`sfhnet.core.quantities.SFR_FLOOR_PER_YR`).
LEAST_RATE = 1e-13


def bases(config: Config, library: SSPLibrary, n_age: int) -> dict[str, Any]:
    """Return the priors in whose coordinates the mixture lives: as wide as the training's."""
    low, high = np.log10(library.z[[0, -1]] / Z_SUN)
    ends = {name: config.prior.drawn_from(RENAMED.get(name, name)) for name in (*DUST, *GAS)}
    return {
        "log_mass": Uniform(-6.0, 6.0),
        "log_sfr_ratio": Several([Normal(0.0, 1.0)] * (n_age - 1)),
        "mh": Several([Uniform(float(low) - 1e-3, float(high) + 1e-3)] * n_age),
        **{name: Uniform(*map(float, pair)) for name, pair in ends.items()},
    }


def values_of(
    shards: ShardSet,
    rows: np.ndarray,
    width_yr: np.ndarray,
    *,
    priors: dict[str, Any],
    rng: np.random.Generator,
) -> Values:
    """Return the parameters of galaxies of the shards."""
    read = shards.batch(rows)
    share, drawn = np.asarray(read["labels"]["mass_fraction"], dtype=float), read["parameters"]
    rate = share / share.sum(axis=1, keepdims=True) / width_yr
    # Rates too small to matter are spread about: a spike in the prior is a wall to a chain.
    tiny = LEAST_RATE * 10.0 ** rng.uniform(-1.0, 0.0, rate.shape)
    log_rate = np.log10(np.where(rate < LEAST_RATE, tiny, rate))
    given = {
        "log_mass": np.zeros(len(rows)),
        "log_sfr_ratio": log_rate[:, :-1] - log_rate[:, 1:],
        "mh": read["labels"]["mh"],
    }
    given |= {name: drawn[RENAMED.get(name, name)] for name in (*DUST, *GAS)}
    inside = {}
    for name, prior in priors.items():
        value, law = np.asarray(given[name], dtype=float), getattr(prior, "priors", [prior])[0]
        if isinstance(law, Uniform):
            edge = 2e-3 * (law.high - law.low)
            value = np.clip(value, law.low + edge, law.high - edge)
        inside[name] = torch.as_tensor(value)
    return inside


class Mixture:
    """Normals fitted to points (n, p) by expectation and maximisation, with a floor on their variances."""

    def __init__(self, u: torch.Tensor, n_normal: int, *, rng: np.random.Generator, steps: int = 40) -> None:
        self.mean = u[torch.as_tensor(rng.choice(len(u), n_normal, replace=False))]
        share = torch.full((n_normal,), 1.0 / n_normal, dtype=torch.float64)
        floor = 1e-2 * torch.eye(u.shape[1], dtype=torch.float64)
        self._set(share, torch.cov(u.T).expand(n_normal, -1, -1) + floor)
        for _ in range(steps):
            belongs = torch.softmax(self.log_parts(u), dim=1)
            count = belongs.sum(dim=0) + 1e-6
            self.mean = belongs.T @ u / count[:, None]
            spread = [
                (w[:, None] * (u - m)).T @ (u - m) / c
                for w, m, c in zip(belongs.T, self.mean, count, strict=True)
            ]
            self._set(count / count.sum(), torch.stack(spread) + floor)

    def _set(self, share: torch.Tensor, covariance: torch.Tensor) -> None:
        factor = torch.linalg.cholesky(covariance)
        self.white = torch.linalg.inv(factor)
        log_det = torch.log(factor.diagonal(dim1=1, dim2=2)).sum(dim=1)
        self.norm = torch.log(share) - log_det - 0.5 * covariance.shape[1] * np.log(2 * np.pi)

    def log_parts(self, u: torch.Tensor) -> torch.Tensor:
        """Return log of share times density of each normal, (n, n_normal)."""
        z = torch.stack([(u - m) @ w.T for m, w in zip(self.mean, self.white, strict=True)], dim=1)
        return self.norm - 0.5 * (z**2).sum(dim=2)

    def log_prob(self, u: torch.Tensor) -> torch.Tensor:
        """Return the log density, (n,)."""
        return torch.logsumexp(self.log_parts(u), dim=1)


class LearnedPrior:
    """The training's prior over the parameters of a fit: a mixture of normals in their standard normal coordinates."""

    def __init__(
        self, plain: Parameters, values: Values, *, components: int, rng: np.random.Generator
    ) -> None:
        laws = [*plain.priors["mh"].priors, *(plain.priors[name] for name in (*DUST, *GAS))]
        self.low, self.high = torch.tensor([(law.low, law.high) for law in laws], dtype=torch.float64).T
        u = plain.to_normal({k: v.numpy() for k, v in values.items()})[:, plain.slices["log_mass"].stop :]
        cut = int(0.9 * len(u))
        self.mixture = Mixture(u[:cut], components, rng=rng)
        single = Mixture(u[:cut], 1, rng=rng, steps=1)
        self.held_out = [float(m.log_prob(u[cut:]).mean()) for m in (self.mixture, single)]

    def __call__(self, values: Values) -> torch.Tensor:
        """Return its log density over that of the plain priors, (n,)."""
        flat = torch.cat([values["mh"], *(values[name][:, None] for name in (*DUST, *GAS))], dim=1)
        share = ((flat - self.low) / (self.high - self.low)).clamp(1e-12, 1 - 1e-12)
        # The ratios of rates have a unit normal: they are their coordinates.
        u = torch.cat([values["log_sfr_ratio"], torch.special.ndtri(share)], dim=1)
        plain = -0.5 * (u**2).sum(dim=1) - 0.5 * u.shape[1] * np.log(2 * np.pi)
        return self.mixture.log_prob(u) - plain


def quantities(model: GalaxyModel, labeller: Labeller, values: Values) -> dict[str, np.ndarray]:
    """Return what networks answer, of parameters (n,)."""
    with torch.no_grad():
        full = model.full(values)
        mass = model._binned_shares(full)
        z = Z_SUN * 10.0 ** full["mh"]
        ssp_mass, ssp_z = labeller.ssp(mass, z)
        labels = labeller(
            mass, z, ssp_mass=ssp_mass, ssp_z=ssp_z,
            tau_birth=full["tau_birth"], tau_screen=full["tau_screen"], bump=full["Eb"],
        )  # fmt: skip
    return {
        name: np.asarray(
            scalar_from_label(QUANTITIES[name], labels[QUANTITIES[name].source].double().numpy())
        )
        for name in SHOWN
    }


def observed(model: GalaxyModel, values: Values, *, snr: float, rng: np.random.Generator) -> Batch:
    """Return noisy spectra and bands as a network takes them: flat errors, 3 % in the bands."""
    with torch.no_grad():
        light = model.predict(values)
    flux, band = light.spectrum.numpy(), light.bands.numpy()
    sigma = np.broadcast_to(np.median(flux, axis=1, keepdims=True) / snr, flux.shape)
    return Batch.from_arrays(
        model.data_shape.spectrum.wave_aa,
        flux + sigma * rng.standard_normal(flux.shape),
        sigma,
        mask=np.ones(flux.shape, bool),
        band_flux=band * (1 + 0.03 * rng.standard_normal(band.shape)),
        band_sigma=0.03 * band,
        band_mask=np.ones(band.shape, bool),
    )


def in_pairs(batch: Batch, wave: np.ndarray, bands: dict[str, Any]) -> Data:
    """Return them on pairs of pixels, in units in which one Lsol/Angstrom is a flux of one."""
    n = 2 * (len(wave) // 2)

    def pairs(x: np.ndarray) -> np.ndarray:
        return x[..., :n].reshape(*x.shape[:-1], -1, 2).mean(axis=-1)

    flux, sigma, band, band_sigma = (
        getattr(batch, k).double().numpy() for k in ("flux", "sigma", "band_flux", "band_sigma")
    )
    spectrum = Spectrum(
        pairs(wave), pairs(flux), np.sqrt(pairs(sigma**2) / 2), frame="rest", lsf_fwhm_aa=muse_udf10_fwhm_aa
    )
    unit = Photometry(bands, band, band_sigma).jansky_per_flam
    photometry = Photometry(bands, band * unit, band_sigma * unit)
    return in_units(spectrum, photometry)


def in_units(spectrum: Spectrum, photometry: Photometry) -> Data:
    """Return data at the distance where one Lsol/Angstrom gives a flux of one: masses are in units of the data."""
    redshift = np.full(len(spectrum.flux), REDSHIFT)
    unit = Data(spectrum, photometry, redshift=redshift, lum_dist_mpc=1.0).flux_per_lsol
    return Data(spectrum, photometry, redshift=redshift, lum_dist_mpc=np.sqrt(unit))


def exact(
    data: Data,
    model: GalaxyModel,
    calibration: Calibration | None,
    *,
    starts: torch.Tensor,
    args: argparse.Namespace,
) -> tuple[Values, np.ndarray]:
    """Return draws of the exact posteriors, (n * n_draw,) each, and the smallest effective number of each galaxy."""
    target, rows = Target(model, Likelihood(data, calibration=calibration)), torch.arange(data.n)
    near = target.to_coordinates(starts, rows)
    near[:, model.parameters.slices["log_mass"]] = 0.0
    own = target.start(2 * data.n, stream("speed.starts", args.seed)).view(data.n, 2, -1)
    found = modes(target, torch.cat([near[:, None], own], dim=1), rows)
    normal = laplace(target, found.u, rows, found.log_prob)
    if args.by == "laplace":
        u = normal.draws(4 * args.draws, stream("speed.normals", args.seed)).numpy()
        u = u.reshape(data.n, 4, args.draws, -1)
    else:
        u, _ = sample_many(
            target, normal, range(data.n), seed=args.seed, n_chain=4, n_draw=args.draws, progress=True
        )
    sizes = np.array([min(effective_size(one[..., k]) for k in range(one.shape[2])) for one in u])
    flat = torch.as_tensor(u.reshape(-1, u.shape[-1]))
    return target.values(flat, rows.repeat_interleave(4 * args.draws)), sizes


def table(result: dict[str, Any]) -> str:
    """Return the comparison as Markdown: error against the truth, half of the 68 % interval, how often that holds it."""
    ways = [way for way in ("exact", "calibrated", "network") if way in result]
    lines = ["| quantity | " + " | ".join(f"{way}: error | width | holds" for way in ways) + " |"]
    lines.append("|---" * (1 + 3 * len(ways)) + "|")
    for name in SHOWN:
        truth, cells = np.array(result["truth"][name]), []
        for way in ways:
            low, middle, high = np.array(result[way][name]).T
            error, holds = np.quantile(np.abs(middle - truth), 0.68), np.mean((low < truth) & (truth < high))
            cells += [f"{error:.3f}", f"{np.median(high - low) / 2:.3f}", f"{holds:.0%}"]
        lines.append(f"| {QUANTITIES[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_ingredients(parser)
    script_options.add_options(parser, "shards")
    script_options.add_options(parser, "model-dir", required=False)
    parser.add_argument("--config", type=Path, nargs="+", default=[Path("config.yaml")])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--galaxies", type=int, default=100)
    parser.add_argument("--snr", type=float, default=50.0, help="of a pixel")
    parser.add_argument("--learn-from", type=int, default=15000, help="mocks that the prior is learned from")
    parser.add_argument("--components", type=int, default=16, help="normals in the prior")
    parser.add_argument("--draws", type=int, default=100, help="of each of four chains a galaxy")
    parser.add_argument(
        "--by",
        choices=["nuts", "laplace"],
        default="nuts",
        help="chains, or the normal about the mode: 30 times quicker",
    )
    parser.add_argument("--ways", nargs="+", default=["exact", "calibrated"], choices=["exact", "calibrated"])
    parser.add_argument("--out", type=Path, required=True, help="JSON of the results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    config, network = load_config(args.config), load_model(args.model_dir or "flow")
    library, edges_yr = SSPLibrary.read(args.ssp), np.asarray(network.age_edges_myr) * 1e6
    bands = load_bands(args.filters, network.band_names)
    lines = load_lines(args.mappings, *line_range_aa(config, bands), cloudy=args.cloudy)
    priors = bases(config, library, len(edges_yr) - 1)
    tied = {"log_u": lambda p: gas_log_u(Z_SUN * 10.0 ** p["mh"][:, 0], p["_log_u_offset"])}
    given = priors | tied | {"veldisp_kms": config.grid.veldisp_kms}

    began = time.process_time()
    learned, test = ShardSet(args.shards[:-1]), ShardSet(args.shards[-1:])
    chance = stream("speed.prior", args.seed)
    some = chance.permutation(learned.n)[: args.learn_from]
    prior = LearnedPrior(
        Parameters(priors),
        values_of(learned, some, np.diff(edges_yr), priors=priors, rng=chance),
        components=args.components,
        rng=chance,
    )
    print(
        f"prior: ln density of held-out mocks {prior.held_out[0]:.1f} (one normal: {prior.held_out[1]:.1f}), "
        f"{time.process_time() - began:.0f} CPU s", flush=True,
    )  # fmt: skip
    truth = values_of(test, np.arange(args.galaxies), np.diff(edges_yr), priors=priors, rng=chance)

    options = {
        "history": "binned",
        "metallicity": "binned",
        "age_edges_yr": edges_yr,
        "lines": lines,
        "continuum": config.synthesis.nebular_continuum,
        "halpha_lsol_per_msol": halpha_of_photons(library),
    }

    wave = np.asarray(network.wave_aa)
    one = np.ones((args.galaxies, len(wave)))
    bare = Photometry(bands, *2 * (np.ones((args.galaxies, len(bands))),))
    shape = in_units(Spectrum(wave, one, one, frame="rest", lsf_fwhm_aa=muse_udf10_fwhm_aa), bare)
    maker = GalaxyModel(library, shape, given, **options)
    starts = maker.parameters.to_normal({k: v.numpy() for k, v in truth.items()})
    full = maker.parameters.values(starts)
    batch = observed(maker, full, snr=args.snr, rng=stream("speed.exact", args.seed))
    answers, data = network.infer_batch(batch), in_pairs(batch, wave, bands)
    fitter = GalaxyModel(library, data, Parameters(given, prior), **options)
    labeller = Labeller(fitter.synthesizer, edges_yr, edges_yr)
    result: dict[str, Any] = {"truth": {k: v.tolist() for k, v in quantities(maker, labeller, full).items()}}
    # 16, 50 and 84 % among the levels that networks answer.
    result["network"] = {k: answers.scalars_q[k][:, [2, 4, 6]].tolist() for k in SHOWN}
    for way in args.ways:
        began = time.process_time()
        values, sizes = exact(
            data, fitter, CALIBRATION if way == "calibrated" else None, starts=starts, args=args
        )
        draws = quantities(fitter, labeller, values)
        result[way] = {
            k: np.quantile(v.reshape(args.galaxies, -1), (0.16, 0.5, 0.84), axis=1).T.tolist()
            for k, v in draws.items()
        }
        args.out.write_text(json.dumps(result))
        print(
            f"{way}: {(time.process_time() - began) / args.galaxies:.1f} CPU s a galaxy, smallest effective number "
            f"{np.quantile(sizes, (0.1, 0.5)).round()} (10 %, median), {load()}", flush=True,
        )  # fmt: skip
    print(table(result))
    print(f"{args.galaxies} galaxies by {args.by}, S/N {args.snr:g}")
