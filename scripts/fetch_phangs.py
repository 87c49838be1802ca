"""Fetch one public file of a galaxy of the sample sheet, from ESO or MAST."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("file", type=Path, help="file of a galaxy with the source phangs")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.sources.phangs import PhangsFetcher
    from sfhnet.sources.sample_sheet import load_sheet
    from sfhnet.sources.wanted_files import wanted_files

    config = load_config(args.config)
    sheet = load_sheet(config.galaxies.sheet, config.bands, data_dir=config.galaxies.data_dir)
    files = {file.path: file for row in sheet.values() for file in wanted_files(row)}
    if args.file not in files:
        parser.error(f"{args.file} is no file of a galaxy with the source phangs in {config.galaxies.sheet}")
    PhangsFetcher(sheet).fetch(files[args.file])
