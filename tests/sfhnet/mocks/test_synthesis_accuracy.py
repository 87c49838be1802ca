"""The fast path against the exact one: dust before broadening, float64, native grid; numbers are printed."""

import numpy as np
import pytest
import torch

from pyprospect.constants import C_KMS
from pyprospect.dust.attenuation import CF, CF_birth, CF_screen
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.lines import LineTable
from pyprospect.numerics.lsf import disp_stars, effective_lsf, muse_udf10_fwhm_aa
from pyprospect.prospect.sfh import sfh_func
from pyprospect.stars.library import SSPLibrary
from sfhnet.config.prior import PriorConfig
from sfhnet.config.root import AGE_BINS_MYR
from sfhnet.mocks.filters_and_lines import load_lines
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.synthesize import dispersion_nodes_kms, gas_log_u
from sfhnet.priors.sample import sample

N = 64
VELDISP_KMS = 150.0


@pytest.fixture(scope="module")
def lines(mappings_file, cloudy_file, hst_bands, wave_aa):
    return load_lines(mappings_file, 1990.0, 9600.0, cloudy=cloudy_file)


@pytest.fixture(scope="module")
def drawn():
    """Draws of the default prior, in library bins."""
    return sample(PriorConfig(), N, 5, shard=0, age_bins_yr=np.asarray(AGE_BINS_MYR) * 1e6)


def in_bins(synthesizer, drawn):
    labeller = Labeller(synthesizer, drawn.edges_yr, np.asarray(AGE_BINS_MYR) * 1e6)
    return labeller.ssp(torch.from_numpy(drawn.mass), torch.from_numpy(drawn.z))


def pixel_means(wave, flux, grid):
    """Mean over the pixels of the grid of a spectrum that is constant inside native pixels."""
    edges = np.concatenate(
        [[1.5 * wave[0] - 0.5 * wave[1]], 0.5 * (wave[1:] + wave[:-1]), [1.5 * wave[-1] - 0.5 * wave[-2]]]
    )
    cumulative = np.concatenate([[0.0], np.cumsum(flux * np.diff(edges))])
    step = grid[1] - grid[0]
    low, high = grid - 0.5 * step, grid + 0.5 * step
    return (np.interp(high, edges, cumulative) - np.interp(low, edges, cumulative)) / step


def report(capsys, name, pixel, magnitude):
    with capsys.disabled():
        print(
            f"\n  {name}: per pixel 99th percentile {100 * np.percentile(pixel, 99):.4f} %, worst "
            f"{100 * pixel.max():.3f} %; bands 99th percentile {np.percentile(magnitude, 99):.5f} mag, worst "
            f"{magnitude.max():.5f} mag"
        )


def test_fast_path_matches_dust_before_broadening(ssp_library, hst_bands, lines, drawn, wave_aa, capsys):
    fast = Synthesizer(
        ssp_library, wave_aa, lsf_fwhm_aa=muse_udf10_fwhm_aa, veldisp_kms=(VELDISP_KMS,), bands=hst_bands
    )
    mass, z = in_bins(fast, drawn)
    p = drawn.parameters
    result = fast(
        mass, z, **{k: p[k] for k in ("tau_birth", "tau_screen", "pow_birth", "pow_screen", "bump")}
    )
    lsf = effective_lsf("muse", ssp_library.fwhm_aa)
    wave = ssp_library.wave_aa
    spectra = ssp_library.spectra.astype(np.float64)
    # disp_stars interpolates linearly between pixels, which broadens by itself; on pixels a third as wide it does not
    fine = np.linspace(wave[0], wave[-1], 3 * (wave.size - 1) + 1)
    young = ssp_library.age_edges_yr[1:] <= 1e7
    log_z = np.log10(ssp_library.z)
    pixel, magnitude = [], []
    for i in range(N):
        x = np.interp(np.log10(z[i].numpy()), log_z, np.arange(log_z.size))
        weights = np.clip(1 - np.abs(x[None, :] - np.arange(log_z.size)[:, None]), 0, None) * mass[i].numpy()
        parts = [np.einsum("za,zaw->w", weights[:, part], spectra[:, part]) for part in (young, ~young)]
        birth = CF(wave, p["tau_birth"][i], p["pow_birth"][i])
        screen = CF_screen(wave, p["tau_screen"][i], p["pow_screen"][i], Eb=p["bump"][i])
        light = (parts[0] * birth + parts[1]) * screen
        exact = pixel_means(
            fine, disp_stars(fine, np.interp(fine, wave, light), VELDISP_KMS, LSF=lsf), wave_aa
        )
        pixel.append(np.abs(result.flux[i].numpy() / exact - 1))
        for j, band in enumerate(hst_bands.values()):
            points = np.union1d(wave, band.wave_aa)
            points = points[(points >= wave[0]) & (points <= wave[-1])]
            response = band(points) * points
            mean = np.trapezoid(response * np.interp(points, wave, light), points) / np.trapezoid(
                response, points
            )
            magnitude.append(abs(2.5 * np.log10(result.band_flux[i, j].item() / mean)))
    pixel, magnitude = np.array(pixel), np.array(magnitude)
    report(capsys, f"fast path against dust before broadening, {N} draws of the prior", pixel, magnitude)
    assert np.percentile(pixel, 99) < 0.002
    assert pixel.max() < 0.01
    assert magnitude.max() < 0.002


def test_fast_path_matches_sfh_func_with_lines(ssp_library, hst_bands, lines, drawn, wave_aa, capsys):
    # ProSpect broadens lines and stars alike and does not take the library's resolution off
    blunt = SSPLibrary(
        **{
            k: getattr(ssp_library, k)
            for k in ("z", "age_yr", "age_edges_yr", "wave_aa", "spectra", "evolution")
        },
        name="without resolution",
    )
    fast = Synthesizer(blunt, wave_aa, veldisp_kms=(VELDISP_KMS,), bands=hst_bands, lines=lines)
    mass, z = in_bins(fast, drawn)
    p = drawn.parameters
    log_u = gas_log_u(z[:, 0], torch.from_numpy(p["log_u_offset"]))
    result = fast(
        mass,
        z,
        log_u=log_u,
        **{k: p[k] for k in ("tau_birth", "tau_screen", "pow_birth", "pow_screen", "bump")},
    )
    table = LineTable(
        z=lines.z,
        q=10.0**lines.log_u * C_KMS * 1e5,
        wave_aa=lines.wave_aa,
        linelum=np.moveaxis(lines.ratio, 1, 2),
        norm="Halpha",
        element=np.array([""] * len(lines.names)),
        state=np.array([""] * len(lines.names)),
    )
    edges = ssp_library.age_edges_yr
    pixel, magnitude, strengths = [], [], []
    for i in range(0, N, 5):
        rate = mass[i].numpy() / np.diff(edges)

        def sfr(age, rate=rate):
            return rate[np.clip(np.searchsorted(edges, age, side="right") - 1, 0, rate.size - 1)]

        exact = sfh_func(
            sfr,
            speclib=blunt,
            Z=z[i].numpy(),
            tau_birth=p["tau_birth"][i],
            tau_screen=p["tau_screen"][i],
            pow_birth=p["pow_birth"][i],
            pow_screen=p["pow_screen"][i],
            Eb=p["bump"][i],
            emission=True,
            emission_scale="SFR",
            LKL10=_at_log_u(table, float(log_u[i])),
            disp_stars=True,
            veldisp=VELDISP_KMS,
            z=0,
            unimax=False,
            sparse=1,
            res=0.1,  # lines are drawn on a grid of this many sigma
            filters=list(hst_bands.values()),
            outtype="mag",
        )
        binned = pixel_means_linear(exact.wave_lum, exact.lum_atten, wave_aa)
        pixel.append(np.abs(result.flux[i].numpy() / binned - 1))
        for j, band in enumerate(hst_bands.values()):
            f_nu = result.band_flux[i, j].item() * band.pivot_aa**2 / (C_KMS * 1e13)
            scale = 3.828e33 / (4 * np.pi * (3.08568e19) ** 2)
            magnitude.append(abs(-2.5 * np.log10(f_nu * scale) - 48.6 - exact.out[j]))
        strengths.append(result.line_flux[i, lines.names.index("Halpha")].item())
    pixel, magnitude = np.array(pixel), np.array(magnitude)
    report(
        capsys, f"fast path against sfh_func with lines, {len(pixel)} draws of the prior", pixel, magnitude
    )
    assert max(strengths) > 0
    assert np.percentile(pixel, 99) < 0.002
    assert np.percentile(magnitude, 99) < 0.002


def _at_log_u(table, log_u):
    """The table at one ionisation parameter, because sfh_func takes its own from the metallicity."""
    x = np.clip(
        np.interp(log_u, np.log10(table.q / (C_KMS * 1e5)), np.arange(table.q.size)), 0, table.q.size - 1
    )
    low = min(int(x), table.q.size - 2)
    linelum = (low + 1 - x) * table.linelum[:, :, low] + (x - low) * table.linelum[:, :, low + 1]
    return LineTable(
        z=table.z,
        q=np.array([1e3, 1e12]),
        wave_aa=table.wave_aa,
        linelum=np.repeat(linelum[:, :, None], 2, axis=2),
        norm="Halpha",
        element=table.element,
        state=table.state,
    )


def pixel_means_linear(wave, flux, grid):
    """Mean over pixels of a spectrum that is linear between its points (uneven grid)."""
    step = grid[1] - grid[0]
    fine = np.union1d(wave, np.concatenate([grid - 0.5 * step, grid + 0.5 * step]))
    values = np.interp(fine, wave, flux)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(fine))])
    return (
        np.interp(grid + 0.5 * step, fine, cumulative) - np.interp(grid - 0.5 * step, fine, cumulative)
    ) / step


def test_kinematic_and_redshift_grids(ssp_library, hst_bands, lines, drawn, wave_aa, capsys):
    wave_aa = wave_aa[:1200]
    many = {
        "veldisp_kms": (60.0, 100.0, 140.0, 180.0, 220.0),
        "lsf_scale": (0.95, 1.05),
        "redshift": (0.0, 0.0025, 0.005, 0.0075, 0.01),
    }
    grid = Synthesizer(
        ssp_library, wave_aa, lsf_fwhm_aa=muse_udf10_fwhm_aa, bands=hst_bands, lines=lines, **many
    )
    mass, z = in_bins(grid, drawn)
    rng = np.random.default_rng(0)
    worst = []
    for veldisp, scale, redshift in rng.uniform((60, 0.95, 0.0), (220, 1.05, 0.01), (3, 3)):
        one = Synthesizer(
            ssp_library,
            wave_aa,
            lsf_fwhm_aa=muse_udf10_fwhm_aa,
            bands=hst_bands,
            lines=lines,
            veldisp_kms=(veldisp,),
            lsf_scale=(scale,),
            redshift=(redshift,),
            compression=0.0,
        )
        expected = one(mass, z)
        found = grid(mass, z, veldisp_kms=veldisp, lsf_scale=scale, redshift=redshift)
        pixel = (found.flux / expected.flux - 1).abs().numpy()
        band = (2.5 * torch.log10(found.band_flux / expected.band_flux)).abs().numpy()
        worst.append((np.percentile(pixel, 99), pixel.max(), band.max()))
    worst = np.max(worst, axis=0)
    with capsys.disabled():
        print(
            f"\n  grid of 5 dispersions x 2 LSF x 5 redshifts (rank {grid.rank}): 99th percentile "
            f"{100 * worst[0]:.4f} %, worst {100 * worst[1]:.2f} %, bands {worst[2]:.5f} mag"
        )
    assert worst[0] < 0.002
    assert worst[2] < 0.002


def test_line_ratios_of_the_file_are_physical(lines):
    ratio = {name: lines.ratio[:, :, i] for i, name in enumerate(lines.names)}
    np.testing.assert_allclose(ratio["Halpha"], 1.0)
    assert 0.3 < ratio["Hbeta"].min() <= ratio["Hbeta"].max() < 0.37
    np.testing.assert_allclose(ratio["OIII4959"] * 2.98, ratio["OIII5007"])
    assert CF_birth(np.array([5500.0]), 1.0)[0] == pytest.approx(np.exp(-1.0))


def test_birth_clouds_may_live_as_long_as_a_galaxy_says(ssp_library, hst_bands, drawn, wave_aa):
    wave_aa = wave_aa[:200]
    many = Synthesizer(ssp_library, wave_aa, bands=hst_bands, birth_age_range_yr=(4e6, 3e7))
    mass, z = in_bins(many, drawn)
    dust = {"tau_birth": 1.5, "tau_screen": 0.2}
    age_yr = np.geomspace(4e6, 3e7, len(mass))
    found = many(mass, z, birth_age_yr=age_yr, **dust)
    for row in (0, len(mass) // 2, len(mass) - 1):
        one = Synthesizer(ssp_library, wave_aa, bands=hst_bands, birth_age_yr=age_yr[row], compression=0.0)
        expected = one(mass[row : row + 1], z[row : row + 1], **dust)
        torch.testing.assert_close(found.flux[row], expected.flux[0], rtol=2e-3, atol=0)
        torch.testing.assert_close(found.band_flux[row], expected.band_flux[0], rtol=1e-5, atol=0)
    # Without an age of its own it is the synthesizer's.
    torch.testing.assert_close(many(mass, z, **dust).flux, many(mass, z, birth_age_yr=1e7, **dust).flux)
    with pytest.raises(ValueError, match=r"birth_age_yr runs 2e\+06 .* built for 4e\+06 .. 3e\+07"):
        many(mass, z, birth_age_yr=2e6)
    with pytest.raises(ValueError, match=r"give ages around 1e\+07 yr"):
        Synthesizer(ssp_library, wave_aa, birth_age_range_yr=(2e7, 3e7))


def test_dispersions_from_20_to_350_are_interpolated(ssp_library, drawn, wave_aa):
    nodes = dispersion_nodes_kms(20.0, 350.0)
    assert nodes[0] == 20.0 and nodes[-1] == 350.0 and len(nodes) == 7
    assert dispersion_nodes_kms(150.0, 150.0) == (150.0,)
    wave_aa = wave_aa[:800]
    many = Synthesizer(ssp_library, wave_aa, lsf_fwhm_aa=muse_udf10_fwhm_aa, veldisp_kms=nodes)
    mass, z = in_bins(many, drawn)
    mass, z = mass[:8], z[:8]
    for veldisp in (21.0, 60.0, 110.0, 270.0, 345.0):
        one = Synthesizer(
            ssp_library, wave_aa, lsf_fwhm_aa=muse_udf10_fwhm_aa, veldisp_kms=(veldisp,), compression=0.0
        )
        difference = many(mass, z, veldisp_kms=veldisp).flux / one(mass, z).flux - 1
        assert float(difference.abs().max()) < 0.002
