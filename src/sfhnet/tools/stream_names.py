"""Names of the streams of random numbers: one for each use, with what it draws and the numbers of its key.

No product depends on this table, only on the name that its own code asks for: a new row makes nothing anew.
"""

from __future__ import annotations

__all__ = ["STREAMS"]

STREAMS: dict[str, str] = {
    "prior.sobol": "scrambling of the Sobol sequence that all prior shards are stretches of",
    "prior.uniform": "uniform numbers of the plain sampler (shard)",
    "prior.steps": "random steps of stochastic histories (shard)",
    "prior.flatten": "which candidates a flattened prior keeps (shard)",
    "stress.galaxies": "seed of the prior's streams for stress mocks (number of the kind)",
    "stress.spiky": "Dirichlet shares of mass in the age bins of spiky mocks",
    "synthesis.line_scatter": "scatter of the line ratios of mocks (shard)",
    "synthesis.dust_emission": "warmth of the dust of mocks, where bands see it (shard)",
    "synthesis.libraries": "mixture of libraries of mocks (shard)",
    "synthesis.sums": "which mocks are added up, and their light (shard)",
    "foreign.bagpipes": "history, dust and gas of a galaxy made with BAGPIPES (its number)",
    "foreign.galaxies": "seed of the prior's streams for foreign mocks",
    "foreign.histories": "foreign histories (number of the kind)",
    "stream.galaxies": "seed of the prior's streams of galaxies drawn while training (block)",
    "stream.lines": "scatter of the line ratios of galaxies drawn while training (block)",
    "stream.noise": "noise of a block of draws kept as features (block, pass)",
    "stream.order": "order of the draws that a block of galaxies or features is used in (block, pass)",
    "stream.mixed": "order of the draws between two blocks (generation, rank)",
    "network.weights": "initial weights of a network",
    "network.band_code": "initial codes of the bands in the attention network; one for all seeds",
    "network.subspace": "start of the iteration for the components of spectra; one for all seeds",
    "train.fit_choice": "mocks that scales and components are set from",
    "train.fit_clean": "noise, nearly none, of the mocks for the components",
    "train.fit_noisy": "noise of the mocks for scales and the prior's summary",
    "train.held_out": "noise of the held-out mocks",
    "train.order": "order of the mocks (epoch)",
    "train.noise": "noise of a step (step, rank)",
    "train.lines": "scatter of the line ratios of a step's galaxies (step, rank)",
    "train.dropout": "dropout of a step (step, rank)",
    "noise.telluric": "strengths of telluric lines; one for all seeds",
    "noise.sigma": "table of the scatter of quoted errors from pixel to pixel; one for all seeds",
    "calibrate.noise": "noise of the calibration mocks (pass)",
    "screens.noise": "noise of the mocks that the checks beside an answer are learned from",
    "limits.noise": "noise of the mocks that the limits of the predictive check are learned from",
    "benchmark.noise": "noise of a benchmark set (kind, ten times the S/N)",
    "benchmark.ripple": "ripple of the flux calibration of a benchmark set (as its noise)",
    "validation.ranks": "ties and reference points of SBC and TARP (ten times the S/N)",
    "validation.sums": "parts and their light in sums of galaxies (number of parts)",
    "validation.sums_noise": "noise of sums of galaxies (number of parts)",
    "claims.bootstrap": "galaxies drawn again for the range of a ratio; one for all seeds",
    "relations.bootstrap": "bins drawn again for the errors of a plane; one for all seeds (number of bins)",
    "inference.samples": "joint samples of a spectrum (its number)",
    "simulation.instrument": "calibration, zero points and line ratios of a simulated galaxy",
    "simulation.cube": "noise and faults of its cube",
    "simulation.images": "noise of its images",
    "speed.cube": "noise of the cube that preparation is timed on",
    "speed.faults": "noise of the spectra that get faults",
    "speed.order": "order of the draws that networks are compared on (pass)",
}
