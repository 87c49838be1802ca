"""Copy a trained, calibrated and validated model to data/models, without what names the machine that made it."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir")
    parser.add_argument("--metrics", type=Path, required=True, metavar="FILE", help="its metrics.json")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="data/models/NAME")
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="card to ship (default: model_card.md of the folder)"
    )
    parser.add_argument(
        "--galaxy", type=Path, metavar="FILE", help="summary.json of the simulated galaxy, answered by it"
    )
    parser.add_argument("--foreign", type=Path, metavar="FILE", help="what measure_foreign found of it")
    parser.add_argument("--band-value", type=Path, metavar="FILE", help="what measure_bands found of it")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.tools.hdf5 import read_json, write_bytes, write_json
    from sfhnet.tools.shipped_files import write_checksums
    from sfhnet.validation.results_page import BAND_VALUE, FOREIGN, SIMULATED_GALAXY, galaxy_results

    args.out_dir.mkdir(parents=True, exist_ok=True)
    card = args.card or args.model_dir / "model_card.md"
    for path in (args.model_dir / "weights.safetensors", card):
        name = "model_card.md" if path == card else path.name
        write_bytes(args.out_dir / name, path.read_bytes())
    tables = [args.model_dir / f"{name}.json" for name in ("model", "calibration", "predictive")]
    for path in (*tables, args.metrics):
        table = read_json(path)
        made = table.get("provenance", {})
        made.pop("interpreter", None)
        made["code"] = [Path(name).name for name in made.get("code", [])]
        write_json(args.out_dir / path.name, table)
    # What is there already is of other weights.
    for name in (SIMULATED_GALAXY, FOREIGN, BAND_VALUE):
        (args.out_dir / name).unlink(missing_ok=True)
    if args.foreign:
        found = read_json(args.foreign)
        write_json(
            args.out_dir / FOREIGN, {name: found[name] for name in ("model", "snr", "mocks", "real", "ppxf")}
        )
    if args.band_value:
        found = read_json(args.band_value)
        found.pop("provenance")
        write_json(args.out_dir / BAND_VALUE, found)
    if args.galaxy:
        write_json(args.out_dir / SIMULATED_GALAXY, galaxy_results(read_json(args.galaxy)))
    write_checksums(args.out_dir, ["weights.safetensors", *(path.name for path in tables)])
