"""Errors a user can mend: each message names the file or field at fault and the fix.

The command line prints them without a traceback and exits with status 2; anything that is not a
`BenchError` is a defect of the program and keeps its traceback.
"""


class BenchError(Exception):
    """Base of all errors whose message is written for the user."""


class UnknownName(BenchError):
    """A name that no registered plugin carries."""


class Collision(BenchError):
    """Two distributions register the same name."""


class BadData(BenchError):
    """A data file or case that breaks its contract."""


class BadRecord(BenchError):
    """A run folder whose files contradict each other or cannot be read."""


class WeightsChanged(BenchError):
    """The base weights of a backbone differ from what they were before an edit."""


class NotSavable(BenchError):
    """An intervention that holds code, which no data file can carry."""
