"""Write one benchmark set, noise and truth included, as a file that any program can read."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "case", "shards", "stress")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5")
    args = parser.parse_args()
    script_options.setup(args)

    import numpy as np

    from sfhnet.config import load_config
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.benchmark_sets import find_case, read_mocks
    from sfhnet.validation.other_programs import write_benchmark

    config = load_config(args.config)
    mocks = read_mocks(args.shards, args.stress, config.training.cache_gb)
    write_benchmark(
        find_case(args.case, mocks, config.validation, noise=BENCHMARK_NOISE, seed=config.seed),
        mocks["test"].wave_aa,
        mocks["test"].band_names,
        age_edges_myr=np.asarray(config.age_bins_myr),
        out=args.out,
        provenance=provenance(
            config.validation,
            modules=["sfhnet.validation.other_programs", __file__],
            inputs=[*args.shards, *args.stress],
            seed=config.seed,
        ),
    )
