# %% [markdown]
# # Read the products of a galaxy
#
# After `sfhnet run galaxies` (with the network that comes with the program: `--config configs/shipped.yaml`) each
# galaxy has a folder of files. Any FITS reader opens the maps. Run this from the top of the checkout.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from sfhnet.core.posterior import Posterior

folder = Path("results/galaxies/simulated")
maps = fits.open(folder / "maps.fits")
bins = QTable.read(folder / "bins.ecsv")
print([hdu.name for hdu in maps[1:12]], "...")
print(bins["mw_log_age"].info.description)

# %% [markdown]
# ## Maps
#
# `QUALITY` is 3 where an answer must not be used. Leave those out.

# %%
good = (maps["QUALITY"].data >= 0) & (maps["QUALITY"].data < 3)
fig = plt.figure(figsize=(9, 4), constrained_layout=True)
for place, name in enumerate(("MW_LOG_AGE", "LW_MH")):
    hdu = maps[name]
    axes = fig.add_subplot(1, 2, place + 1, projection=WCS(hdu.header))
    picture = axes.imshow(np.where(good, hdu.data, np.nan), origin="lower")
    fig.colorbar(picture, label=f"{name} [{hdu.header['BUNIT']}]", shrink=0.8)
fig.savefig("maps.png")

# %% [markdown]
# ## One bin
#
# The bin with the best spectrum: its flags, its mass formed and what is left of it, its history.

# %%
best = int(np.argmax(bins["snr"]))
row = bins[best]
print(f"bin {best}: S/N {row['snr']:.0f}, {row['flag_words']}")
for name in ("log_mass_formed", "log_mass_surviving", "mw_log_age", "a_v"):
    print(f"{name}: {row[name]:.2f}  ({row[name + '_p16']:.2f} to {row[name + '_p84']:.2f})")

posterior = Posterior.read(folder / "posterior.h5")
ages_gyr = np.maximum(posterior.age_edges_myr[1:], 1) / 1e3
low, high = (int(np.argmin(abs(posterior.levels - level))) for level in (0.16, 0.84))

# %%
spectra = fits.open(folder / "bin_spectra.fits")
header = spectra["FLUX"].header
wave_aa = header["CRVAL1"] + header["CDELT1"] * np.arange(header["NAXIS1"])
flux = np.where(spectra["MASK"].data[best] == 0, spectra["FLUX"].data[best], np.nan)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3), constrained_layout=True, width_ratios=(2, 1))
left.plot(wave_aa, flux, color="0.5", label="spectrum")
left.plot(wave_aa, spectra["MODEL"].data[best], color="tab:red", lw=0.8, label="model")
left.set(xlabel="rest wavelength, air [Å]", ylabel=header["BUNIT"])
left.legend()
right.fill_between(ages_gyr, posterior.cum_mass_q[best, low], posterior.cum_mass_q[best, high], alpha=0.3)
right.plot(ages_gyr, posterior.cum_mass[best])
right.set(xscale="log", xlabel="age [Gyr]", ylabel="share of the mass younger")
fig.savefig("bin.png")
maps.close()
spectra.close()

# %% [markdown]
# What each column and extension is: [products](../products.md). To click on bins instead: [the explorer](../explorer.md).
