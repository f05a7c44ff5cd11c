"""The paper's tables and figures on networks that are here: one file a table or figure."""

from bitknap.problems import Catalogue

PARTS = Catalogue("bitknap.bench.paper.parts", "SECTION", "part", dashes=True)
"""Tables and figures: each a `Section` of a `Study`."""

__all__ = ["PARTS"]
