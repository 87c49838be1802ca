"""Fit the conformal factors of a trained model, and its limits of familiarity, on mocks used for nothing else."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir", "shards")
    script_options.add_options(parser, "ssp", required=False)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: calibration.json in the model's folder"
    )
    args = parser.parse_args()
    script_options.setup(args)

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.inference.model import CALIBRATION
    from sfhnet.inference.surviving_mass import SurvivingMass
    from sfhnet.mocks.dataset import Mocks
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.calibrate import calibrate

    config = load_config(args.config)
    mocks = Mocks(args.shards, config.training.cache_gb)
    calibrate(
        args.model_dir,
        mocks,
        config.calibration,
        noise=config.noise,
        seed=config.seed,
        out=args.out or args.model_dir / CALIBRATION,
        provenance=provenance(
            config.calibration,
            modules=["sfhnet.validation.calibrate", __file__],
            inputs=[*args.shards, args.model_dir / "weights.safetensors"],
            seed=config.seed,
        ),
        surviving=SurvivingMass.of_library(SSPLibrary.read(args.ssp), mocks.age_edges_myr)
        if args.ssp
        else None,
    )
