"""Reports: pages of sections, one file each, found by the folder like solvers are."""

from bitknap.problems import Catalogue

SECTIONS = Catalogue("bitknap.bench.report.sections", "SECTION", "section")
"""Parts of the page of one folder; each shows what it finds there, or says what is missing."""

COMPARISONS = Catalogue("bitknap.bench.report.comparisons", "SECTION", "section")
"""Parts of the page that compares two folders."""

__all__ = ["COMPARISONS", "SECTIONS"]
