"""A page as a PDF: what its style sheet says for print, with every fold open."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from bitknap.problems import UnsupportedError, write_atomically
from bitknap.problems.packages import package


def pdf_writer() -> Callable[[Path], Path]:
    """A function that writes a page as a PDF beside it, of the same name, and returns its path.

    Raises:
        UnsupportedError: WeasyPrint is missing, or the libraries that it loads.
    """
    try:
        weasyprint = package("weasyprint", "pdf", "a PDF")
    except OSError as error:
        raise UnsupportedError(
            f"a PDF needs the library Pango, which WeasyPrint cannot load ({error}); "
            "install it, on Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0"
        ) from error
    # It has words on every rule of the page's style sheet that is for screens alone.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)

    def write(page: Path) -> Path:
        path = page.with_suffix(".pdf")
        write_atomically(path, weasyprint.HTML(page).write_pdf())
        return path

    return write
