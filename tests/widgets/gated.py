"""A tracker that finishes a frame only when a test lets it, so that tests can look at what is in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stub import FRAMES, HEIGHT, WIDTH, DiscEngine, movie

from napari_sam2.session import Session, new_session


class Gate:
    """Lets frames pass: so many, or all."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.open = threading.Event()
        self.waiting = threading.Event()
        self.fails: BaseException | None = None

    def let(self, frames: int = 1) -> None:
        """Let so many frames be finished."""
        for _ in range(frames):
            self.permits.release()

    def pass_one(self) -> None:
        """Wait for leave to finish a frame; in the thread that tracks."""
        self.waiting.set()
        while not self.open.is_set():
            if self.permits.acquire(timeout=0.01):
                break
        if self.fails is not None:
            raise self.fails


class GatedEngine(DiscEngine):
    """Runs of one frame (previews) pass at once; others frame by frame."""

    def __init__(self, gate: Gate, *args: Any) -> None:
        super().__init__(*args)
        self.gate = gate

    def run(self, segments: Any, frames: Any, locked: Any, held: Any, before: Any = None) -> Iterator[Any]:
        alone = frames[1] - frames[0] == 1
        for result in super().run(segments, frames, locked, held):
            if not alone:
                self.gate.pass_one()
            yield result


def gated(path: Path, gate: Gate, frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> Session:
    """A session on a movie of noise with such a tracker."""
    return new_session(
        movie(frames, height, width), path, model="discs", make_engine=lambda *args: GatedEngine(gate, *args)
    )
