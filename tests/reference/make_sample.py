"""Cut tests/reference/prospect_sample.h5 out of the full file of R ProSpect's outputs: make_sample.py FULL OUT."""

import argparse
import hashlib
from pathlib import Path

import h5py

# Groups kept as they are, of tests that need no table of ProSpect and no library of stars but the toy one.
WHOLE = (
    "unit/IMF",
    "unit/alphaSF_Temp",
    "unit/constants",
    "unit/cosmology",
    "unit/filters",
    "unit/interp_param",
    "unit/photom",
    "unit/thermal",
    "sfh/LSF_matrix",
    "sfh/wave_muse",
)
# Functions of age: every case, at every so many of the ages.
THINNED = {"unit/massfuncs": 12, "unit/massfuncs_nodes": 12, "unit/Zfuncs": 12}
OF_AGE = ("age_yr", "sfr", "Z")
# Curves of many parameters: every so many of the parameters.
FEWER_ROWS = {"unit/dust": 3}
ROWS_OF_PARAMETERS = ("CF", "CF_birth", "CF_params", "CF_screen", "CF_screen_params")
# Of groups with many members, those kept.
MEMBERS = {
    "sfh/SFHfunc_toy": ("draw_001", "draw_002", "draw_006"),
    "sfh/SFHfunc_extra_toy": (
        "case_001",
        "case_005",
        "case_018",
        "case_019",
        "case_020",
        "case_026",
        "case_031",
    ),
    "sfh/SFHburst_toy": ("draw_003", "draw_007", "draw_011"),
}
# Left out of all runs but the first of each kind: the same spectrum in other units, and on another grid.
SPECTRUM_AGAIN = ("flux", "flux_wave", "MUSE_flam_logbinFALSE", "MUSE_flam_logbinTRUE")


def copy_attributes(source, target):
    for name, value in source.attrs.items():
        target.attrs[name] = value


def copy_dataset(source, parent, name, rows=slice(None)):
    """Copy ``source[rows]``, packed as tightly as is worth it."""
    options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if source.size > 64 else {}
    if source.dtype.kind == "O":
        options = {}
    copy_attributes(source, parent.create_dataset(name, data=source[rows], dtype=source.dtype, **options))


def copy(source, parent, path, *, rows=None, leave_out=()):
    """Copy a dataset or group to `path`, with `rows` of datasets by their name, without those in `leave_out`."""
    if isinstance(source, h5py.Dataset):
        copy_dataset(source, parent, path, (rows or {}).get(path.rpartition("/")[2], slice(None)))
        return
    group = parent.require_group(path)
    copy_attributes(source, group)
    for name, member in source.items():
        if name not in leave_out:
            copy(member, group, name, rows=rows, leave_out=leave_out)


def make_sample(full_path, out_path):
    """Write the sample of the file at `full_path` to `out_path`."""
    digest = hashlib.sha256(Path(full_path).read_bytes()).hexdigest()
    with h5py.File(full_path) as full, h5py.File(out_path, "w", libver="latest") as out:
        copy_attributes(full, out)
        out.attrs["cut"] = f"by tests/reference/make_sample.py out of prospect_reference.h5, sha256 {digest}"
        for path in WHOLE:
            copy(full[path], out, path)
        for path, every in THINNED.items():
            ages = {name: (Ellipsis, slice(None, None, every)) for name in OF_AGE}
            copy(full[path], out, path, rows=ages)
        for path, every in FEWER_ROWS.items():
            copy(full[path], out, path, rows=dict.fromkeys(ROWS_OF_PARAMETERS, slice(None, None, every)))
        for path, members in MEMBERS.items():
            copy_attributes(full[path], out.require_group(path))
            for number, name in enumerate(members):
                leave_out = SPECTRUM_AGAIN if number else ()
                copy(full[path][name], out, f"{path}/{name}", leave_out=leave_out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("full", type=Path, help="prospect_reference.h5")
    parser.add_argument("out", type=Path, help="prospect_sample.h5")
    args = parser.parse_args()
    make_sample(args.full, args.out)
