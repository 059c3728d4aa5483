"""The picture of the rooms in docs/architecture.md: where code lives, and which room uses which, read from the imports.

``python docs/tools/rooms.py`` draws it anew; a test holds that it is up to date.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from html import escape
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "napari_sam2"
PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "rooms.svg"

WIDTH, HEIGHT, MARGIN, GAP = 236, 84, 30, 46
COLUMNS, FLOORS = 3, 4


@dataclass(frozen=True)
class Room:
    """A room on the plan: its floor from the top, its place on it, and what it is for."""

    name: str
    floor: int
    place: int
    lines: tuple[str, str]
    colour: str


ROOMS = {
    room.name: room
    for room in (
        Room("cli", 0, 0, ("the command napari-sam2", ""), "#cfe8e4"),
        Room("widgets", 0, 1, ("the docks in napari: they", "only call the rooms below"), "#cfe8e4"),
        Room("session", 1, 0, ("the document: cells, prompts,", "labels, undo, autosave"), "#f6e6c2"),
        Room("export", 1, 1, ("movies in; labels, tracks,", "tables, pictures out"), "#f6e6c2"),
        Room("samples", 1, 2, ("sample movies, made", "or downloaded"), "#f6e6c2"),
        Room("training", 2, 2, ("the data engine and the loop", "that made the model"), "#e3dcef"),
        Room("doctor", 2, 0, ("what is wrong with", "an installation"), "#e3dcef"),
        Room("tracking", 2, 1, ("movie + prompts → masks;", "no GUI, no files"), "#f6d5c8"),
        Room("weights", 3, 1, ("where parameters come from:", "catalogue, download, loading"), "#dde5ec"),
        Room("network", 3, 2, ("SAM 2 in PyTorch:", "tensors in, tensors out"), "#dde5ec"),
    )
}


def uses() -> set[tuple[str, str]]:
    """Pairs of rooms (from, to) where a file of one imports the other, imports for types left out."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
        for_types = {id(inner) for block in guarded for inner in ast.walk(block)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level and id(node) not in for_types:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                there = {name.split(".")[1] for name in names if name.startswith("napari_sam2.")}
                found |= {(here, room) for room in there if room in ROOMS and here in ROOMS and room != here}
    return found


def main_uses(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those that do not follow from others, and point down (`tracker.save` alone points up)."""
    order = list(ROOMS)
    down = {(a, b) for a, b in pairs if order.index(a) < order.index(b)}

    def reach(a: str, b: str, without: tuple[str, str]) -> bool:
        return any(c == b or reach(c, b, without) for x, c in down if x == a and (x, c) != without)

    return {pair for pair in down if not reach(*pair, without=pair)}


def corner(room: Room) -> tuple[float, float]:
    """The upper left corner."""
    return MARGIN + room.place * (WIDTH + GAP), MARGIN + room.floor * (HEIGHT + GAP)


def arrow(a: Room, b: Room) -> str:
    """A line from room to room, from side to side or from floor to floor."""
    (xa, ya), (xb, yb) = corner(a), corner(b)
    if a.place == b.place and b.floor > a.floor + 1:  # past the rooms between, along the wall
        wall = xa - MARGIN / 2 if a.place == 0 else xa + WIDTH + MARGIN / 2
        side = xa if a.place == 0 else xa + WIDTH
        down = f"M{side:g} {ya + HEIGHT / 2:g}H{wall:g}V{yb + HEIGHT / 2:g}H{side:g}"
        return f'<path d="{down}" fill="none" stroke="#667" stroke-width="2" marker-end="url(#head)"/>'
    if a.floor == b.floor:
        right = a.place < b.place
        points = (xa + right * WIDTH, ya + HEIGHT / 2, xb + (-3 if right else WIDTH + 3), yb + HEIGHT / 2)
    else:
        lean = 80 * ((b.place > a.place) - (b.place < a.place))
        points = (xa + WIDTH / 2 + lean, ya + HEIGHT, xb + WIDTH / 2 - lean, yb - 3)
    x1, y1, x2, y2 = (f"{p:g}" for p in points)
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#667" stroke-width="2" marker-end="url(#head)"/>'


def draw() -> str:
    """The picture as SVG."""
    width = COLUMNS * WIDTH + (COLUMNS - 1) * GAP + 2 * MARGIN
    height = FLOORS * HEIGHT + (FLOORS - 1) * GAP + 2 * MARGIN + 22
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
    tip = '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    parts = [
        head + 'role="img" aria-label="The rooms of the code and which uses which">',
        f'<defs>{tip}<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="10" fill="#fff"/>',
    ]
    parts += [arrow(ROOMS[a], ROOMS[b]) for a, b in sorted(main_uses(uses()))]
    for room in ROOMS.values():
        x, y = corner(room)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{room.colour}" stroke="#889"/>'
        )
        parts.append(
            f'<text x="{x + 14}" y="{y + 26}" font-size="17" font-weight="bold" fill="#222">{room.name}/</text>'
        )
        for n, line in enumerate(room.lines):
            parts.append(f'<text x="{x + 14}" y="{y + 48 + 19 * n}" font-size="14" fill="#333">{escape(line)}</text>')
    note = "An arrow: uses; what follows from other arrows is left out. No room knows those above it."
    parts.append(f'<text x="{MARGIN}" y="{height - 14}" font-size="13" fill="#556">{note}</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)
