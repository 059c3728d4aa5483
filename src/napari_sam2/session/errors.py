"""What can go wrong with a session, in words that say what, why and how to mend it."""

from __future__ import annotations

from pathlib import Path


class SessionError(Exception):
    """Anything that goes wrong with a session."""


class Refused(SessionError):
    """An action that was not done.

    Parameters
    ----------
    reason
        A sentence for the user.
    can_force
        Whether the same action with ``force=True`` would be done.
    """

    def __init__(self, reason: str, *, can_force: bool = False) -> None:
        self.reason = reason
        self.can_force = can_force
        super().__init__(f"{reason} (force=True does it all the same)" if can_force else reason)


class ReadOnlySession(SessionError):
    """The session cannot be changed: it was opened for reading, or its folder cannot be written to."""


class SessionInUse(SessionError):
    """Another program has the session open; `owner` says which."""

    def __init__(self, path: Path, owner: str) -> None:
        self.path, self.owner = path, owner
        super().__init__(
            f"{path} is open in {owner}. Close it there, or open it for reading only: open_session(..., read_only=True)"
        )


class NewerSession(SessionError):
    """The session was written by a newer version of this program."""

    def __init__(self, path: Path, version: object, known: int) -> None:
        self.path = path
        super().__init__(
            f"{path} has format version {version}, this program knows versions up to {known}: update napari-sam2. "
            "Nothing was changed"
        )


class DamagedSession(SessionError):
    """A file of the session cannot be understood. Nothing is overwritten."""

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(f"{file} is damaged: {problem}. Nothing was changed; put back a copy of it, if there is one")


class MovieNotFound(SessionError):
    """The movie is not where it was; the session asks for it."""

    def __init__(self, path: Path, address: str | None, why: str = "") -> None:
        self.path, self.address = path, address
        where = f"the movie is not at {address} any more{why}" if address else "the movie was given as an array"
        super().__init__(f"{path}: {where}; pass it: open_session(path, movie=...)")


class WrongMovie(SessionError):
    """The movie that was passed is not the one the session was made with."""


class StorageProblem(SessionError):
    """The disk is full, or cannot be written to; what was saved before is safe, and the last action was not done."""
