"""Write the page of a folder, or of two compared, with its figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of `bitknap run`, `bench` or `paper`.")],
    other: Annotated[
        Path | None, typer.Argument(help="Another such folder, to compare with the first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Page (*.html) or folder; default FOLDER/report.html.")
    ] = None,
    section: Annotated[
        list[str] | None, typer.Option(help="Show this section only; repeatable.")
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Write the page as a PDF, too; needs bitknap[pdf].")
    ] = False,
) -> None:
    """Write the page of a folder, or of two compared, with its figures and tables.

    The page is one file that works offline; beside it, figures/ holds every figure as PNG, SVG and
    PDF, and tables/ every table as CSV and LaTeX.

    Example: bitknap report runs/demo
    """
    from bitknap.bench.report.pdf import pdf_writer
    from bitknap.bench.report.write import page_path, write_report
    from bitknap.bench.tables.terminal import say

    from ._progress import progress

    write_pdf = pdf_writer() if pdf else None
    with progress("drawing the report") as tell:
        if other is None and (folder / "paper.json").exists():
            from bitknap.bench.paper.call import load_study, write_study

            page = page_path(folder, None, out)
            write_study(load_study(folder, tell), page, section or ())
        else:
            page = write_report(folder, other, out, section or (), tell)
        if write_pdf:
            tell("laying out the PDF")
            say(f"pdf: {write_pdf(page)}")
    say(f"report: {page}")
