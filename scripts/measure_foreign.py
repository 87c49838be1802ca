"""Measure a model on galaxies that no training knew: mocks of other codes and libraries, real spectra."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir")
    parser.add_argument(
        "--foreign",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="foreign mocks, each named after its kind",
    )
    parser.add_argument("--real", type=Path, metavar="FILE", help="real spectra with accepted ranges (HDF5)")
    parser.add_argument(
        "--ppxf-chunks", type=Path, nargs="*", default=[], metavar="FILE", help="of fit_ppxf on these mocks"
    )
    parser.add_argument(
        "--metrics", type=Path, metavar="FILE", help="metrics.json of validate_model, for the card"
    )
    parser.add_argument(
        "--out-card", type=Path, metavar="FILE", help="model card with these numbers (Markdown)"
    )
    parser.add_argument("--out-json", type=Path, required=True, metavar="FILE", help="every number")
    parser.add_argument("--out-table", type=Path, required=True, metavar="FILE", help="the table (Markdown)")
    args = parser.parse_args()
    if (args.metrics is None) != (args.out_card is None):
        parser.error("--metrics and --out-card belong together")
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.foreign.measure import markdown, measure_foreign
    from sfhnet.foreign.real_spectra import read_real
    from sfhnet.inference.model import load
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.ppxf.foreign_scores import ppxf_rows
    from sfhnet.tools.hdf5 import read_json, write_json, write_text
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.benchmark_sets import read_foreign
    from sfhnet.validation.model_card import model_card

    config = load_config(args.config)
    mocks = read_foreign(args.foreign)
    result = measure_foreign(
        load(args.model_dir),
        mocks,
        config.validation,
        noise=BENCHMARK_NOISE,
        seed=config.seed,
        real=None if args.real is None else read_real(args.real),
    )
    result["ppxf"] = ppxf_rows(args.ppxf_chunks, mocks, config) if args.ppxf_chunks else {}
    result["provenance"] = provenance(
        config.validation,
        modules=["sfhnet.foreign.measure", __file__],
        inputs=[*args.foreign, args.model_dir / "weights.safetensors", *([args.real] if args.real else [])],
        seed=config.seed,
    )
    write_json(args.out_json, result)
    write_text(args.out_table, "\n".join(markdown(result)))
    print("\n".join(markdown(result)))
    if args.out_card:
        card = model_card(args.model_dir, read_json(args.metrics), config.prior, foreign=markdown(result))
        write_text(args.out_card, card)
