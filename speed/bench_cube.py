"""Measure what the preparation of a PHANGS-size cube takes: peak memory, time and processor time.

The cube (3761 x 1426 x 1412, 68 GB) is sparse: 9 GB on the disk. Needs the SSP library: snakemake results/ssp/emiles_bc03.h5.
"""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "ssp", required=False)
    parser.set_defaults(ssp=Path("results/ssp/emiles_bc03.h5"))
    parser.add_argument(
        "--shape", type=int, nargs=3, default=(3761, 1426, 1412), help="channels, rows, columns"
    )
    parser.add_argument("--exposed-rows", type=int, default=200, help="rows with data, the others are holes")
    parser.add_argument("--spaxels-a-bin", type=int, default=14)
    parser.add_argument("--folder", type=Path, required=True, help="for the cube and its product; kept")
    args = parser.parse_args()
    script_options.setup(args)

    import logging
    import resource
    import subprocess
    import sys
    import time

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.tools.hdf5 import write_json
    from sparse_cube import write_sparse_cube

    log = logging.getLogger("speed.sparse_cube")
    cube, maps = args.folder / "cube.fits", args.folder / "MAPS.fits"
    if not maps.is_file():
        write_sparse_cube(
            args.folder, SSPLibrary.read(args.ssp), tuple(args.shape), args.exposed_rows, args.spaxels_a_bin
        )
    cells = {
        "galaxy": "bench", "kind": "cube", "path": cube, "maps": maps, "bins": "maps", "redshift": 0.00219,
        "distance_mpc": 9.84,
    }  # fmt: skip
    (args.folder / "bench.tsv").write_text(
        "\t".join(cells) + "\n" + "\t".join(map(str, cells.values())) + "\n"
    )
    (args.folder / "bench.yaml").write_text(f"galaxies: {{sheet: {args.folder / 'bench.tsv'}}}\n")
    # In a process of its own, so that the peak is of the preparation alone.
    command = [sys.executable, "scripts/prepare_galaxy.py", "--config", *map(str, args.config)]
    command += [str(args.folder / "bench.yaml"), "--galaxy", "bench", "--ssp", str(args.ssp)]
    command += ["--log", str(args.folder / "prepare.log"), "--out", str(args.folder / "spectra.h5")]
    started = time.monotonic()
    subprocess.run(command, check=True)
    wall_s = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "cube": cube.stat().st_size / 1e9,
        "on_disk_gb": cube.stat().st_blocks * 512 / 1e9,
        "peak_gb": used.ru_maxrss * 1024 / 1e9,
        "wall_s": wall_s,
        "processor_s": used.ru_utime + used.ru_stime,
    }
    write_json(args.folder / "bench.json", result)
    log.info("%s", result)
