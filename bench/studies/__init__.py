"""Studies: one measured question per file, run by ``bitknap bench NAME``."""

from bitknap.problems import Catalogue

STUDIES = Catalogue("bitknap.bench.studies", "study", "study", dashes=True)
"""All studies: ``study(quick) -> tables``.

A long one also takes ``folder``, where it keeps what is finished, and ``say``, which is told what
is being done. One that can be made smaller or larger takes ``settings``, name -> text.
"""
