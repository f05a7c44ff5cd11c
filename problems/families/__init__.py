"""Generated instances: one file per family, each a function of named parameters."""

from ..catalogue import Catalogue

FAMILIES = Catalogue("bitknap.problems.families", "generate", "family", group="bitknap.families")
"""Every family: a function ``generate(**parameters) -> Instance`` in its own file."""
