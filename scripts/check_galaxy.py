"""Posterior-predictive check of a galaxy: the forward model on the posterior's draws, against spectra and bands."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "spectra", "posterior", "ssp", "filters", "mappings", "cloudy")
    parser.add_argument(
        "--limits",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="predictive.json of the model; without it nothing is flagged",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="predictive.h5")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.config import load_config
    from sfhnet.core.flags import count
    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.predictive_check.check import check_spectra
    from sfhnet.predictive_check.forward_model import load_forward
    from sfhnet.predictive_check.limits import Limits
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.check_galaxy")
    config = load_config(args.config)
    spectra, posterior = Spectra.read(args.spectra), Posterior.read(args.posterior)
    found = check_spectra(
        load_forward(config, args.ssp, args.filters, mappings=args.mappings, cloudy=args.cloudy),
        config.noise,
        spectra,
        posterior=posterior,
        limits=Limits.read(args.limits) if args.limits else None,
        n_draws=config.galaxies.predictive_draws,
        n_examples=config.galaxies.n_examples,
    )
    found.write(
        args.out,
        provenance(
            config.noise,
            modules=["sfhnet.predictive_check.check", __file__],
            inputs=[args.spectra, args.posterior, *([args.limits] if args.limits else []), args.ssp],
        ),
    )
    log.info(
        "%s: %d spectra, flags %s %s",
        args.out,
        len(found),
        count(found.flags),
        found.meta.get("unchecked", ""),
    )
