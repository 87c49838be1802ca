"""Mocks by another code: BAGPIPES (Carnall et al. 2018) with BC03-MILES, Cloudy, its own dust laws and histories.

Only this module imports bagpipes (GPL-3), and only the optional step `mock_bagpipes` runs it, in an environment of its
own. What it gives is `sfhnet.foreign.native.NativeGalaxies`, which another step brings to the training grid.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import BC03_Z_SUN, V_WINDOW_AA, Z_SUN
from sfhnet.foreign.native import NativeGalaxies
from sfhnet.tools.progress import Progress
from sfhnet.tools.random_streams import stream

__all__ = ["DUST_LAWS", "FAMILIES", "draw_components", "make_galaxies"]

# Wavelengths of the model: all bands from F275W to F814W and the spectrum with its margin.
WAVE_RANGE_AA = (2250.0, 10400.0)
# Two pixels a resolution element: 0.6 AA at 6000 AA, finer than the 2.5 AA of the library.
RESOLVING_POWER = 5000.0
# Cells of the look-back grid of bagpipes (0.0025 dex) that are put together.
CELLS_TOGETHER = 8
BIRTH_CLOUD_GYR = 0.01
DUST_LAWS = ("Calzetti", "CF00", "Salim", "Cardelli")
# Log stellar mass formed; spectra are stored per Msun formed.
LOG_MASS = 10.0
CONTINUITY_EDGES_MYR = (0.0, 30.0, 100.0, 330.0, 1000.0, 2500.0, 5000.0, 9000.0, 13400.0)


def _delayed(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    return {"delayed": {"age": rng.uniform(2.0, 13.4), "tau": 10 ** rng.uniform(-0.5, 1.0)}}


def _exponential(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    return {"exponential": {"age": rng.uniform(2.0, 13.4), "tau": 10 ** rng.uniform(-0.5, 1.2)}}


def _dblplaw(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    slopes = {"alpha": 10 ** rng.uniform(-1, 2), "beta": 10 ** rng.uniform(-1, 2)}
    return {"dblplaw": {"tau": rng.uniform(1.0, 12.0), **slopes}}


def _lognormal(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    return {"lognormal": {"tmax": rng.uniform(1.0, 11.0), "fwhm": rng.uniform(0.5, 12.0)}}


def _continuity(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    steps = 0.5 * rng.standard_t(2, len(CONTINUITY_EDGES_MYR) - 2)
    ratios = {f"dsfr{i + 1}": float(np.clip(step, -3, 3)) for i, step in enumerate(steps)}
    return {"continuity": {"bin_edges": list(CONTINUITY_EDGES_MYR), **ratios}}


def _late_episode(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    start = 10 ** rng.uniform(-2.2, 0.2)
    late = {"age_max": start, "age_min": start * rng.uniform(0.0, 0.7)}
    share = 10 ** rng.uniform(-2.5, -0.5)
    return {**_delayed(rng), "constant": {**late, "massformed": LOG_MASS + np.log10(share)}}


def _post_starburst(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    burst = {"burstage": rng.uniform(0.15, 2.0), "fburst": rng.uniform(0.05, 0.7)}
    shape = {"alpha": 10 ** rng.uniform(1, 3), "beta": 10 ** rng.uniform(0.5, 2)}
    return {"psb_wild2020": {"age": rng.uniform(4.0, 13.0), "tau": rng.uniform(0.5, 8.0), **burst, **shape}}


# Histories of bagpipes by name; the order is the family's number.
FAMILIES: dict[str, Callable[[np.random.Generator], dict[str, dict[str, Any]]]] = {
    "delayed": _delayed,
    "exponential": _exponential,
    "dblplaw": _dblplaw,
    "lognormal": _lognormal,
    "continuity": _continuity,
    "late_episode": _late_episode,
    "post_starburst": _post_starburst,
}


def draw_components(seed: int, number: int) -> tuple[str, dict[str, Any]]:
    """Draw the parameters of one galaxy, whatever others are drawn.

    Parameters
    ----------
    seed : int
        Seed of the configuration.
    number : int
        Number of the galaxy; families of histories and dust laws take turns.

    Returns
    -------
    family : str
        One of `FAMILIES`.
    components : dict
        ``model_components`` of bagpipes, at redshift 0.
    """
    rng = stream("foreign.bagpipes", seed, number)
    family = list(FAMILIES)[number % len(FAMILIES)]
    components: dict[str, Any] = FAMILIES[family](rng)
    metallicity = 10 ** rng.uniform(-0.9, 0.3)
    for component in components.values():
        component.setdefault("massformed", LOG_MASS)
        component["metallicity"] = float(metallicity)
    dust = {
        "type": DUST_LAWS[int(rng.integers(len(DUST_LAWS)))],
        "Av": float(np.clip(rng.exponential(0.45), 0.0, 2.5)),
        "eta": float(rng.uniform(1.0, 3.0)),
        "n": float(rng.uniform(0.4, 1.3)),
        "delta": float(rng.uniform(-0.6, 0.3)),
        "B": float(rng.uniform(0.0, 3.0)),
    }
    return family, {
        **components,
        "dust": dust,
        "nebular": {"logU": float(rng.uniform(-3.8, -2.0)), "velshift": 0.0},
        "redshift": 0.0,
        "t_bc": BIRTH_CLOUD_GYR,
    }


@dataclass
class _Engine:
    """One bagpipes model whose history and dust are exchanged; making it takes ten times what a galaxy takes."""

    model: Any
    line_names: tuple[str, ...]
    line_wave_aa: np.ndarray

    @classmethod
    def start(cls, components: dict[str, Any]) -> _Engine:
        import bagpipes
        from bagpipes import config

        config.R_spec = RESOLVING_POWER
        config.max_redshift = 0.01
        model = bagpipes.model_galaxy(components, spec_wavs=np.linspace(*WAVE_RANGE_AA, 200))
        names = tuple(str(name).strip() for name in config.line_names)
        engine = cls(model, names, np.asarray(config.line_wavs, dtype=float))
        engine._take_lines_out()
        return engine

    def _take_lines_out(self) -> None:
        # bagpipes puts a line into the nearest pixel; here lines keep their wavelength and get their profile later.
        nebular, wave = self.model.nebular, self.model.wavelengths
        for line, line_aa in enumerate(self.line_wave_aa):
            pixel = int(np.abs(wave - line_aa).argmin())
            if 0 < pixel < wave.size - 1:
                width = (wave[pixel + 1] - wave[pixel - 1]) / 2
                nebular.combined_grid[pixel] -= nebular.line_grid[line] / width
        # what rounding leaves
        np.maximum(nebular.combined_grid, 0.0, out=nebular.combined_grid)

    def __call__(self, components: dict[str, Any]) -> None:
        from bagpipes.models.dust_attenuation_model import dust_attenuation
        from bagpipes.models.star_formation_history import star_formation_history

        self.model.sfh = star_formation_history(components)
        self.model.dust_atten = dust_attenuation(self.model.wavelengths, components["dust"])
        self.model.update(components)
        if self.model.sfh.unphysical:
            raise ValueError(f"bagpipes forms stars before the Big Bang with {components}; shorten its ages")


def make_galaxies(seed: int, numbers: range, *, progress: bool = True) -> NativeGalaxies:
    """Make some of the galaxies; each depends on `seed` and its number alone.

    Parameters
    ----------
    seed : int
        Seed of the configuration.
    numbers : range
        Which galaxies.
    progress : bool
        Show progress.

    Returns
    -------
    NativeGalaxies

    Raises
    ------
    ModuleNotFoundError
        If bagpipes is not installed.
    """
    if importlib.util.find_spec("bagpipes") is None:
        raise ModuleNotFoundError(
            "bagpipes is not installed: pip install phangs-sfh[foreign], or run the workflow with "
            "--software-deployment-method conda"
        )
    from bagpipes import config

    drawn = [draw_components(seed, number) for number in numbers]
    engine = _Engine.start(drawn[0][1])
    model = engine.model
    wave = model.wavelengths
    kept = (wave >= WAVE_RANGE_AA[0]) & (wave <= WAVE_RANGE_AA[1])
    window = (wave >= V_WINDOW_AA[0]) & (wave <= V_WINDOW_AA[1])
    # (n_z, n_age) of the library
    v_light = model.stellar.grid[window].mean(axis=0)
    # Names, not values, of the history's cells: every history of bagpipes has the same.
    cells = model.sfh.age_lhs[::CELLS_TOGETHER]
    edges = np.append(cells[cells < model.sfh.age_lhs[-1]], model.sfh.age_lhs[-1])
    made: dict[str, list[Any]] = {name: [] for name in ("flux", "lines", "mass", "mh", "light", "a_v")}
    with Progress(len(drawn), "BAGPIPES", "galaxies") as bar:
        for _, components in drawn:
            engine(components)
            total = 10.0**model.sfh.formed_mass
            # at redshift 0 bagpipes gives erg/s/AA with this solar luminosity
            made["flux"].append(model.spectrum_full[kept] / 3.826e33 / total)
            lines = [model.line_fluxes[str(name)] for name in config.line_names]
            made["lines"].append(np.array(lines) / 3.826e33 / total)
            for name, value in _history(model, v_light, edges, components["dust"]).items():
                made[name].append(value)
            if progress:
                bar.update(1)
    return NativeGalaxies(
        made_by=f"bagpipes {importlib.metadata.version('bagpipes')}",
        wave_aa=wave[kept],
        flux=np.array(made["flux"]),
        line_names=engine.line_names,
        line_wave_aa=engine.line_wave_aa,
        line_flux=np.array(made["lines"]),
        age_edges_yr=edges,
        mass=np.array(made["mass"]),
        mh=np.array(made["mh"]),
        v_light=np.array(made["light"]),
        a_v=np.array(made["a_v"]),
        family=np.array([name for name, _ in drawn]),
        fwhm_aa=2.5,
    )


def _history(
    model: Any, v_light: np.ndarray, edges_yr: np.ndarray, dust: dict[str, Any]
) -> dict[str, np.ndarray | float]:
    """Mass share and unattenuated V light of each cell, [M/H], and the attenuation of all star light at 5500 AA."""
    from bagpipes import config

    sfh = model.sfh
    fine = sfh.sfh * sfh.age_widths
    cell = np.clip(np.searchsorted(edges_yr, sfh.ages, side="right") - 1, 0, edges_yr.size - 2)
    mass = np.bincount(cell, fine, minlength=edges_yr.size - 1) / fine.sum()
    # light of each of bagpipes' age bins, spread over the fine cells inside it in proportion to their mass
    of_bin = (sfh.ceh.grid * v_light).sum(axis=0)
    in_bin = sfh.ceh.grid.sum(axis=0)
    bins = np.clip(np.searchsorted(config.age_bins, sfh.ages, side="right") - 1, 0, of_bin.size - 1)
    per_mass = np.divide(of_bin, in_bin, out=np.zeros_like(of_bin), where=in_bin > 0)
    light = np.bincount(cell, fine * per_mass[bins], minlength=edges_yr.size - 1) / fine.sum()
    metallicity = (sfh.ceh.grid * config.metallicities[:, None]).sum() / sfh.ceh.grid.sum()
    young = (fine * per_mass[bins])[sfh.ages <= BIRTH_CLOUD_GYR * 1e9].sum() / (fine * per_mass[bins]).sum()
    birth = 10 ** (-0.4 * (dust["eta"] - 1.0) * dust["Av"])
    return {
        "mass": mass,
        "mh": np.full(mass.size, np.log10(metallicity * BC03_Z_SUN / Z_SUN)),
        "light": light,
        "a_v": float(dust["Av"] - 2.5 * np.log10(1.0 - young + young * birth)),
    }
