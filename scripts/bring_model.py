"""Put the pieces that sfhnet train --carry wrote on another machine together: the folder of a trained model."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__, config=False)
    parser.add_argument("--pieces", type=Path, required=True, metavar="DIR", help="folder of the pieces")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder of the model")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.training.carried import bring

    names = bring(args.pieces, args.out_dir)
    logging.getLogger("sfhnet.bring_model").info("%s: %s", args.out_dir, ", ".join(names))
