"""Learn on mocks how badly the forward model, run on a model's posterior, may miss a spectrum before it is flagged."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir", "shards", "ssp", "filters", "mappings", "cloudy")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: predictive.json in the model's folder"
    )
    args = parser.parse_args()
    script_options.setup(args)

    import numpy as np

    from sfhnet.config import load_config
    from sfhnet.inference.model import load
    from sfhnet.mocks.dataset import Mocks
    from sfhnet.mocks.shards import read_shard
    from sfhnet.predictive_check.forward_model import load_forward
    from sfhnet.predictive_check.learn_limits import learn_limits
    from sfhnet.predictive_check.limits import PREDICTIVE
    from sfhnet.tools.provenance import provenance

    config = load_config(args.config)
    learn_limits(
        load(args.model_dir),
        load_forward(config, args.ssp, args.filters, mappings=args.mappings, cloudy=args.cloudy),
        Mocks(args.shards, config.training.cache_gb),
        redshift=np.concatenate([read_shard(path).parameters["redshift"] for path in args.shards]),
        config=config.calibration,
        noise=config.noise,
        n_draws=config.galaxies.predictive_draws,
        seed=config.seed,
        out=args.out or args.model_dir / PREDICTIVE,
        provenance=provenance(
            config.calibration,
            modules=["sfhnet.predictive_check.learn_limits", __file__],
            inputs=[*args.shards, args.model_dir / "weights.safetensors", args.ssp],
            seed=config.seed,
        ),
    )
