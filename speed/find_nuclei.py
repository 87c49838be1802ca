"""AGN or not: how often evidence is right, against the share of the nucleus in the light and S/N.

    python speed/find_nuclei.py --mocks 12

Mocks of a MUSE spectrum with five bands, half of the settings of `fitted_muse` free; a power law has the share of the light at
5100 Angstrom that the row says. Evidence is that of draws of the normal about the mode, weighed; where the weights collapse,
nested sampling decides.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from fitted_muse import PARAMETERS, add_ingredients, load, set_up
from pyprospect.fit import Data, Fit, GalaxyModel, Nucleus, Uniform, fit
from pyprospect.fit.simulated import mock
from sfhnet.tools.random_streams import stream

SHARES = (0.0, 0.01, 0.03, 0.1, 0.3)
# Free: what a power law could be taken for.
HOST = {name: PARAMETERS[name] for name in ("log_mass", "mpeak", "mperiod", "mh", "tau_birth", "tau_screen")}
LUMINOSITY = Uniform(36.0, 44.0)
_AT_AA = 5100.0


def log_evidence(data: Data, model: GalaxyModel, starts: dict[str, list[float]]) -> tuple[float, bool]:
    """Return the evidence, and whether nested sampling had to tell it."""
    found: Fit = fit(data, model)
    found.map(n_start=6, starts=starts)
    answer = found.sample("laplace", n_draw=2000)
    draws = dict(found.model.parameters.values(torch.as_tensor(answer.u[0])))
    draws = {name: draws[name].numpy() for name in model.parameters.priors}
    weighed = found.weigh(draws)
    if not weighed.about["collapsed"]:
        return found.log_evidence["weighed"], False
    found.sample("nested", n_live=500, n_effective=500, n_networks=1)
    return found.log_evidence["nested"], True


def galaxy(
    quiet: GalaxyModel, active: GalaxyModel, share: float, *, snr: float, rng: np.random.Generator
) -> tuple[Data, dict[str, list[float]]]:
    """Return a mock whose nucleus gives this share of the light, and its truth."""
    u = torch.as_tensor(0.7 * rng.standard_normal((1, quiet.parameters.n_free)))
    values = quiet.parameters.values(u)
    truth = {name: values[name].tolist() for name in quiet.parameters.priors}
    if share == 0:
        return mock(quiet, values, snr=snr, band_error=0.03, rng=rng), truth
    with torch.no_grad():
        wave = torch.as_tensor(quiet.data_shape.rest_wave_aa)
        at = int((wave - _AT_AA).abs().argmin())
        host = float(quiet.predict(values).spectrum[0, at])
        unit = active.parameters.values(active.parameters.to_normal(truth | {"log_agn_5100": [40.0]}))
        nucleus = float(active.predict(unit).spectrum[0, at]) - host
    wanted = 40.0 + float(np.log10(host * share / (1 - share) / nucleus))
    full = truth | {"log_agn_5100": [wanted]}
    values = active.parameters.values(active.parameters.to_normal(full))
    return mock(active, values, snr=snr, band_error=0.03, rng=rng), full


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_ingredients(parser)
    parser.add_argument("--mocks", type=int, default=12, help="of each share and S/N")
    parser.add_argument("--snr", type=float, nargs="+", default=[10.0, 50.0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="JSON that grows with the mocks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    quiet = set_up(HOST, args, history="snorm")
    active = set_up(
        HOST | {"log_agn_5100": LUMINOSITY}, args, history="snorm", nucleus=Nucleus(power_law=True)
    )
    began = time.process_time()
    found: dict[str, list[tuple[float, bool]]] = {}
    for i in range(args.mocks):
        for snr in args.snr:
            for share in SHARES:
                rng = stream("speed.nuclei", args.seed, i)
                data, truth = galaxy(quiet, active, share, snr=snr, rng=rng)
                host = {name: truth[name] for name in quiet.parameters.priors}
                seeded = host | {"log_agn_5100": truth.get("log_agn_5100", [37.0])}
                (without, _), (with_it, _) = pair = (
                    log_evidence(data, quiet, host),
                    log_evidence(data, active, seeded),
                )
                row = (with_it - without, pair[0][1] or pair[1][1])
                found.setdefault(f"{share:g} {snr:g}", []).append(row)
        args.out.write_text(json.dumps(found))
        print(f"{i + 1} of each, {(time.process_time() - began) / (i + 1):.0f} CPU s", flush=True)
    print(
        "| share of the light | S/N | right | median ln Bayes factor | 16 .. 84 % | nested sampling was needed |"
    )
    print("|---|---|---|---|---|---|")
    for snr in args.snr:
        for share in SHARES:
            factors, nested = np.array(found[f"{share:g} {snr:g}"]).T
            right = np.mean((factors > 0) == (share > 0))
            low, middle, high = np.quantile(factors, [0.16, 0.5, 0.84])
            print(
                f"| {share:.0%} | {snr:g} | {right:.0%} | {middle:.1f} | {low:.1f} .. {high:.1f} | {nested.mean():.0%} |"
            )
    print(f"{args.mocks} mocks of each, {load()}")
