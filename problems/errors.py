"""Exceptions whose message is one sentence for the user: what, expected, got, what to do."""


class BitknapError(Exception):
    """Base of every error that bitknap raises on purpose."""


class InstanceError(BitknapError, ValueError):
    """An instance, or a file that should hold one, is malformed."""


class SolverError(BitknapError):
    """A solver made a claim that the referee refuted."""


class UnsupportedError(BitknapError):
    """A solver, metric or workload cannot handle what was asked of it, or is not installed."""


class DataError(BitknapError):
    """A table, data set, checkpoint or option is missing, malformed or stale."""


class InfeasibleError(BitknapError):
    """A budget is below the smallest that any choice needs."""


class LimitError(BitknapError):
    """A time limit was met before there was an answer."""


class PeerLost(BitknapError):
    """Another process of a distributed run ended early."""


class CoverageWarning(UserWarning):
    """A sensitivity table leaves more than 1 % of a network's weights in float."""
