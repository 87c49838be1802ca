# Shards of mocks by what they serve; the last ones are held out of training.
import math

SHARDS = [f"{number:04d}" for number in range(CONFIG.synthesis.n_shards)]
HELD_OUT = [getattr(CONFIG.synthesis, f"n_{use}_shards") for use in ("validation", "calibration", "test")]
TEST_START = len(SHARDS) - HELD_OUT[2]
CALIBRATION_START = TEST_START - HELD_OUT[1]
VALIDATION_START = CALIBRATION_START - HELD_OUT[0]
TRAINING_SHARDS = SHARDS[:VALIDATION_START]
VALIDATION_SHARDS = SHARDS[VALIDATION_START:CALIBRATION_START]
CALIBRATION_SHARDS = SHARDS[CALIBRATION_START:TEST_START]
TEST_SHARDS = SHARDS[TEST_START:]
# thousands of galaxies in a shard: what memory and time of its making grow with
KILO_GALAXIES = CONFIG.synthesis.galaxies_per_shard / 1000
# How many shards there are and what each serves changes no shard.
WHICH_SHARDS = [
    f"synthesis.n_{kind}" for kind in ("shards", "validation_shards", "calibration_shards", "test_shards")
]
# Mocks unlike those of the training: always spiky histories, and the families that are held out, if there are any.
STRESS = ["spiky", *(["held_out"] if CONFIG.prior.held_out_families else [])]


def shard_files(shards):
    return expand("results/synthesis/{shard}.h5", shard=shards)


def stress_files(kinds):
    return expand("results/stress/{stress}.h5", stress=kinds)
