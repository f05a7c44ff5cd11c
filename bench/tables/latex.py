r"""Tables as LaTeX: a ``booktabs`` tabular to ``\input``."""

from __future__ import annotations

from collections.abc import Sequence

from bitknap.problems.names import shown, shown_lines

from .table import Table

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "Ω": r"$\Omega$",
    }
)


def escape(text: str) -> str:
    """Text whose every character LaTeX prints as it stands."""
    return shown(text).translate(_ESCAPES)


def latex(table: Table) -> str:
    """The table as a tabular, its title and notes as comments; needs the package booktabs."""
    columns = "".join(
        "l" if index < table.text_columns else "r" for index in range(len(table.columns))
    )
    comments = [
        f"% {line}"
        for text in (table.title, *table.notes)
        for line in shown_lines(text).splitlines()
    ]
    return "\n".join(
        [
            *comments,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _row(table.columns),
            r"\midrule",
            *map(_row, table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"
