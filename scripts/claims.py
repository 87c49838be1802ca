"""Put the paper's claims to the test, from the stored numbers of the validation."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "metrics", "h5")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="claims.json")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.config import load_config
    from sfhnet.tools.hdf5 import write_json
    from sfhnet.tools.provenance import provenance
    from sfhnet.validation.claims import evaluate_claims, read_answers

    config = load_config(args.config)
    models = [read_answers(metrics, h5) for metrics, h5 in zip(args.metrics, args.h5, strict=True)]
    claims = evaluate_claims(models)
    made = provenance(
        config.validation, modules=["sfhnet.validation.claims", __file__], inputs=[*args.metrics, *args.h5]
    )
    write_json(args.out, {"schema_version": "sfhnet.claims/1", "claims": claims, "provenance": made})
    for name, claim in claims.items():
        verdict = {True: "holds", False: "does not hold", None: "not tested"}[claim["holds"]]
        logging.getLogger("sfhnet.validation.claims").info("%s: %s (%s)", name, verdict, claim["statement"])
