"""Fold the SSP library once: the forward model in a file of a few MB, for training on galaxies drawn meanwhile."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.config import load_config
    from sfhnet.mocks.forward_file import build_forward, write_forward

    forward = build_forward(
        load_config(args.config),
        ssp=args.ssp,
        filters=args.filters,
        mappings=args.mappings,
        cloudy=args.cloudy,
    )
    write_forward(args.out, forward)
    log = logging.getLogger("sfhnet.pack_forward")
    log.info("wrote %s: %.1f MB", args.out, args.out.stat().st_size / 1e6)
