"""Apply a model to the prepared spectra of a galaxy."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "model-dir", "spectra")
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="joint samples of each bin")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="posterior.h5")
    parser.add_argument(
        "--out-summed", type=Path, metavar="FILE", help="summed.h5: the answer for the sum of all bins"
    )
    parser.add_argument(
        "--out-summed-spectrum", type=Path, metavar="FILE", help="summed_spectrum.h5: the sum of all bins"
    )
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.core.flags import Flag
    from sfhnet.core.spectra import Spectra
    from sfhnet.inference.model import load
    from sfhnet.products.summed_spectrum import summed_spectrum
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.infer_galaxy")
    model = load(args.model_dir)
    # a network without a joint posterior (a baseline) gives none
    n_samples = args.samples if model.draws_samples else 0
    spectra = Spectra.read(args.spectra)
    made = provenance(
        modules=["sfhnet.inference.model", __file__],
        inputs=[args.spectra, args.model_dir / "weights.safetensors"],
        seed=args.seed,
    )
    posterior = model.infer_spectra(spectra, n_samples=n_samples, seed=args.seed)
    posterior.write(args.out, made)
    if args.out_summed or args.out_summed_spectrum:
        whole = summed_spectrum(spectra)
        if args.out_summed_spectrum:
            whole.write(args.out_summed_spectrum, made)
        if args.out_summed:
            model.infer_spectra(whole, n_samples=n_samples, seed=args.seed).write(args.out_summed, made)
    strange = (posterior.flags & int(Flag.OUT_OF_DISTRIBUTION)) > 0
    log.info(
        "%s: %d spectra, %d usable, %d unlike the mocks",
        args.out,
        len(posterior),
        posterior.usable.sum(),
        strange.sum(),
    )
