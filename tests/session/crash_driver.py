"""Kills a program in the middle of its work, many times, and looks at what is left; run by test_crash.

Forked children do what a session does without end; the parent kills each at a random moment (SIGKILL), opens what it
left and compares it with what the child said that it had done.

Usage: python crash_driver.py FOLDER KILLS SEED
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from stub import FRAMES, HEIGHT, WIDTH, DiscEngine, again, disc, make, measured

from napari_sam2.session import Refused, Session, writer

WORD = struct.Struct("<4sii")


def work(session: Session, seed: int, say: int) -> None:
    """Act without end; after everything that is safe, say so: a tracked frame, or an action."""
    rng = random.Random(seed)
    writer.IDLE_SECONDS = 0.0  # frames that were only noted are written at once, beside the actions

    def tell(kind: bytes, a: int, b: int) -> None:
        os.write(say, WORD.pack(kind, a, b))

    tell(b"open", len(session.document.journal), 0)
    while True:
        cells = sorted(session.cells)
        choice = rng.random()
        place = rng.randrange(4, HEIGHT - 4), rng.randrange(4, WIDTH - 4)
        frame = rng.randrange(FRAMES)
        try:
            if choice < 0.25 or len(cells) < 3:
                session.add_click(None if len(cells) < 8 else rng.choice(cells), frame, place, force=True)
            elif choice < 0.6:
                run = session.track(what=rng.choice(["all", "needed"]))
                tell(b"trak", len(session.document.journal), 0)
                for result in run:
                    tell(b"fram", result.frame, int((session.labels.read(result.frame) > 0).sum()))
            elif choice < 0.65:
                session.paint(rng.choice(cells), frame, disc(*place), force=True)
            elif choice < 0.7:
                session.delete(rng.choice(cells), force=True)
            elif choice < 0.75:
                session.swap(*rng.sample(cells, 2), frame, force=True)
            elif choice < 0.8:
                session.cut(rng.choice(cells), frame, force=True)
            elif choice < 0.9:
                session.undo()
            elif choice < 0.95:
                session.settle(0.005)
            else:
                session.save()
        except (Refused, ValueError):
            continue
        tell(b"done", len(session.document.journal), 0)


def check(path: Path, said: bytes, found: Counter[str]) -> None:
    """Open what was left, and compare."""
    words = [WORD.unpack_from(said, i) for i in range(0, len(said) - WORD.size + 1, WORD.size)]
    with again(path) as session:
        measured(session)
        done = max((a for kind, a, _ in words if kind in (b"done", b"open")), default=0)
        lines = len(session.document.journal)
        assert lines >= done, f"{done} lines were safe, {lines} are left"
        # of a tracking run that was cut off, all frames that were reported are there
        tail: list[tuple[int, int]] = []
        for kind, a, b in words:
            if kind == b"fram":
                tail.append((a, b))
            else:
                tail = []
        last = session.document.journal[lines - 1] if lines else {}
        if tail and last.get("recovered"):
            found["cut off while tracking"] += 1
            assert last["frames"] in (len(tail), len(tail) + 1)
            latest = dict(tail)  # a frame may come twice, in the forward and in the backward pass
            if last["frames"] == len(tail):
                for frame, pixels in latest.items():
                    assert int((session.labels.read(frame) > 0).sum()) == pixels
        found["killed"] += 1
        found["pending frames"] += len(session.labels.pending)
        # and it can all be undone
        if found["killed"] % 10 == 0:
            while session.can_undo:
                session.undo()
            assert not session.labels[:].any() and not session.cells
            found["undone altogether"] += 1


def main(folder: Path, kills: int, seed: int) -> None:
    path = folder / "killed.sam2cells"
    make(path).close()
    rng = random.Random(seed)
    found: Counter[str] = Counter()
    for turn in range(kills):
        hear, say = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(hear)
                work(again(path), seed * 1000 + turn, say)
            finally:
                os._exit(3)
        os.close(say)
        # after so many words, and a little later: the same on a fast computer and on a busy one
        said, words = b"", rng.randrange(1, 40)
        while len(said) < words * WORD.size:
            said += os.read(hear, WORD.size)
        time.sleep(rng.random() * 0.003)
        os.kill(child, signal.SIGKILL)
        while part := os.read(hear, 1 << 16):
            said += part
        os.close(hear)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the child died by itself"
        check(path, said, found)
    assert DiscEngine and np.__version__
    print(dict(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
