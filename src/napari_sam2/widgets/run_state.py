"""What a run is asked for, and how it says how far it is. No Qt in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from napari_sam2.session.run import What
from napari_sam2.tracking.plan import Direction

Kind = Literal["idle", "preview", "tracking", "paused", "stopping"]


@dataclass(frozen=True)
class RunState:
    """What is being computed.

    Parameters
    ----------
    kind
        ``"idle"``, ``"preview"`` (the mask of a click), ``"tracking"``, ``"paused"``, ``"stopping"``.
    done, total
        Masks.
    per_second
        Frames a second; 0 while it is not known.
    seconds_left
        None while it is not known.
    text
        The same in words.
    frame
        The last frame that was finished; None before the first.
    """

    kind: Kind = "idle"
    done: int = 0
    total: int = 0
    per_second: float = 0.0
    seconds_left: float | None = None
    text: str = ""
    frame: int | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is under way, or paused."""
        return self.kind in ("tracking", "paused", "stopping")


@dataclass(frozen=True)
class Request:
    """What to track; as `Session.track` takes it."""

    cells: tuple[int, ...] | None = None
    frames: tuple[int, int] | None = None
    direction: Direction = "both"
    what: What = "needed"
    join: bool = False


@dataclass(frozen=True)
class Total:
    """Masks that a run is going to write."""

    masks: int


@dataclass(frozen=True)
class Done:
    """A frame that was finished, its masks, and when (seconds)."""

    frame: int
    masks: int
    at: float


def speed(times: Sequence[Done], left: int) -> dict[str, Any]:
    """Frames a second, and seconds for so many masks that are left, from the frames that were finished last."""
    spent = times[-1].at - times[0].at
    if spent <= 0:
        return {}
    masks = sum(done.masks for done in list(times)[1:])
    return {"per_second": (len(times) - 1) / spent, "seconds_left": max(left, 0) * spent / masks if masks else None}


def progress(state: RunState) -> str:
    """How far a run is, in words; empty before its first frame."""
    if state.frame is None:
        return ""
    parts = [f"Frame {state.frame}", f"{state.done:,} of {state.total:,} masks"]
    if state.per_second:
        parts.append(f"{state.per_second:.1f} frames/s")
    if state.seconds_left is not None and state.kind == "tracking":
        parts.append(f"{clock(state.seconds_left)} left")
    return " · ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 0:07, 12:30, 1:02:00."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
