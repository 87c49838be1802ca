# %% [markdown]
# # A first spectrum, and a fit
#
# `pyprospect` alone: a galaxy from a history, then the history from the galaxy. The stars are made up
# (`toy_library`), so that this runs anywhere in seconds; `SSPLibrary.read(FILE)` gives real ones.
#
# This is a script in cells: editors and Jupyter (with jupytext) open it as a notebook.

# %%
import matplotlib.pyplot as plt
import numpy as np

from pyprospect import sfh_func, toy_library

ages_yr = np.concatenate([[0.0], np.geomspace(1e6, 1.4e10, 40)])
stars = toy_library(age_edges_yr=ages_yr)
galaxy = sfh_func("snorm", mSFR=3, mpeak=6, Z=0.02, speclib=stars, z=0.01, tau_screen=0.4, filters=None)
print(f"mass formed: {galaxy.masstot:.2e} Msol")

# %% [markdown]
# The star-formation rate peaks 6 Gyr ago. Dust takes away light, more in the blue.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3), constrained_layout=True)
left.plot(galaxy.agevec / 1e9, galaxy.SFR)
left.set(xlabel="look-back time [Gyr]", ylabel="SFR [Msol/yr]")
right.loglog(galaxy.wave_lum, galaxy.lum_unatten, label="stars")
right.loglog(galaxy.wave_lum, galaxy.lum_atten, label="behind dust")
right.set(xlabel="wavelength [Å]", ylabel="luminosity [Lsol/Å]", xlim=(1e3, 3e4), ylim=(1e3, None))
right.legend()
fig.savefig("first-spectrum.png")

# %% [markdown]
# ## The way back
#
# Now a spectrum with noise, as a telescope gives it, of a galaxy whose history we pretend not to know.
# Each free parameter has a prior; all others keep ProSpect's defaults.

# %%
from pyprospect.fit import Data, GalaxyModel, Spectrum, Uniform, fit
from pyprospect.fit.simulated import mock

wave_aa = np.arange(4800.0, 6800.0, 10.0)
ones = np.ones(wave_aa.size)
free = {"log_mass": Uniform(7, 12), "mpeak": Uniform(1, 12), "tau_screen": Uniform(0, 2)}
model = GalaxyModel(stars, Data(Spectrum(wave_aa, ones, ones), redshift=0.01), free, history="snorm")
truth = {"log_mass": [10.0], "mpeak": [6.0], "tau_screen": [0.4]}
values = model.parameters.values(model.parameters.to_normal(truth))
observed = mock(model, values, snr=30, band_error=0.03, rng=np.random.default_rng(1))

found = fit(observed, model)
best = found.map()
found.sample("laplace", n_draw=300)
print(found.summary())

# %%
found.plot_sed().savefig("first-fit.png")

# %% [markdown]
# Compare the numbers with the truth: mass 10, peak 6 Gyr ago, optical depth 0.4. For an answer to publish take
# `found.sample("nuts")`; photometry, nuclei and evidence are on the [page on fitting](../pyprospect/fitting.md).
