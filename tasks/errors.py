"""The two ways a task can end badly, and what each one owes to the person who reads it."""

from pathlib import Path


class TaskError(Exception):
    """Base of the errors that are shown as one line, without a traceback."""


class BadInput(TaskError):
    """Something the user gave is unusable. One line: what is wrong, where, what to do. Exit status 2."""


class StageFailed(TaskError):
    """A stage could not do its work although its input was acceptable. Exit status 1."""


class MissingInput(StageFailed):
    """A file that another stage (or asset) makes is not there.

    Names the maker, because "x.parquet not found" alone sends people hunting.
    """

    def __init__(self, path: Path, made_by: str):
        super().__init__(f"{path} is missing; it is made by {made_by}: run that first")
        self.path = path
        self.made_by = made_by


class DamagedArtifact(StageFailed):
    """A file is there but is not what its format says. Names the file and the first thing that is wrong."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is damaged ({reason}); delete it and run the stage that makes it again")
        self.path = path
        self.reason = reason
