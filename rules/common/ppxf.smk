# The optional comparison with pPXF: benchmark sets, stress mocks that they need, and chunks of mocks, a job each.
PPXF_CASES = list(CONFIG.ppxf.cases)
PPXF_STRESS = [name for name in STRESS if any(case.startswith(f"{name}_") for case in PPXF_CASES)]
PPXF_FOREIGN = [name for name in FOREIGN_MOCKS if any(case.startswith(f"{name}_") for case in PPXF_CASES)]
PPXF_MOCKS = {
    "shards": shard_files(TEST_SHARDS),
    "stress": stress_files(PPXF_STRESS) + foreign_files(PPXF_FOREIGN),
    **FORWARD,
}


def ppxf_chunks(case):
    """Return how many jobs measure a benchmark set."""
    if any(case.startswith(f"{name}_") for name in STRESS):
        made = CONFIG.validation.stress_galaxies
    elif case.startswith("bagpipes_"):
        made = CONFIG.foreign.bagpipes_galaxies
    elif any(case.startswith(f"{name}_") for name in FOREIGN_MOCKS):
        made = CONFIG.foreign.mocks
    else:
        made = 1000 * KILO_GALAXIES * len(TEST_SHARDS)
    measured, _ = CONFIG.ppxf.shares(min(int(made), CONFIG.validation.galaxies))
    return range(math.ceil(measured / CONFIG.ppxf.chunk))


PPXF_FILES = [f"results/ppxf/{case}/{chunk}.h5" for case in PPXF_CASES for chunk in ppxf_chunks(case)]
