"""Mass functions, metallicity functions and table interpolation against R ProSpect."""

import numpy as np
import pytest

from pyprospect.histories import massfunc, zfunc
from pyprospect.numerics.interpolation import interp_param, interp_quick


def _parameters(group, row):
    columns = [str(c) for c in group["params"].attrs["columns"]]
    values = group["params"][row]
    return {name: value for name, value in zip(columns, values, strict=True) if not np.isnan(value)}


def test_every_mass_function_of_the_reference_exists(reference):
    names = {n.removeprefix("massfunc_") for n in reference["unit/massfuncs"] if n != "age_yr"}
    assert names == set(massfunc.FUNCTIONS) - {"custom"}
    assert len(names) == 14


@pytest.mark.parametrize("where", ["massfuncs", "massfuncs_nodes"])
def test_mass_functions(reference, parity, where):
    group = reference[f"unit/{where}"]
    age_yr = group["age_yr"][()]
    for name in group:
        if name == "age_yr":
            continue
        function = massfunc.resolve(name)
        for row, theirs in enumerate(group[name]["sfr"][()]):
            ours = function(age_yr, **_parameters(group[name], row))
            parity.check(f"unit/{where}", ours, theirs, 1e-12, label=f"{name} {row}")


def test_mass_function_integrals(reference, parity):
    group = reference["unit/massfuncs"]
    limits = (1e7, 1e8, 13.8e9)
    for name in group:
        if name == "age_yr":
            continue
        # A third of them: one evaluation at a time, as QUADPACK asks for, they are the slowest of all comparisons.
        for row, theirs in list(enumerate(group[name]["integrals"][()]))[::3]:
            ours = [massfunc.integrate(name, 0, t, **_parameters(group[name], row)) for t in limits]
            parity.check("unit/massfuncs integrals", ours, theirs, 1e-12, label=f"{name} {row}")


def test_metallicity_functions(reference, parity):
    group = reference["unit/Zfuncs"]
    age_yr = group["age_yr"][()]
    for name in group:
        if name == "age_yr":
            continue
        case = group[name]
        z_name, _, mass_name = name.partition("__")
        for row, theirs in enumerate(case["Z"][()]):
            arguments = _parameters(case, row)
            if mass_name:
                arguments["massfunc"] = mass_name
                if not case["Zagemax_passed"][row]:
                    arguments.pop("Zagemax", None)
            ours = zfunc.resolve(z_name)(age_yr, **arguments)
            parity.check("unit/Zfuncs", ours, theirs, 1e-11, label=f"{name} {row}")


def test_table_interpolation(reference, parity):
    group = reference["unit/interp_param"]
    fields = {"ID_lo": ("id_lo", 1), "ID_hi": ("id_hi", 1), "ID_mode": ("id_mode", 1)}
    fields |= {n: (n, 0) for n in ("flag", "param_lo", "param_hi", "wt_lo", "wt_hi", "x")}
    for name in group:
        case = group[name]
        x, nodes, log = case["x"][()], case["params"][()], name.endswith("_log")
        ours = interp_param(x, nodes, log)
        for theirs, (field, first) in fields.items():
            unit = 1.0 if field.startswith("wt") else None
            found = getattr(ours, field) + first
            parity.check(
                "unit/interp_param",
                found,
                case["out"][theirs][()],
                1e-12,
                scale=unit,
                label=f"{name} {field}",
            )
        quick = np.array([interp_quick(value, nodes, log) for value in x]) + np.array([1, 1, 0, 0])
        parity.check("unit/interp_param quick", quick, case["interp_quick"][()], 1e-12, scale=1.0, label=name)
