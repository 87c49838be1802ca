"""Every stored run of SFHfunc, SFHburst and SMstarfunc of R ProSpect against compat mode."""

import numpy as np
import pytest

from pyprospect import sfh_burst, sfh_func, smstar_func
from pyprospect.numerics.rebin import spec_rebin
from reference_cases import hst_bands, python_call

pytestmark = pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")

SPECTRA, ENERGIES = 1e-10, 1e-10


@pytest.fixture(autouse=True)
def _tables_of_lines(reference, request):
    """ProSpect's lines, which runs with gas need; the sample has none of those."""
    if not reference.is_sample:
        request.getfixturevalue("prospect_tables")


def _compare(parity, group, row, case, ours):
    def check(what, mine, theirs, target, **options):
        parity.check(f"{row} {what}", mine, theirs, target, label=case, **options)

    for name in ("wave_lum", "lum_unatten", "lum_atten"):
        check("spectra", ours[name], group[name][()], SPECTRA)
    unit = group.attrs["lumtot_unatten"] or 1.0
    for name in ("lumtot_unatten", "lumtot_atten", "lumtot_birth", "lumtot_screen"):
        check("energies", ours[name], group.attrs[name], ENERGIES, scale=unit)
    for name in ("M2L", "SFRburst", "masstot"):
        if name in group.attrs:
            check("masses", ours[name], group.attrs[name], 1e-11)
    for name in ("agevec", "SFR", "massvec"):
        if name in group:
            check("masses", ours[name], group[name][()], 1e-11)
    for name in ("Zvec", "Zvec_allages"):
        if name in group:
            check("metallicities", ours[name], group[name][()], 1e-11)
    if "Zinterp" in group:
        for name, first in (("ID_lo", 1), ("ID_hi", 1), ("flag", 0), ("wt_lo", 0), ("wt_hi", 0)):
            mine = getattr(ours.Zinterp, name.lower()) + first
            check("metallicities", mine, group["Zinterp"][name][()], 1e-11, scale=1.0)
    if "emission_input" in group:
        for name, theirs in group["emission_input"].attrs.items():
            check("line scaling", ours.emission_input[name], theirs, 1e-11)
    if "out" in group:
        check("photometry", ours.out, group["out"][()], SPECTRA)
        if "filter_names" in group:
            assert list(ours.filter_names) == [name.decode() for name in group["filter_names"][()]]
    if "flux" in group:
        check("spectra", ours.flux.flux, group["flux"][()], SPECTRA)
        check("spectra", ours.flux.wave, group["flux_wave"][()], SPECTRA)
    elif np.isfinite(group.attrs.get("flux_factor", np.nan)):
        with np.errstate(invalid="ignore"):
            factor = np.nanmedian(ours.flux.flux / ours.lum_atten)
        check("spectra", factor, group.attrs["flux_factor"], SPECTRA)


SFHFUNC = ("SFHfunc_toy", "SFHfunc_extra_toy", "SFHfunc_BC03lr", "SFHfunc_EMILES")


@pytest.mark.parametrize("where", SFHFUNC)
def test_sfh_func(reference, parity, libraries, where):
    wave_muse = reference["sfh/wave_muse"][()]
    cases = reference[f"sfh/{where}"]
    assert len(cases) > 0
    for case, group in cases.items():
        call = python_call(group["inputs"], libraries=libraries, reference=reference)
        ours = sfh_func(**call, compat=True)
        _compare(parity, group, where, case, ours)
        if "HST_jansky" in group:
            jansky = sfh_func(**call, outtype="jansky", compat=True).out
            parity.check(f"{where} photometry", jansky, group["HST_jansky"][()], SPECTRA, label=case)
        for logbin in (True, False):
            name = f"MUSE_flam_logbin{str(logbin).upper()}"
            if name in group:
                mine = spec_rebin(*ours.flux, wave_muse, logbin=logbin, compat=True).flux
                parity.check(f"{where} rebinned", mine, group[name][()], SPECTRA, label=case)


@pytest.mark.parametrize("where", SFHFUNC)
def test_smstar_func(reference, parity, libraries, where):
    for case, group in reference[f"sfh/{where}"].items():
        if "SMstarfunc" not in group:
            continue
        call = python_call(group["inputs"], libraries=libraries, reference=reference)
        ours = smstar_func(**call, compat=True)
        theirs = group["SMstarfunc"]
        assert list(ours._fields) == [str(name) for name in theirs.attrs["names"]]
        parity.check(f"{where} SMstarfunc", ours, theirs[()], 1e-11, label=case)


def test_sfh_burst(reference, parity, libraries):
    bands = hst_bands(reference)
    for case, group in reference["sfh/SFHburst_toy"].items():
        call = python_call(group["inputs"], libraries=libraries, reference=reference)
        ours = sfh_burst(**call, speclib=libraries("toy"), filters=bands, compat=True)
        _compare(parity, group, "SFHburst_toy", case, ours)


def test_toy_library_of_the_reference_is_the_file(reference, libraries):
    stored = reference["sfh/toylib"]
    toy = libraries("toy")
    np.testing.assert_array_equal(toy.spectra, stored["Zspec"][()])
    np.testing.assert_array_equal(toy.age_edges_yr, stored["AgeBins"][()])


def test_fuv_lines_on_emiles_are_an_error_as_in_r(libraries):
    for compat in (True, False):
        emiles = libraries("EMILES").trim(0, 8900)
        with pytest.raises(ValueError, match="emission_scale='SFR'"):
            sfh_func(speclib=emiles, emission=True, filters=None, compat=compat)
