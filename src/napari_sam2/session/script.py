"""The session as a Python script: the actions that made it, in their order, for a machine without a screen.

Whatever was undone is left out. Masks go into a file beside it, which holds plain arrays (``.npz``, no pickle).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.session.encode import mask_from_json
from napari_sam2.session.journal import Line
from napari_sam2.session.link import channels_in_file
from napari_sam2.session.storage import write_atomic

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Args = dict[str, Any]


class _Masks:
    """Masks and label images that the script needs, by name."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}

    def add(self, entry: int, data: Args, part: int | None = None) -> str:
        """Keep a mask; returns how the script gets at it."""
        name = f"mask_{entry}" if part is None else f"mask_{entry}_{part}"
        self.arrays[name] = mask_from_json(data).full(self.session.document.frame_shape)
        return f"masks[{name!r}]"

    def add_labels(self, entry: int) -> str:
        """Keep what an entry wrote into the labels."""
        document = self.session.document
        out = np.zeros((document.frames, *document.frame_shape), np.int32)
        for frame in document.deltas.frames(entry):
            for runs in document.deltas.labels(entry, frame):
                for start, length, _, after in runs.T.tolist():
                    out[frame].reshape(-1)[start : start + length] = after
        self.arrays[f"labels_{entry}"] = out
        return f"masks['labels_{entry}']"


def _call(verb: str, *positional: object, **named: object) -> str:
    parts = [str(p) for p in positional] + [f"{k}={v}" for k, v in named.items() if v is not None]
    return f"session.{verb}({', '.join(parts)})"


def _simple(*names: str) -> Callable[[int, Args, _Masks], str]:
    """A verb whose arguments are written as they are: first these by place, the others by name."""

    def write(entry: int, args: Args, masks: _Masks) -> str:
        verb = args["verb"]
        rest = {k: repr(v) for k, v in args.items() if k not in names and k != "verb"}
        return _call(verb, *[_plain(args.get(n)) for n in names], **rest)

    return write


def _plain(value: Any) -> str:
    return repr(tuple(value) if isinstance(value, list) else value)


def _with_mask(key: str) -> Callable[[int, Args, _Masks], str]:
    def write(entry: int, args: Args, masks: _Masks) -> str:
        # older sessions note of an eraser, too, whether it paints over others
        unknown = {"verb", "cell", "frame", key} | ({"over"} if args["verb"] == "erase" else set())
        rest = {k: repr(v) for k, v in args.items() if k not in unknown}
        return _call(args["verb"], args["cell"], args["frame"], masks.add(entry, args[key]), **rest)

    return write


def _divide(entry: int, args: Args, masks: _Masks) -> str:
    born = [masks.add(entry, d, i) if isinstance(d, dict) else _plain(d) for i, d in enumerate(args["daughters"])]
    rest = {"ids": repr(args["ids"])} | ({"force": "True"} if args.get("force") else {})
    return _call("divide", args.get("mother"), args["frame"], f"[{', '.join(born)}]", **rest)


def _track(entry: int, args: Args, masks: _Masks) -> str:
    usual = {"direction": "both", "what": "needed"}
    rest = {k: _plain(v) if k == "frames" else repr(v) for k, v in args.items() if k != "verb" and usual.get(k) != v}
    return _call("run", **rest)


def _take_over(entry: int, args: Args, masks: _Masks) -> str:
    rest = {k: repr(args[k]) for k in ("frames", "prompts") if args.get(k) is not None}
    return _call("take_over", masks.add_labels(entry), **rest)


WRITERS: dict[str, Callable[[int, Args, _Masks], str]] = {
    "add_clicks": _simple("cell", "frame", "yx", "foreground"),
    "add_box": _simple("cell", "frame", "box"),
    "add_mask": _with_mask("mask"),
    "remove_prompt": _simple("cell", "frame"),
    "move_prompt": _simple("cell", "frame", "index", "to"),
    "paint": _with_mask("stroke"),
    "erase": _with_mask("stroke"),
    "split": _with_mask("part"),
    "take_over": _take_over,
    "delete": _simple("cell"),
    "delete_from": _simple("cell", "frame"),
    "delete_on": _simple("cell", "frame"),
    "merge": _simple("cell", "other"),
    "connect": _simple("cell", "other"),
    "cut": _simple("cell", "frame"),
    "swap": _simple("cell", "other", "frame"),
    "renumber": _simple("cell", "new"),
    "divide": _divide,
    "reject_division": _simple("mother", "frame"),
    "new_cell": _simple("cell"),
    "set_state": _simple("cell", "frames", "state"),
    "lock": _simple("cell", "frames"),
    "unlock": _simple("cell", "frames"),
    "describe": _simple("cell"),
    "set_parent": _simple("cell", "parent"),
    "set_options": _simple(),
    "track": _track,
}
"""How each verb is written; a test holds that none is missing."""


def make_script(session: Session, masks_name: str) -> tuple[str, bytes | None]:
    """Write the script of a session.

    Returns
    -------
    script
        Python.
    masks
        Content of the file of masks, named `masks_name` beside the script; None where none is needed.
    """
    document, masks = session.document, _Masks(session)
    ends = {line["end"]: line for line in session.history() if "end" in line}
    lines = []
    for entry in (entry for step in document.done for entry in step):
        line = document.journal[entry]
        args = {"verb": line["verb"], **line["args"]}
        if line["verb"] == "track" and entry in ends and ends[entry]["stopped"]:
            # without a frame, too: it may have measured how large cells are
            args["stop_after"] = ends[entry]["frames"]
        lines.append("    " + WRITERS[line["verb"]](entry, args, masks))
    head = _head(session, masks_name if masks.arrays else None)
    text = head + "\n".join(lines or ["    pass"]) + "\n"
    if not masks.arrays:
        return text, None
    out = io.BytesIO()
    np.savez_compressed(out, **masks.arrays)  # type: ignore[arg-type]
    return text, out.getvalue()


def _head(session: Session, masks_name: str | None) -> str:
    meta = _first_settings(session)
    address = meta["movie"]["address"]
    movie = repr(address) if address else "sys.argv[1]"
    options = {
        "model": repr(meta["model"]["name"]),
        "limits": repr([tuple(pair) for pair in meta["limits"]]),
        "channels": repr(channels_in_file(meta)),
        "cell_diameter": repr(meta["cell_diameter"]),
        "mode": repr(meta["mode"]),
        "device": repr(meta["device"]),
        "scale": repr(tuple(meta["scale"])),
        "units": repr(tuple(meta["units"])),
    }
    if meta.get("settings"):
        options["settings"] = f"Settings(**{meta['settings']!r})"
    listed = "".join(f"    {k}={v},\n" for k, v in options.items() if v != "None")
    imports = ["import sys"] + (["from pathlib import Path"] if masks_name else [])
    third = ["import numpy as np", ""] if masks_name else []
    own = ["from napari_sam2.session import new_session"]
    own += ["from napari_sam2.tracking import Settings"] if meta.get("settings") else []
    weights = meta["model"].get("hash")
    known = f" (weights {weights})" if weights else ""
    load = f"masks = np.load(Path(__file__).with_name({masks_name!r}), allow_pickle=False)\n" if masks_name else ""
    usage = "" if address else " MOVIE"
    return (
        f'"""What was done in {session.path.name}: python THIS{usage} [NEW.sam2cells]. Made by napari-sam2.\n\n'
        f"Movie: {address or 'given as an array'}, fingerprint {meta['movie']['fingerprint'][:16]}.\n"
        f'Model: {meta["model"]["name"]}{known}.\n"""\n\n'
        + "\n".join([*imports, "", *third, *own])
        + f"\n\nmovie = {movie}\n"
        + f"out = sys.argv[{1 if address else 2}] if len(sys.argv) > {1 if address else 2} else 'again.sam2cells'\n"
        + load
        + f"session = new_session(\n    movie,\n    out,\n{listed})\nwith session:\n"
    )


def _first_settings(session: Session) -> dict[str, Any]:
    """Settings as they were before the first action; the script changes them as the user did."""
    document = session.document
    meta = dict(document.meta)
    entries: list[Line] = [document.journal[entry] for step in document.done for entry in step]
    for line in reversed(entries):
        for key, (before, _) in line["ops"].get("meta", []):
            meta[key] = {**before, "hash": meta["model"].get("hash")} if key == "model" else before
    return meta


def save_script(session: Session, path: str | os.PathLike[str]) -> Path:
    """Write the script to a file, and the masks it needs beside it; returns the script's path."""
    file = Path(path).expanduser().absolute()
    beside = file.with_name(file.stem + "-masks.npz")
    text, masks = make_script(session, beside.name)
    if masks is not None:
        write_atomic(beside, masks)
    write_atomic(file, text.encode())
    return file
