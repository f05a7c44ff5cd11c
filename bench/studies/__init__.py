"""Studies: one measured question a file, run by ``bitknap bench NAME``."""

from bitknap.problems import Catalogue

STUDIES = Catalogue("bitknap.bench.studies", "study", "study", dashes=True)
"""All studies: ``study(quick) -> grids``."""

__all__ = ["STUDIES"]
