"""Plans as files of other tools: one file per target, an instance of a class of `base`."""

from bitknap.problems import Catalogue

TARGETS = Catalogue("bitknap.plans.export", "TARGET", "export target", dashes=True)
