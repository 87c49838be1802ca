"""What sfh_func accepts, and how it refuses the rest."""

import numpy as np
import pytest

import pyprospect
from histories import HISTORY, RUN
from pyprospect import SSPLibrary, sfh_burst, sfh_func, smstar_func
from pyprospect.histories import massfunc, zfunc
from pyprospect.messages import ClampWarning

MODES = pytest.mark.parametrize("compat", [False, True])


def _replace(library, **fields):
    axes = {name: getattr(library, name) for name in library.__dataclass_fields__}
    return SSPLibrary(**{**axes, **fields})


@MODES
def test_unknown_argument_names_the_nearest(library, compat):
    with pytest.raises(TypeError, match=r"'mSRF'.*mean 'mSFR'"):
        sfh_func("snorm", mSRF=3, speclib=library, filters=None, compat=compat)
    with pytest.raises(TypeError, match=r"'tau_brith'.*mean 'tau_birth'"):
        sfh_func(tau_brith=3, speclib=library, filters=None, compat=compat)
    with pytest.raises(TypeError, match=r"'mperoid'.*mean 'mperiod'"):
        smstar_func("snorm", mperoid=3, speclib=library, compat=compat)


def test_argument_of_another_history_is_ignored_by_r_only(library):
    run = {"massfunc": "const", "Z": 0.02, "Zfinal": 0.03, "speclib": library, "filters": None, "sparse": 1}
    with pytest.raises(TypeError, match=r"'Zfinal'.*another history"):
        sfh_func(**run)
    assert sfh_func(**run, compat=True).Zvec[0] == 0.02


@MODES
def test_negative_and_nan_rates(library, compat):
    run = {"speclib": library, "filters": None, "compat": compat}
    with pytest.raises(ValueError, match="negative SFR"):
        sfh_func("const", mSFR=-1, **run)
    with pytest.raises(ValueError, match="mSFR=nan must be a finite number"):
        sfh_func("const", mSFR=np.nan, **run)
    with pytest.raises(ValueError, match="rates for"):
        sfh_func(lambda age: np.ones(3), **run)


def test_negative_rate_of_a_history_that_clips_it(library):
    run = {"speclib": library, "filters": None, "sparse": 1}
    for history, name in (("snorm", "mSFR"), ("snorm_burst", "mburst"), ("b5", "m3")):
        with pytest.raises(ValueError, match=rf"negative SFR: .*{name}.*-2"):
            sfh_func(history, **{name: -2.0}, **run)
        assert np.isfinite(sfh_func(history, **{name: -2.0}, **run, compat=True).masstot)  # zero, as in R


def test_negative_metallicities(library):
    Z = np.full(library.age_yr.size, 0.02)
    Z[3] = -0.01
    run = {**RUN, "speclib": library}
    with pytest.raises(ValueError, match=r"metallicity is -0.01 at 7.32e\+06 yr"):
        sfh_func(**{**run, "Z": Z})
    with pytest.warns(ClampWarning, match="reach outside"):  # R puts the first metallicity there
        sfh_func(**{**run, "Z": Z}, compat=True)


def test_ages_in_gyr_instead_of_yr(library):
    for name in ("agemax", "unimax"):
        with pytest.warns(pyprospect.ProSpectWarning, match=f"{name}=13.0 is in yr.*1e9"):
            sfh_func(**RUN, speclib=library, **{name: 13.0})


def test_nodes_of_histories():
    with pytest.raises(ValueError, match="above 0"):
        massfunc.p4([1e9], m1age=0)
    with pytest.raises(ValueError, match="ascend"):
        massfunc.p6([1e9], m2age=1.0)


def test_bad_ages_in_functions():
    for function in (massfunc.snorm, massfunc.b5, massfunc.const, zfunc.p2):
        with pytest.raises(ValueError, match=r"age=.* must be a finite number"):
            function([1e8, np.nan])
    with pytest.raises(ValueError, match="massmap needs"):
        zfunc.massmap_lin([1e8])
    with pytest.raises(ValueError, match="ascend"):
        massfunc.custom([1e8], age_yr=[0, 2e9, 1e9], sfr=[1, 1, 1])
    with pytest.raises(ValueError, match="as many ages"):
        massfunc.custom([1e8], age_yr=[0, 2e9, 3e9], sfr=[1])
    with pytest.raises(ValueError, match="negative SFR"):
        massfunc.custom([1e8], age_yr=[0, 1e9], sfr=[1, -1])
    with pytest.raises(ValueError, match="must be a finite number"):
        massfunc.custom([1e8], age_yr=[0, 1e9], sfr=[1, np.nan])
    with pytest.raises(ValueError, match="equal vectors"):
        zfunc.custom([1e8], Zage_yr=[0, 1e9], Zhist=[0.02])
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        zfunc.custom([1e8], Zage_yr=[0, 1e9], Zhist=[0.02, -0.1])


def test_histories_by_unknown_name(library):
    with pytest.raises(ValueError, match=r"no star-formation history 'snrom'.*snorm_burst"):
        sfh_func("snrom", speclib=library)
    with pytest.raises(ValueError, match=r"no metallicity history 'boxy'.*massmap_box"):
        sfh_func(Z="boxy", speclib=library)


@MODES
def test_metallicity_outside_the_library_warns_once(library, compat, recwarn):
    run = {**RUN, "Z": 0.3, "speclib": library, "compat": compat}
    with pytest.warns(ClampWarning, match="outside the library .*said once"):
        clamped = sfh_func(**run)
    recwarn.clear()
    again = sfh_func(**run)
    assert len(recwarn) == 0
    edge = sfh_func(**{**run, "Z": 0.05})
    np.testing.assert_array_equal(clamped.lum_atten, again.lum_atten)
    np.testing.assert_allclose(clamped.lum_atten, edge.lum_atten, rtol=1e-12)
    assert issubclass(ClampWarning, pyprospect.ProSpectWarning)


def test_warnings_point_at_the_line_of_the_user(library):
    with pytest.warns(ClampWarning) as said:
        sfh_func(**{**RUN, "Z": 0.3}, speclib=library)
    assert said[0].filename == __file__


def test_whole_numbers_for_a_metallicity(library):
    third = sfh_func(**{**RUN, "Z": 3}, speclib=library, compat=True)
    assert np.all(third.Zvec == library.z[2])
    by_value = sfh_func(**{**RUN, "Z": float(library.z[2])}, speclib=library, compat=True)
    np.testing.assert_allclose(third.lum_atten, by_value.lum_atten, rtol=1e-12)
    with pytest.raises(ValueError, match="from 1 to 4"):
        sfh_func(**{**RUN, "Z": 5}, speclib=library, compat=True)
    with pytest.raises(ValueError, match=r"1-based.*speclib\.z\[i\]"):
        sfh_func(**{**RUN, "Z": 3}, speclib=library)
    with pytest.raises(ValueError, match="give one an age"):
        sfh_func(**{**RUN, "Z": [0.01, 0.02]}, speclib=library)


@MODES
def test_ionising_lines_need_ionising_light(optical, compat):
    with pytest.raises(ValueError, match=r"starts at 30\d\d\.\d Angstrom; use emission_scale='SFR'"):
        sfh_func(**RUN, speclib=optical, emission=True, compat=compat)
    with pytest.raises(ValueError, match="use emission_scale='SFR'"):
        sfh_burst(1e8, 1e6, speclib=optical, emission=True, filters=None, sparse=1, compat=compat)


def test_band_outside_the_spectrum(optical):
    run = {**RUN, "speclib": optical, "filters": ["F555W", "F275W"]}
    with pytest.raises(ValueError, match="F275W"):
        sfh_func(**run)
    chosen = sfh_func(**run, outside="nan").out
    assert np.isfinite(chosen[0])
    assert np.isnan(chosen[1])
    # R takes the red leak of the curve for the band, and a band without any overlap for no light.
    assert np.isfinite(sfh_func(**run, compat=True).out[1])
    nowhere = {"uv": (np.array([1500.0, 2000.0]), np.array([1.0, 1.0]))}
    assert np.isinf(sfh_func(**{**run, "filters": nowhere}, compat=True).out[0])
    half = {**RUN, "speclib": optical, "filters": {"u": (np.array([2900.0, 3200.0]), np.array([1.0, 1.0]))}}
    with pytest.raises(ValueError, match="u "):
        sfh_func(**half)
    assert np.isfinite(sfh_func(**half, compat=True).out[0])  # renormalised in silence, as in R


@pytest.mark.usefixtures("prospect_tables")
def test_bands_in_every_form(library):
    curve = pyprospect.bands.band_matrix.resolve("F555W")[0]
    pair = (curve.wave_aa, curve.response)
    run = {**RUN, "speclib": library}
    expected = sfh_func(**{**run, "filters": ["F555W"]}).out
    for form in ("F555W", [pair], pair, np.column_stack(pair), {"V": pair}, curve, [curve]):
        np.testing.assert_allclose(sfh_func(**{**run, "filters": form}).out, expected, rtol=1e-12)
    everything = sfh_func(**{**run, "filters": "all"})
    assert everything.out.size == len(everything.filter_names) > 5
    assert sfh_func(**{**run, "filters": "F555W"}, outtype=None).out is None


def test_library_with_holes(library):
    spectra = library.spectra.copy()
    spectra[0, :3, library.wave_aa > 7000] = 0
    holed = _replace(library, spectra=spectra, name="holed")
    with pytest.raises(ValueError, match=r"'holed' has spectra that are exactly zero.*trim"):
        sfh_func(**RUN, speclib=holed)
    with pytest.raises(ValueError, match="exactly zero"):
        sfh_burst(speclib=holed, filters=None)
    with pytest.warns(pyprospect.ProSpectWarning, match=r"'holed'.*taken for light.*trim"):
        assert sfh_func(**RUN, speclib=holed, compat=True).masstot > 0
    dark = library.spectra.copy()
    dark[:, -3:, library.wave_aa < 500] = 0  # old stars need not ionise
    assert sfh_func(**RUN, speclib=_replace(library, spectra=dark, name="dark")).masstot > 0


def test_library_from_a_path(library, tmp_path):
    path = tmp_path / "library.h5"
    library.write(path)
    read = sfh_func(**RUN, speclib=path)
    np.testing.assert_allclose(read.lum_atten, sfh_func(**RUN, speclib=library).lum_atten, rtol=1e-12)
    with pytest.raises(ValueError, match="no SSP library"):
        sfh_func()
    with pytest.raises(FileNotFoundError):
        sfh_func(speclib=tmp_path / "nothing.h5")
    with pytest.raises(ValueError, match="speclib of type dict"):
        sfh_func(speclib={"Z": library.z})


def test_library_without_remaining_masses(library):
    unknown = _replace(library, evolution=np.full(library.evolution.shape, np.nan), name="unknown")
    with pytest.raises(ValueError, match="remains in stars"):
        smstar_func(**HISTORY, speclib=unknown)
    with pytest.raises(ValueError, match="ascend"):
        smstar_func(**HISTORY, speclib=library, youngage=(1e9, 1e8))


def test_window_of_age_without_bins(library):
    run = {**HISTORY, "speclib": library, "Z": 0.01, "youngage": (1.7e8, 3e8)}  # between 158 and 340 Myr
    assert np.isnan(smstar_func(**run).YoungSMform)
    light = sfh_func(**RUN, speclib=library)
    around = (light.agevec > 1.5e8) & (light.agevec < 3.5e8)
    widths = library.age_weights_yr[: light.agevec.size][around]
    expected = light.massvec[around].sum() * 1.3e8 / widths.sum()
    assert smstar_func(**run, compat=True).YoungSMform == pytest.approx(
        expected
    )  # R runs backwards from 340 to 158


@MODES
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau_birth": -1}, "tau_birth=-1"),
        ({"tau_screen": np.nan}, "tau_screen=nan"),
        ({"emission": True, "emission_scale": "UV"}, "must be one of"),
        ({"escape_frac": 1.5}, "between 0 and 1"),
        ({"escape_frac": [0.1, 0.2]}, "one escape fraction a limit"),
        ({"Ly_limit": [911.75, 1215.67], "escape_frac": [0.1, 0.2]}, "must descend"),
        ({"sparse": 0}, "sparse=0"),
        ({"sparse": 1.5}, "sparse=1.5"),
        ({"sparse": 10**6}, "leave two"),
        ({"sparse": np.nan}, "sparse=nan"),
        ({"mSFR": np.inf}, "mSFR=inf must be a finite number"),
        ({"mperiod": 0}, "mperiod=0 must be"),
        ({"Z": np.nan}, "Z=nan"),
        ({"Z": None}, "Z=None: give a metal mass fraction"),
        ({"Z": lambda age: age * np.nan}, "the metallicity is nan at 5e.05 yr .14 of 14"),
        ({"pow_screen": np.nan}, "pow_screen=nan"),
        ({"agemax": -1}, "agemax=-1"),
        ({"agemax": np.nan}, "agemax=nan"),
        ({"unimax": np.nan}, "unimax=nan"),
        ({"H0": 0}, "H0=0"),
        ({"Z": "massmap_box", "yield_": 0}, "yield_=0"),
        ({"agescale": 0}, "agescale=0"),
        ({"forcemass": -1e9}, "forcemass"),
        ({"forcemass": True}, "forcemass"),
        ({"forcemass": 1e9, "mSFR": 0, "mburst": 0}, "forms no stars"),
        ({"unimax": True}, "unimax"),
        ({"z": -2}, "give agemax, or unimax=False"),
        ({"ref": "Planck99"}, "Planck99"),
        ({"disp_stars": True, "LSF": np.ones(7)}, "LSF of shape"),
        ({"disp_stars": True, "LSF": "keck"}, "keck"),
        ({"emission": True, "veldisp": 0}, "dispersion > 0"),
    ],
)
@pytest.mark.usefixtures("prospect_tables")
def test_bad_values(library, compat, arguments, message):
    with pytest.raises(ValueError, match=message):
        sfh_func(**{**RUN, **arguments}, speclib=library, compat=compat)


def test_bad_bursts(library):
    for arguments in ({"burstmass": -1}, {"burstage": np.nan}, {"Z": 3}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            sfh_burst(**arguments, speclib=library, filters=None)
    with pytest.warns(ClampWarning, match="age"):
        sfh_burst(1e8, 3e10, speclib=library, filters=None, unimax=False)


def test_results_by_name(library):
    light = sfh_func(**RUN, speclib=library)
    assert light["lum_atten"] is light.lum_atten
    assert {"wave_lum", "M2L", "SFRburst", "Zvec"} <= set(light)
    with pytest.raises(KeyError, match="lum_atten"):
        light["lumatten"]


def test_zero_history_is_fine(library):
    for compat in (False, True):
        light = sfh_func(**{**RUN, "mSFR": 0, "mburst": 0}, speclib=library, disp_stars=True, compat=compat)
        assert light.masstot == light.lumtot_unatten == 0
        assert np.all(light.lum_atten == 0)
        assert np.isnan(light.M2L)


def test_arguments_are_not_edited(library):
    table = np.column_stack([[4000.0, 9000.0], [50.0, 60.0]])
    age, sfr = np.array([0, 1e9, 1e10]), np.array([1.0, 2.0, 0.5])
    copies = [a.copy() for a in (table, age, sfr, library.spectra)]
    sfh_func(
        "custom", age_yr=age, sfr=sfr, speclib=library, filters=None, sparse=1, disp_stars=True, LSF=table
    )
    for before, after in zip(copies, (table, age, sfr, library.spectra), strict=True):
        np.testing.assert_array_equal(before, after)
