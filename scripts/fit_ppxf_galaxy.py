"""Fit the spectra of a galaxy with pPXF."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "spectra", "ssp", "filters", "mappings", "cloudy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5")
    args = parser.parse_args()
    script_options.setup(args)

    import numpy as np

    from sfhnet.config import load_config
    from sfhnet.core.spectra import Spectra
    from sfhnet.ppxf.fit import import_ppxf
    from sfhnet.ppxf.galaxy_fits import fit_galaxy
    from sfhnet.ppxf.ingredients import load_templates
    from sfhnet.tools.provenance import provenance

    import_ppxf()
    config = load_config(args.config)
    spectra = Spectra.read(args.spectra)
    redshift = float(np.median(spectra.redshift))
    fit_galaxy(
        spectra,
        load_templates(
            config, args.ssp, args.mappings, cloudy=args.cloudy, filters=args.filters, redshift=redshift
        ),
        config.ppxf,
        age_edges_myr=np.asarray(config.age_bins_myr),
        out=args.out,
        provenance=provenance(
            config.ppxf, modules=["sfhnet.ppxf.galaxy_fits", __file__], inputs=[args.spectra, args.ssp]
        ),
    )
