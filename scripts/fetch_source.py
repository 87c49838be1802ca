"""Fetch upstream files and check them against the registry, data/sources.yaml."""

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("source", nargs="+", help="key in the registry; `default` for all of the default run")
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.config import load_config
    from sfhnet.sources.fetch import Fetcher

    sources = load_config(args.config).sources
    Fetcher(sources.data_dir, sources.data_mirror).fetch(args.source)
