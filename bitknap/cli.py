"""The ``bitknap`` command: one sub-command per file in ``bitknap/commands``."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated

import typer

from bitknap.boundary import Command, unforeseen
from bitknap.problems import BitknapError, Catalogue, InfeasibleError, LimitError, SolverError
from bitknap.problems.errors import PeerLost
from bitknap.problems.names import shown

from . import __version__

COMMANDS = Catalogue("bitknap.commands", "command", "command", dashes=True)

PANELS = {
    "Start": ("run", "plan", "report"),
    "Your network": (
        *("sensitivity", "build", "solve", "frontier", "topk", "confidence", "ties"),
        *("apply", "evaluate", "export", "finetune", "list"),
    ),
}
"""Groups of the help, in order; all other commands are for research."""

SHARED = ("paper", "sensitivity")
"""Commands whose work the processes of torchrun share."""

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INFEASIBLE = 3
EXIT_NO_SOLUTION = 4
EXIT_FAULT = 70
"""Exit code of an unexpected error: EX_SOFTWARE of sysexits.h."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bitknap {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show it and stop."),
    ] = False,
) -> None:
    """Decide how many bits each layer of a network gets, exactly."""


def build_app(first_argument: str | None) -> typer.Typer:
    """The command line with the sub-command that is called, or with all of them.

    Loading only the one called keeps ``bitknap solve`` quick.
    """
    app = typer.Typer(
        name="bitknap",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    names = COMMANDS.names()
    panels = {name: panel for panel, commands in PANELS.items() for name in commands}
    ordered = sorted(names, key=lambda name: (name not in panels, [*panels, name].index(name)))
    for name in [first_argument] if first_argument in names else ordered:
        assert name is not None
        command = COMMANDS.load(name)
        app.command(
            name,
            cls=Command,
            help=_flowing(command.__doc__),
            short_help=COMMANDS.summary(name),
            rich_help_panel=panels.get(name, "Research"),
        )(command)
    return app


def _flowing(text: str) -> str:
    """Paragraphs without their line breaks, which a terminal sets as it needs."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _interrupted(_signum: int, _frame: object) -> None:
    """Report the interrupt at once; typer turns the exception into exit code 130."""
    if _leads():
        print("bitknap: interrupted; finished work is kept", file=sys.stderr)
    raise KeyboardInterrupt


def _leads() -> bool:
    """Whether this process speaks for those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _refuse_processes(command: str) -> None:
    """Refuse several processes where they would do the same work and write the same files."""
    if os.environ.get("WORLD_SIZE", "1") == "1" or command in SHARED:
        return
    if _leads():
        print(
            f"bitknap: `bitknap {command}` runs in one process; let torchrun compute the table by "
            "`bitknap sensitivity --out DIR/table.npz`, which `bitknap run --out DIR` reuses",
            file=sys.stderr,
        )
    sys.exit(EXIT_BAD_INPUT)


def main() -> None:
    """Run the command line; every failure is one sentence on stderr, and an exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    command = sys.argv[1] if len(sys.argv) > 1 else None
    _refuse_processes(command or "")
    app = build_app(command)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()
        sys.exit(EXIT_FAILED)
    except Exception as error:
        sentence, code = _told(error)
        if isinstance(error, OSError) and error.filename is None:
            _give_up_stdout()
        print(f"bitknap: {sentence}", file=sys.stderr)
        sys.exit(code)


def _told(error: Exception) -> tuple[str, int]:
    """The sentence for an error, and the exit code."""
    if isinstance(error, BitknapError):
        codes = {
            SolverError: EXIT_FAILED,
            PeerLost: EXIT_FAILED,
            InfeasibleError: EXIT_INFEASIBLE,
            LimitError: EXIT_NO_SOLUTION,
        }
        return shown(str(error)), codes.get(type(error), EXIT_BAD_INPUT)
    if isinstance(error, OSError) and error.strerror:
        if error.filename is None:
            return f"the results cannot be written ({error.strerror})", EXIT_FAILED
        return shown(f"{error.filename}: {error.strerror}"), EXIT_BAD_INPUT
    if isinstance(error, MemoryError):
        return "there is not enough memory for this", EXIT_FAILED
    return unforeseen(error), EXIT_FAULT


def _give_up_stdout() -> None:
    """Discard unwritten output, which the interpreter would otherwise try to flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
