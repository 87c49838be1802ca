"""Fetch upstream files and check them against the registry, data/sources.yaml."""

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("source", nargs="+", help="key in the registry; `default` for all of the default run")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.sources.fetch import Fetcher

    sources = load_config(args.config).sources
    Fetcher(sources.data_dir, sources.data_mirror).fetch(args.source)
