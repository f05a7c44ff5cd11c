"""Plans as files of other runtimes: one file per target."""

from bitknap.problems import Catalogue

TARGETS = Catalogue("bitknap.plans.export", "export", "export target")
