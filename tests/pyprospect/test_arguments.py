"""The public boundary: finite arguments give finite answers, or an error that names the argument; nothing else happens."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import warnings

import numpy as np
import pytest
import torch
from scipy import stats

from pyprospect.arguments import RANGES, checked
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.fit import (
    Calibration,
    Data,
    Dirichlet,
    FromScipy,
    Normal,
    Nucleus,
    Spectrum,
    Student,
    TruncatedNormal,
)
from pyprospect.stars.toy import toy_library

ROOMS = ("bands", "dust", "fast", "fit", "gas", "histories", "line_of_sight", "numerics", "prospect", "stars")
# Public functions that are not held to ranges by the decorator, and why not.
UNCHECKED = {
    "takes objects whose numbers were checked when they were made": {
        *("fast.dust_light.light_in_bands", "fast.packed.pack", "fast.packed.unpack", "fit.evidence.compare"),
        *("fit.figures.corner", "fit.figures.plot_sed", "fit.figures.plot_sfh", "fit.fitting.fit"),
        *(
            "fit.chains.run_chains",
            "fit.simulated.together",
            "fit.laplace.laplace",
            "fit.map.climb",
            "fit.map.modes",
            "fit.weigh.weigh",
        ),
        *("gas.continuum.continuum_for", "gas.continuum.continuum_outside", "gas.joined_lines.join_lines"),
        *("gas.ionizing_light.library_ionizing_photons", "gas.ionizing_light.with_ionizing_photons"),
        *("prospect.agn.as_agn", "prospect.sed_figure.plot_components", "prospect.smstar.surviving_mass"),
        *("prospect.sfh_result.look_at_holes", "prospect.sfh_result.make_result", "prospect.starlight.shine"),
        *("prospect.filter_tran.filter_tran_bands", "stars.widen.widened", "stars.variants.with_alpha"),
        *("stars.variants.with_variant", "stars.variants.extend_metallicities"),
    },
    "judges its numbers itself, which tests below and its own hold it to": {
        *("bands.band_matrix.band_matrix", "bands.band_matrix.check_grid", "bands.band_matrix.check_options"),
        *(
            "fast.galaxies.checked_galaxies",
            "fit.many.fit_many",
            "fit.nested.sample_nested",
            "fit.nuts.sample_nuts",
        ),
        *(
            "fit.simulated.mock",
            "fit.simulated.ranks",
            "fit.simulated.ranks_together",
            "fit.chains.sample_many",
            "fit.weigh.pareto_smoothed",
            "histories.ages.check_ages",
        ),
        *(
            "histories.ages.clipped_ages",
            "histories.in_library_bins.form_stars",
            "numerics.quadrature.r_integrate",
        ),
        *("prospect.sed_like.log_likelihood", "prospect.sed_like.prospect_sed_like"),
    },
    "hands its numbers to functions that are checked": {
        *("bands.photometry.CGScalc", "bands.photometry.Janskycalc", "bands.photometry.magABcalc"),
        *("bands.transformations.filter_tran_mags", "prospect.sfh_result.photometry"),
    },
    "is a step inside a checked function": {
        *(
            "bands.band_matrix.missing_fraction",
            "bands.band_matrix.report_missing",
            "fast.strips.put_together",
        ),
        *(
            "fast.node_weights.hat_weights",
            "fast.node_weights.polynomial_weights",
            "fast.node_weights.products",
        ),
        *("fast.node_weights.width_variable", "fit.histories.rates", "histories.ages.cut"),
        *(
            "histories.ages.with_burst",
            "histories.in_library_bins.split_arguments",
            "prospect.starlight.total",
        ),
        "prospect.sfh_result.sparse_step",
    },
    "takes names or files, and no numbers": {
        *("fit.answers.read_answers", "fit.answers.write_answers", "fit.histories.mass_function_parameters"),
        *("histories.by_name.by_name", "histories.in_library_bins.as_library", "histories.massfunc.resolve"),
        *("histories.zfunc.resolve", "prospect.agn.agn_template", "prospect.r_names.find"),
        "prospect.agn_tables.read_agn_grid",
        *("stars.prospect_fits.is_prospect_fits", "stars.prospect_fits.read_prospect_fits"),
        "stars.variants.add_variants",
    },
}
# Magnitudes of no light, histories before their first star and pixels without flux have no number; the rest has.
NO_NUMBER = {
    *(
        "Jansky2magAB",
        "CGS2magAB",
        "WHzToAbsolute",
        "dist_mod",
        "kcorr",
        "dcorr",
        "photom_flux",
        "photom_lum",
    ),
    *(
        "convert_wave2freq",
        "convert_freq2wave",
        "CGS2Jansky",
        "bandpass",
        "addspec",
        "spec_rebin",
        "smstar_func",
    ),
    *("kcorr_evo", "r_hat", "effective_size", "genbox", "smoothing_matrix"),
}
# Wanted by tables of ProSpect, files or other objects; tried by tests of their own.
NOT_HERE = {
    *("dale_interp", "dale_m2l_variable_dth", "dale_scale", "atten_emit", "integrate", "continuum_at"),
    *(
        "prospect_sed",
        "agn_grid_interp",
        "single_threaded_torch",
        "draw_times",
        "interp_param",
        "interp_quick",
    ),
    *("electron_temperature", "energy_balance", "offset_kms"),
}
SLOW = {
    "sfh_burst": 12,
    "sfh_func": 12,
    "smstar_func": 12,
    "massmap_lin": 20,
    "massmap_box": 20,
    "co_vol_gpc3": 20,
}
WAVE = np.geomspace(100.0, 2e4, 60)
# A grid for synthesizers, where the toy library has light.
WAVE_AA = np.arange(4800.0, 6800.0, 20.0)


def public_functions():
    """Every function that a module of the rooms gives, by its place; classes are tried by tests of their own."""
    found = {}
    for room in ROOMS:
        package = importlib.import_module(f"pyprospect.{room}")
        for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
            module = importlib.import_module(f"pyprospect.{room}.{name}")
            for key in getattr(module, "__all__", ()):
                function = getattr(module, key)
                if inspect.isfunction(function) and function.__module__ == module.__name__:
                    found[f"{room}.{name}.{key}"] = function
    return found


PUBLIC = public_functions()
FUNCTIONS = {
    name: function
    for name, function in PUBLIC.items()
    if hasattr(function, "__wrapped__") and function.__name__ not in NOT_HERE
}
LIBRARY = toy_library()


def an_array(name, rng):
    """A legal value for parameters that have no default."""
    if name in ("age",):
        return rng.uniform(0, 1.5e10, 8)
    if name.startswith("wave") or name in ("mass",):
        return WAVE if name != "mass" else rng.uniform(0.01, 100, 8)
    if name in ("z", "te_k", "absorb", "sfr_msun_yr", "photons_s", "lines_lsol", "FIR", "mag"):
        return {"te_k": 1e4, "absorb": 0.5, "sfr_msun_yr": 1.0, "photons_s": 1e50, "z": 0.1}.get(name, 3.0)
    if name in ("times",):
        return np.array([0.2, 0.5, 0.8])
    if name == "centres":
        return np.cumsum(rng.uniform(0.1, 1.0, 12))
    if name in ("found", "draws"):
        return rng.random((4, 12)) if name == "draws" else rng.random((30, 2))
    if name.endswith(("edges_yr", "edges_aa")):
        return np.linspace(1.0, 5.0, WAVE.size + 1)
    if name in ("lower", "upper", "mag_limit"):
        return {"lower": 0.0, "upper": 1e9, "mag_limit": 20.0}[name]
    if name in ("x", "params"):
        return rng.uniform(0, 5) if name == "x" else np.arange(6.0)
    if name == "freq":
        return np.geomspace(1e8, 1e11, 9)
    return rng.uniform(0.1, 10.0, WAVE.size)


def something(name, default, rng):
    """Another value of a number: near the default, anywhere in its range, at its ends, or beyond."""
    low, high = RANGES.get(name, (-1e6, 1e6))
    near = float(default) if isinstance(default, int | float) and not isinstance(default, bool) else 1.0
    if rng.random() < 0.8:
        return near * rng.uniform(0.5, 1.5)
    choices = [
        *(near + rng.normal(), low, high, 0.0, -1.0, 1.0),
        *(np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, rng.uniform(max(low, -1e6), min(high, 1e6))),
    ]
    return choices[rng.integers(len(choices))]


def a_call(function, rng):
    arguments = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or name == "compat":
            continue
        if name == "burstage" and function.__name__ == "smstar_func":
            continue
        if name == "speclib":
            arguments[name] = LIBRARY
        elif name == "emission":
            arguments[name] = bool(rng.random() < 0.3)
        elif name == "filters":
            arguments[name] = (
                None if function.__name__.startswith(("sfh", "smstar")) else [(WAVE[20:30], np.ones(10))]
            )
        elif parameter.default is parameter.empty or (name in ("lum", "flux") and parameter.default is None):
            value = an_array(name, rng)
            if isinstance(value, np.ndarray) and rng.random() < 0.15:
                value = value.copy()
                value.flat[rng.integers(value.size)] = rng.choice([np.nan, np.inf, -1.0, 0.0, 1e300])
            arguments[name] = value
        elif (name in RANGES or isinstance(parameter.default, float)) and rng.random() < 0.4:
            arguments[name] = something(name, parameter.default, rng)
    if function.__name__.startswith("massmap"):
        arguments["massfunc"] = "const"
    if function.__name__ in ("emission_lines", "line_luminosities"):
        arguments.setdefault("SFR", 1.0)
        for name in ("Ha_lum", "Hb_lum", "Hlines_lum", "All_lum"):
            arguments.pop(name, None)
    return arguments


def all_finite(found):
    if isinstance(found, np.ndarray):
        return found.dtype.kind != "f" or bool(np.isfinite(found).all())
    if isinstance(found, float):
        return bool(np.isfinite(found))
    if isinstance(found, tuple):
        return all(all_finite(part) for part in found)
    return True


@pytest.mark.usefixtures("prospect_tables")
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_finite_in_finite_out_or_an_error_that_names_the_argument(name):
    function = FUNCTIONS[name]
    label = function.__name__
    rng = np.random.default_rng(len(name))
    wrong, answered = [], 0
    for _ in range(SLOW.get(label, 30)):
        arguments = a_call(function, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = function(**arguments)
            except ValueError as error:
                wrong += [] if len(str(error)) > 10 else [f"{arguments}: says only {error}"]
                continue
            except Exception as error:  # noqa: BLE001 - what else comes is the fault that is looked for
                wrong.append(f"{arguments}: {type(error).__name__}: {error}")
                continue
        answered += 1
        if label not in NO_NUMBER and not all_finite(found):
            wrong.append(f"{arguments}: not finite")
    assert not wrong, "\n".join(wrong[:4])
    assert answered or label in ("custom", "integral_of_custom", "lsf_sigma_kms"), "no call was legal"


def test_every_public_function_is_held_to_ranges_or_says_why_not():
    excused = set().union(*UNCHECKED.values())
    bare = {name for name, function in PUBLIC.items() if not hasattr(function, "__wrapped__")}
    assert bare == excused, (
        f"hold {sorted(bare - excused)} to ranges with @checked, or say in UNCHECKED why not; "
        f"{sorted(excused - bare)} need no excuse any more"
    )
    assert len(FUNCTIONS) > 80


def test_what_is_checked_and_what_is_not():
    @checked(own=None)
    def function(z, own=1.0, *, compat=False, name="x", flag=True):
        return z * own

    assert function(0.1) == 0.1
    for value, message in (
        (np.nan, "z=nan must be a finite number"),
        (-2.0, r"z=-2.0 must be between -0.999 and 10000"),
    ):
        with pytest.raises(ValueError, match=message):
            function(value)
        assert function(value, compat=True) is not None
    with pytest.raises(ValueError, match=r"function has no finite result for z=0.5, own=inf"):
        function(0.5, np.inf)
    with pytest.raises(ValueError, match=r"z=40 values, 1 not finite must be a finite number"):
        function(np.where(np.arange(40) == 3, np.nan, 1.0))
    assert inspect.signature(function).parameters["z"].name == "z"


def one_spectrum(**changed):
    return Spectrum(**{"wave_aa": [5000.0, 5010.0], "flux": [1.0, 1.0], "sigma": [0.1, 0.1], **changed})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(np.nan, 1), "Normal: mean=nan must be a finite number"),
        (lambda: TruncatedNormal(np.inf, 1, 0, 1), "TruncatedNormal: mean=inf must be a finite"),
        (lambda: Student(0, 1, np.nan), "Student: dof=nan must be a positive number"),
        (lambda: Dirichlet([1.0, np.inf]), "at least two positive concentrations"),
        (lambda: FromScipy(stats.beta(-1, 5)), "the median of this distribution is no number"),
        (lambda: Calibration(order=3, sigma=np.nan), "sigma must be positive"),
        (lambda: Calibration(level=np.inf), "level finite and not negative"),
        (lambda: Nucleus(power_law=True, lines_veldisp_kms=np.nan), "lines_veldisp_kms=nan must be positive"),
        (lambda: one_spectrum(wave_aa=[5000.0, np.nan]), "Spectrum: wave_aa="),
        (lambda: one_spectrum(wave_aa=[5000.0, 1e30]), "Spectrum: wave_aa="),
        (lambda: Data(one_spectrum(), redshift=np.inf, lum_dist_mpc=10), "redshift runs inf .. inf"),
        (lambda: Data(one_spectrum(), redshift=np.nan, lum_dist_mpc=10), "redshift runs nan .. nan"),
        (lambda: Data(one_spectrum(), redshift=0.1, lum_dist_mpc=np.inf), "Data: lum_dist_mpc="),
        (lambda: Synthesizer(LIBRARY, WAVE_AA, veldisp_kms=(np.nan,)), "Synthesizer: veldisp_kms="),
        (lambda: Synthesizer(LIBRARY, WAVE_AA, redshift=(np.inf,)), "Synthesizer: redshift="),
        (lambda: Synthesizer(LIBRARY, WAVE_AA * np.nan), "Synthesizer: wave_aa="),
    ],
)
def test_parts_of_fits_and_synthesizers_refuse_what_is_no_number(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.fixture(scope="module")
def synthesizer():
    return Synthesizer(LIBRARY, WAVE_AA)


def test_galaxies_are_finite_or_refused(synthesizer):
    rng = np.random.default_rng(11)
    usual = {"tau_birth": 1.0, "tau_screen": 0.3, "pow_birth": -0.7, "pow_screen": -0.7, "bump": 0.5}
    n_age, finite, refused = LIBRARY.age_yr.size, 0, []
    for _ in range(300):
        mass = rng.dirichlet(np.ones(n_age), 2) * 10 ** rng.uniform(-3, 12)
        z = 10 ** rng.uniform(-4, -1.5, (2, n_age))
        given = {name: value * rng.uniform(0.5, 1.5) for name, value in usual.items()}
        odd = rng.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, -1e30, 25.0, 1e-30])
        where = rng.integers(8)
        if where == 0:
            mass[1, rng.integers(n_age)] = odd
        elif where == 1:
            z[1, rng.integers(n_age)] = odd
        elif where < 7:
            given[list(usual)[where - 2]] = odd
        try:
            found = synthesizer(mass, z, **given)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert bool(torch.isfinite(found.flux).all()), (where, odd)
            finite += 1
    named = re.compile(r"galaxy \d forms|galaxy \d has metallicity|(tau|pow|bump)\w* (runs|has values)")
    assert all(named.match(message) for message in refused), refused
    assert min(finite, len(refused)) > 50
