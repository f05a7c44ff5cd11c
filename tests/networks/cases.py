"""The table of all cases."""

from __future__ import annotations

from . import attention, images, language, maps, pictures, products, recurrent, routing
from .case import Case

CASES: list[Case] = [
    *recurrent.CASES,
    *attention.CASES,
    *products.CASES,
    *routing.CASES,
    *images.CASES,
    *maps.CASES,
    *language.CASES,
    *pictures.CASES,
]
