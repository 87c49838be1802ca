"""Make galaxies with BAGPIPES, a code that no training knew; optional, in an environment of its own."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--chunk", type=int, required=True, metavar="N", help="which chunk of galaxies, from 0"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 file to write")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.foreign.bagpipes_galaxies import make_galaxies
    from sfhnet.foreign.native import write_native
    from sfhnet.tools.provenance import provenance

    config = load_config(args.config)
    numbers = config.foreign.chunk_of(args.chunk)
    write_native(
        args.out,
        make_galaxies(config.seed, numbers),
        provenance=provenance(
            config.foreign,
            modules=["sfhnet.foreign.bagpipes_galaxies", __file__],
            inputs=[],
            seed=config.seed,
        ),
    )
