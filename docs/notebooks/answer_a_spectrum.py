# %% [markdown]
# # Answer a spectrum with a network
#
# NGC 3073 is a small lenticular galaxy with young stars; SDSS observed its centre. The network comes with the
# program. `make fetch` brings the spectrum. Run this from the top of the checkout.

# %%
import matplotlib.pyplot as plt
import numpy as np

import sfhnet
from sfhnet.observation.spectrum_files import read_spectra

found = read_spectra("data/ngc3073/NGC3073_SDSS_DR18.fits")
model = sfhnet.load("flow")
answers = model.infer(
    found.wave_aa,
    found.flux,
    found.sigma,
    mask=found.good,
    medium=found.medium,
    fwhm_aa=found.fwhm_aa,
    flux_unit_cgs=found.flux_unit_cgs,
    n_samples=500,
)
print(answers.summary())

# %% [markdown]
# Flags come first: `quality` 0 to 3, and words that say why. Then the numbers, each with an interval.

# %%
print(answers.quality[0], answers.words(0))
low, high = answers.interval("mw_log_age", 0.68)
print(
    f"mass-weighted log age {answers.scalars['mw_log_age'][0]:.2f}, 68 % between {low[0]:.2f} and {high[0]:.2f}"
)

# %% [markdown]
# The samples hold whole histories. From them follows any number of your own, with its interval: here the share of
# the mass that formed in the last Gyr.

# %%
recent = np.asarray(answers.age_edges_myr[1:]) <= 1000
share = answers.samples["mass_fraction"][0][:, recent].sum(axis=1)
print("share of the mass younger than 1 Gyr:", np.round(np.quantile(share, [0.16, 0.5, 0.84]), 3))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3), constrained_layout=True)
ages = np.maximum(answers.age_edges_myr[1:], 1) / 1e3
for history in answers.samples["mass_fraction"][0][:40]:
    left.plot(ages, np.cumsum(history), color="tab:blue", alpha=0.2)
left.set(xscale="log", xlabel="age [Gyr]", ylabel="share of the mass younger")
right.scatter(answers.samples["mw_log_age"][0], answers.samples["a_v"][0], s=4)
right.set(xlabel="mass-weighted log age [yr]", ylabel="A_V [mag]")
fig.savefig("answer.png")

# %% [markdown]
# Rates over other times, burstiness and the last burst are in the table, one row a spectrum. What to make of all
# this: [what an answer means](../concepts.md), [how sure is the network?](../how-sure.md)

# %%
table = answers.to_table()
print(table["log_sfr1000", "log_sfr10_over_sfr100", "p_burst", "quality"])
