"""configs/phangs.tsv against the published tables: 19 galaxies, each with what was really observed."""

import csv

import pytest
from astropy.table import Table

from ingredients import BANDS
from sfhnet.config import load_config
from sfhnet.observation.milky_way_extinction import SF11_PER_SFD98
from sfhnet.sources.hst_file_names import weights_of
from sfhnet.sources.sample_sheet import load_sheet

C_KMS = 299792.458
EVERY = (*BANDS, "F435W")


@pytest.fixture(scope="module")
def rows(root):
    return load_sheet(root / "configs" / "phangs.tsv", EVERY)


@pytest.fixture(scope="module")
def tables(shared_dir):
    folder = shared_dir / "mirror" / "sample"
    with (folder / "derived_phangs_muse19.csv").open() as handle:
        short = {row["galaxy"]: row for row in csv.DictReader(handle)}
    muse = {str(row["name"]).strip().upper(): row for row in Table.read(folder / "muse_dr2_v1.fits")}
    with (folder / "derived_phangs_hst_photcal.csv").open() as handle:
        hst = {}
        for row in csv.DictReader(handle):
            hst.setdefault(row["galaxy"], {})[row["filter"]] = row["detector"]
    return short, muse, hst


def test_the_overlay_is_valid(root, rows):
    config = load_config([root / "config.yaml", root / "configs" / "phangs.yaml"])
    assert config.galaxies.ebv_scale == "sf11"
    assert config.galaxies.data_dir.as_posix() == "data/phangs"
    assert len(rows) == 19
    assert {row.source for row in rows.values()} == {"phangs"}


def test_properties_are_those_of_the_sample_table(rows, tables):
    short, muse, _ = tables
    assert set(rows) == set(short) == set(muse)
    for name, row in rows.items():
        for own, column in (
            ("distance_mpc", "dist"), ("inclination_deg", "orient_incl"), ("position_angle_deg", "orient_posang"),
            ("r25_arcsec", "size_r25"), ("ra_deg", "orient_ra"), ("dec_deg", "orient_dec"),
            ("psf_fwhm_arcsec", "muse_copt_FWHM"), ("ebv_mw", "mwext_sf11"),
        ):  # fmt: skip
            assert getattr(row, own) == pytest.approx(float(muse[name][column]), rel=3e-3, abs=1e-4), (
                name,
                own,
            )
        # Schlafly & Finkbeiner, not Schlegel et al.
        assert row.ebv_mw == pytest.approx(SF11_PER_SFD98 * float(muse[name]["mwext_sfd98"]), rel=0.02), name
        # cz from the LSR velocity in the radio convention: a first guess within 30 km/s.
        radio = float(muse[name]["orient_vlsr"]) / C_KMS
        assert C_KMS * row.redshift == pytest.approx(C_KMS * radio / (1 - radio), abs=30), name


def test_files_are_named_as_the_archives_name_them(rows):
    for name, row in rows.items():
        fwhm = f"{row.psf_fwhm_arcsec:.2f}"
        assert row.path.name == f"{name}_PHANGS_DATACUBE_copt_{fwhm}asec.fits"
        assert row.maps.name == f"{name}_MAPS_copt_{fwhm}asec.fits"
        for band, path in row.images.items():
            assert f"_{band.lower()}_" in path.name
            assert weights_of(path).name.endswith("_err-drc-wht.fits")


def test_every_galaxy_has_the_filters_and_detectors_it_was_observed_with(rows, tables):
    hst = tables[2]
    without_f438w = set()
    for name, row in rows.items():
        key = name.lower().replace("ngc0", "ngc")
        # NGC 628 has two pointings; the centre is the one that MUSE covers.
        observed = hst["ngc628c" if key == "ngc628" else key]
        assert set(row.images) == set(EVERY) & set(observed), name
        for band, path in row.images.items():
            detector = {"UVIS": "wfc3-uvis", "WFC": "acs-wfc"}[observed[band]]
            assert path.name.startswith(f"hlsp_phangs-hst_hst_{detector}_{key}"), (name, band)
        if "F438W" not in row.images:
            without_f438w.add(name)
            assert "F435W" in row.images
    assert without_f438w == {"NGC0628", "NGC1300", "NGC1672"}


def test_bands_that_the_configuration_has_not_are_passed_over(root, rows):
    for name, row in load_sheet(root / "configs" / "phangs.tsv", BANDS).items():
        assert set(row.images) == set(rows[name].images) - {"F435W"}, name
