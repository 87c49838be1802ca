"""Find the fixed regularisation at which pPXF does best on one benchmark set."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "case", "shards", "stress", "ssp", "filters", "mappings", "cloudy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="regularisation.json")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.ppxf.benchmark_fits import tune
    from sfhnet.ppxf.fit import import_ppxf
    from sfhnet.ppxf.ingredients import load_templates
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.benchmark_sets import find_case, read_mocks

    import_ppxf()
    config = load_config(args.config)
    mocks = read_mocks(args.shards, args.stress, config.training.cache_gb)
    case = find_case(args.case, mocks, config.validation, noise=BENCHMARK_NOISE, seed=config.seed)
    tune(
        case,
        load_templates(
            config, args.ssp, args.mappings, cloudy=args.cloudy, filters=args.filters if case.bands else None
        ),
        config,
        out=args.out,
        provenance=provenance(
            config.ppxf,
            modules=["sfhnet.ppxf.benchmark_fits", __file__],
            inputs=args.shards,
            seed=config.seed,
        ),
    )
