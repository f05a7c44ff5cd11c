"""The study behind the paper's tables and figures; ``parts/`` has one file for each of them."""

from bitknap.problems import Catalogue

PARTS = Catalogue("bitknap.bench.paper.parts", "SECTION", "part", dashes=True)
"""Tables and figures: each a `Section` of a `Study`."""
