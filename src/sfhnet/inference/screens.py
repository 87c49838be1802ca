"""What is checked of every spectrum beside the network's answer, with limits learnt on mocks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.inference.band_check import BandCheck
from sfhnet.inference.familiarity import upper_limit
from sfhnet.inference.measured import AGN_RATIO, LineMeasures
from sfhnet.inference.stability import Stability

__all__ = ["SCREENS_SCHEMA", "BroadLines", "Screens", "StarsFit", "widened"]

SCREENS_SCHEMA = "sfhnet.screens/2"

# Wings brighter than the brightest of mocks by this factor, and this share of the continuum at least, are broad lines.
_BEYOND_MOCKS, _LEAST_WINGS = 2.0, 0.06
_SIGNIFICANT = 5.0


@dataclass(frozen=True)
class BroadLines:
    """Light in the wings of Halpha and of Hbeta, over the continuum, that no mock has."""

    halpha: float
    hbeta: float

    @classmethod
    def fit(cls, lines: LineMeasures) -> BroadLines:
        """Learn from mocks."""

        def limit(values: np.ndarray) -> float:
            known = values[np.isfinite(values)]
            return max(_LEAST_WINGS, _BEYOND_MOCKS * float(known.max())) if known.size else _LEAST_WINGS

        return cls(limit(lines.broad), limit(lines.broad_hbeta))

    def agn_like(self, lines: LineMeasures) -> np.ndarray:
        """Return where lines are broad, or narrow ones are excited as by no star, (n,) bool."""
        with np.errstate(invalid="ignore"):
            alpha = (lines.broad > self.halpha) & (lines.broad > _SIGNIFICANT * lines.broad_err)
            beta = (lines.broad_hbeta > self.hbeta) & (
                lines.broad_hbeta > _SIGNIFICANT * lines.broad_hbeta_err
            )
            # Where Halpha is seen it decides: Fe II and young stars crowd about Hbeta.
            beta &= ~np.isfinite(lines.broad) | (lines.broad > 0.5 * self.halpha)
            return alpha | beta | (lines.above_kewley > AGN_RATIO)


@dataclass(frozen=True)
class StarsFit:
    """Largest reduced chi-square of the basis that mocks have with their lines hidden, by S/N.

    Attributes
    ----------
    snr_edges : ndarray (n_snr - 1,)
        Inner edges of the strata.
    limit : ndarray (n_snr,)
    """

    snr_edges: np.ndarray
    limit: np.ndarray

    @classmethod
    def fit(cls, chi2: np.ndarray, snr: np.ndarray, snr_edges: np.ndarray, *, quantile: float) -> StarsFit:
        """Learn from mocks; `quantile` of them shall be within."""
        edges = np.asarray(snr_edges, dtype=float)
        stratum = np.digitize(snr, edges)
        limits = []
        for k in range(len(edges) + 1):
            here = stratum == k
            limits.append(upper_limit(chi2[here] if here.sum() >= 50 else chi2, quantile))
        return cls(edges, np.array(limits))

    def poor(self, chi2: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return where the basis misses the stars by more than on mocks, (n,) bool."""
        return chi2 > self.limit[np.digitize(snr, self.snr_edges)]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"snr_edges": self.snr_edges.tolist(), "limit": np.round(self.limit, 5).tolist()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StarsFit:
        """Invert `to_json`."""
        return cls(np.asarray(value["snr_edges"], dtype=float), np.asarray(value["limit"], dtype=float))


@dataclass(frozen=True)
class Screens:
    """All limits; a part is None where the network or the mocks did not allow to learn it.

    Attributes
    ----------
    stability : Stability or None
        Of answers that are asked again.
    bands : BandCheck or None
        Of band fluxes against the spectrum.
    stars : StarsFit or None
        Of the spectrum without its lines against the basis.
    broad_lines : BroadLines
        Of lines that no mock has.
    redshift_lead, redshift_gain : float
        Chi-square by which a redshift must lead over all others, and that its templates must save, to be accepted.
    """

    stability: Stability | None = None
    bands: BandCheck | None = None
    stars: StarsFit | None = None
    broad_lines: BroadLines = BroadLines(0.1, 0.15)
    redshift_lead: float = 20.0
    redshift_gain: float = 60.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "schema_version": SCREENS_SCHEMA,
            "stability": self.stability.to_json() if self.stability else None,
            "bands": self.bands.to_json() if self.bands else None,
            "stars": self.stars.to_json() if self.stars else None,
            "broad_lines": {item.name: getattr(self.broad_lines, item.name) for item in fields(BroadLines)},
            "redshift_lead": self.redshift_lead,
            "redshift_gain": self.redshift_gain,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Screens:
        """Invert `to_json`."""
        if value.get("schema_version") != SCREENS_SCHEMA:
            found = value.get("schema_version", "none")
            raise ValueError(f"screens have schema {found!r}, expected {SCREENS_SCHEMA!r}; calibrate again")
        return cls(
            Stability.from_json(value["stability"]) if value["stability"] else None,
            BandCheck.from_json(value["bands"]) if value["bands"] else None,
            StarsFit.from_json(value["stars"]) if value["stars"] else None,
            BroadLines(**value["broad_lines"]),
            value["redshift_lead"],
            value["redshift_gain"],
        )

    def checked_bands(
        self,
        batch: Batch,
        components: np.ndarray,
        rows: np.ndarray,
        *,
        names: tuple[str, ...],
        error_range: tuple[float, float],
        background: float,
    ) -> Batch:
        """Return the batch without bands that are not those of its spectra, and flagged.

        Parameters
        ----------
        batch : Batch
            n spectra.
        components : ndarray (m, n_component)
            Of the usable ones.
        rows : ndarray of int (m,)
            Which those are.
        names, error_range, background
            As of `BandCheck.judge`.
        """
        if self.bands is None or not bool(batch.band_mask.any()):
            return batch
        import torch

        part = batch[torch.from_numpy(rows)]
        kept, flags = self.bands.judge(
            components,
            part.band_flux.double().cpu().numpy(),
            part.band_sigma.double().cpu().numpy(),
            part.band_mask.cpu().numpy(),
            snr=10.0 ** part.log_snr.double().cpu().numpy(),
            names=names,
            error_range=error_range,
            background=background,
        )
        mask = batch.band_mask.clone()
        mask[torch.from_numpy(rows)] = torch.from_numpy(kept).to(mask.device)
        joined = batch.flags.clone()
        joined[torch.from_numpy(rows)] |= torch.from_numpy(flags.astype(np.int64)).to(joined.device)
        joined |= torch.where(mask.all(1), 0, int(Flag.MISSING_BANDS))
        joined |= torch.where(mask.any(1), 0, int(Flag.NO_BANDS))
        return replace(
            batch,
            band_mask=mask,
            band_flux=batch.band_flux.masked_fill(~mask, 0.0),
            band_sigma=batch.band_sigma.masked_fill(~mask, 1.0),
            flags=joined,
        )


def widened(posterior: Posterior, factor: np.ndarray) -> Posterior:
    """Return answers whose intervals are wider by a factor about the medians; fractions stay between zero and one.

    Parameters
    ----------
    posterior : Posterior
        n answers.
    factor : ndarray (n,)
        One or more.

    Returns
    -------
    Posterior
    """
    if not np.any(factor > 1):
        return posterior
    middle = int(np.argmin(np.abs(posterior.levels - 0.5)))

    def wider(values: np.ndarray, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
        centre = values[:, middle : middle + 1]
        by = factor.reshape(-1, *[1] * (values.ndim - 1))
        return np.clip(centre + by * (values - centre), low, high)

    return replace(
        posterior,
        scalars_q={name: wider(values) for name, values in posterior.scalars_q.items()},
        from_draws={
            name: wider(values) if values.ndim == 2 else values
            for name, values in posterior.from_draws.items()
        },
        mass_fraction_q=wider(posterior.mass_fraction_q, 0.0, 1.0),
        cum_mass_q=wider(posterior.cum_mass_q, 0.0, 1.0),
        mh_q=wider(posterior.mh_q),
    )
