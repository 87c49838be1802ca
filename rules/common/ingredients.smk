# What comes from outside, as data/sources.yaml lists it, and what every forward model is made of.
from sfhnet.core.bands import find_band, library_reach_aa, see_dust, sources_of
from sfhnet.sources import load_registry

REGISTRY = load_registry()


def upstream(source):
    """Return the files of an upstream source."""
    return [plain(path) for path in REGISTRY.paths(source, PLACED.sources.data_dir)]


# Inputs, and the options that hand them to a script.
SSP = {"ssp": f"results/ssp/{CONFIG.ssp.name}.h5"}
CURVE_FILES = [find_band(name).curve_file for name in CONFIG.bands]
# The folder of hst_filters comes first: scripts are given it, and find the others beside it.
FILTERS = {
    "filters": upstream("hst_filters")
    + [
        file
        for source in sources_of(CONFIG.bands)[1:]
        for file in upstream(source)
        if Path(file).name in CURVE_FILES
    ]
    + [plain(path) for path in CONFIG.band_files.values()]
}
FORWARD = {
    **SSP,
    **FILTERS,
    "lines": [f for f in upstream("mappings51") if f.endswith(".fits.gz")],
    "cloudy": [f for f in upstream("cloudy_lines") if f.endswith(".fits")],
    "dust": [
        f for f in upstream("prospect_tables") if see_dust(CONFIG.bands) and f.endswith("Dale_Orig.rda")
    ],
}
WITH_FILTERS = "--ssp {input.ssp} --filters {params.filters}"
WITH_FORWARD = f"{WITH_FILTERS} --mappings {{input.lines}} --cloudy {{input.cloudy}}"
FILTER_FOLDER = {"filters": folder_of("filters")}
