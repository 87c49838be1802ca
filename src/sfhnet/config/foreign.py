"""Section on the optional foreign benchmarks: galaxies that no training may know."""

from __future__ import annotations

import math

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["ForeignConfig"]


class ForeignConfig(Section):
    """The optional foreign benchmarks (`snakemake foreign_benchmarks`); nothing in the default run needs them."""

    bagpipes_galaxies: int = Field(300, ge=10, le=1000000)
    """Galaxies made with BAGPIPES."""
    chunk: int = Field(50, ge=1, le=100000)
    """Galaxies of BAGPIPES a job; finished chunks are kept."""
    mocks: int = Field(300, ge=10, le=1000000)
    """Galaxies of each other set of foreign mocks."""
    real_spectra: bool = False
    """Measure on real spectra too: the file real_spectra/real_dev.h5 of data_dir or the mirror, which is not public."""

    @property
    def n_chunk(self) -> int:
        """Number of chunks of BAGPIPES galaxies."""
        return math.ceil(self.bagpipes_galaxies / self.chunk)

    def chunk_of(self, number: int) -> range:
        """Return which galaxies a chunk holds.

        Parameters
        ----------
        number : int
            Of the chunk, from 0.

        Returns
        -------
        range

        Raises
        ------
        ValueError
            If there is no such chunk.
        """
        if not 0 <= number < self.n_chunk:
            raise ValueError(
                f"there is no chunk {number} of {self.bagpipes_galaxies} galaxies in chunks of {self.chunk}; "
                f"they count from 0 to {self.n_chunk - 1}"
            )
        return range(number * self.chunk, min((number + 1) * self.chunk, self.bagpipes_galaxies))
