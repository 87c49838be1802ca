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


def ppxf_files(cases):
    return [f"results/ppxf/{case}/{chunk}.h5" for case in cases for chunk in ppxf_chunks(case)]


# Foreign cases stand in the table of the foreign benchmarks, the others in that of the comparison.
PPXF_FOREIGN_CASES = [
    case for case in PPXF_CASES if any(case.startswith(f"{name}_") for name in PPXF_FOREIGN)
]
PPXF_OWN_CASES = [case for case in PPXF_CASES if case not in PPXF_FOREIGN_CASES]
PPXF_FILES = ppxf_files(PPXF_OWN_CASES)
