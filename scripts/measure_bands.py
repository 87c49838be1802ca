"""Measure what each band brings to a network: errors and intervals with bands given and taken away."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir", "shards")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON of numbers")
    parser.add_argument(
        "--out-table", type=Path, required=True, metavar="FILE", help="the same as a table (TSV)"
    )
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.inference.model import load
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.mocks.dataset import Mocks
    from sfhnet.tools.hdf5 import write_json, write_text
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.band_value import band_value, table

    config = load_config(args.config)
    result = band_value(
        load(args.model_dir),
        Mocks(args.shards, config.training.cache_gb),
        config.band_value,
        noise=BENCHMARK_NOISE,
        seed=config.seed,
    )
    made = provenance(
        config.band_value,
        modules=["sfhnet.validation.band_value", __file__],
        inputs=[*args.shards, args.model_dir / "weights.safetensors"],
        seed=config.seed,
    )
    write_text(args.out_table, table(result))
    write_json(args.out, result | {"provenance": made})
