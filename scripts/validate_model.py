"""Measure a model on the benchmark sets: metrics as JSON, the numbers behind the figures as HDF5."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir", "shards", "stress")
    parser.add_argument("--out-metrics", type=Path, required=True, metavar="FILE", help="metrics.json")
    parser.add_argument("--out-h5", type=Path, required=True, metavar="FILE", help="validation.h5")
    parser.add_argument("--out-card", type=Path, metavar="FILE", help="model card (Markdown)")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.tools.hdf5 import write_text
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.benchmark_sets import read_mocks
    from sfhnet.validation.model_card import model_card
    from sfhnet.validation.validate import validate

    config = load_config(args.config)
    metrics = validate(
        args.model_dir,
        read_mocks(args.shards, args.stress, config.training.cache_gb),
        config.validation,
        noise=BENCHMARK_NOISE,
        seed=config.seed,
        out_metrics=args.out_metrics,
        out_h5=args.out_h5,
        provenance=provenance(
            config.validation,
            modules=["sfhnet.validation.validate", __file__],
            inputs=[*args.shards, *args.stress, args.model_dir / "weights.safetensors"],
            seed=config.seed,
        ),
    )
    if args.out_card:
        write_text(args.out_card, model_card(args.model_dir, metrics, config.prior))
