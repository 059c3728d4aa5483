"""A colony: cells that move, grow, divide, die, leave and come back."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np

from .cells import Cell, Stage, random_cell, random_coefficients, random_tips
from .placing import drop_crossing, place, push_apart
from .recipe import Recipe

_ANAPHASE_GAP = 0.62  # distance of a daughter from the mother's centre, in units of the mother's radius
_ABSENCE = (1, 5)  # frames that a cell is gone, the last excluded
_LARGEST = 0.62  # radius beyond which cells stop growing, in units of the movie's diameter
_FADE = 0.45  # brightness of a cell in the frame before it is gone and in the frame it comes back
_REMAINS_FRAMES = 8


@dataclass
class Remains:
    """What a dead cell leaves behind: not labelled. Positions in px of the field."""

    y: float
    x: float
    size: float
    brightness: float
    frames: int


@dataclass
class Colony:
    """All cells of a movie at one moment; :meth:`step` goes to the next.

    The field reaches beyond the picture by a margin, so that cells enter and leave it.
    """

    recipe: Recipe
    size: tuple[int, int]
    rng: np.random.Generator
    cells: list[Cell] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)
    parents: dict[int, int] = field(default_factory=dict)
    next_id: int = 1

    def __post_init__(self) -> None:
        shape, life = self.recipe.shape, self.recipe.life
        self.margin = 0.9 * shape.diameter + abs(life.speed) * shape.diameter
        low, high = (-self.margin, -self.margin), (self.size[0] + self.margin, self.size[1] + self.margin)
        # ``cells`` counts the picture; the margin gets cells at the same density.
        area = (high[0] - low[0]) * (high[1] - low[1])
        count = max(1, round(self.recipe.cells * area / (self.size[0] * self.size[1])))
        gap = shape.diameter * (0.95 if shape.style == "star" else 0.75) * min(1.0, 0.35 + life.repulsion)
        gap = min(gap, 0.9 * float(np.sqrt(area / count)))
        self.density = count / max(area, 1.0)
        wave = self.rng.normal(0, 0.5 / shape.diameter, (2, 2))
        phases = self.rng.uniform(0, 2 * np.pi, 3)
        for y, x in place(self.rng, count, low, high, gap, life.clumping):
            cell = self._add(float(y), float(x))
            if shape.alignment > 0:
                # Neighbours lie roughly parallel: a smooth field of directions, and a deviation from it.
                field_angle = phases[2] + np.sin(wave[0] @ (y, x) + phases[0]) + np.sin(wave[1] @ (y, x) + phases[1])
                cell.angle = float(field_angle + (1 - shape.alignment) * (cell.angle - np.pi))
        if not any(0 <= c.y < self.size[0] and 0 <= c.x < self.size[1] for c in self.cells):
            self._add(*(float(self.rng.uniform(0.3, 0.7)) * s for s in self.size))
        if life.repulsion > 0.3:
            push_apart(self.cells, life.repulsion, life.crowding, iterations=10 if shape.style == "rod" else 3)
        if shape.style == "rod":
            self.cells = drop_crossing(self.cells, 0.45)
        self._mix_stages()

    def _add(self, y: float, x: float) -> Cell:
        cell = random_cell(self.rng, self.recipe.shape, self.recipe.look.brightness_spread, self.next_id, y, x)
        self.next_id += 1
        speed = self._speed(cell)
        heading = self.rng.uniform(0, 2 * np.pi)
        cell.vy, cell.vx = speed * float(np.sin(heading)), speed * float(np.cos(heading))
        if self.recipe.life.depth > 0:
            cell.height = self.recipe.life.depth * float(self.rng.standard_normal())
        self.cells.append(cell)
        return cell

    def _speed(self, cell: Cell) -> float:
        life = self.recipe.life
        varied = 1 - life.speed_spread + life.speed_spread * cell.pace
        return life.speed * self.recipe.shape.diameter * varied

    def _mix_stages(self) -> None:
        """Put some cells in the middle of an event, so that short movies show every part of it."""
        life = self.recipe.life
        for cell in self.cells:
            draw = self.rng.random()
            busy = life.division_rate * life.mitosis_frames
            if not cell.is_rod and draw < busy:
                cell.stage, cell.clock = Stage.MITOSIS, int(self.rng.integers(0, life.mitosis_frames))
                self._pose(cell)
            elif not cell.is_rod and draw < busy + life.division_rate * life.recovery_frames:
                cell.stage, cell.clock = Stage.YOUNG, int(self.rng.integers(0, life.recovery_frames))
                cell.radius = cell.adult_radius * 0.75
                self._pose(cell)

    def step(self) -> None:
        """Go one frame further."""
        life, shape = self.recipe.life, self.recipe.shape
        noise = self.rng.standard_normal((len(self.cells), 4))
        dice = self.rng.random((len(self.cells), 3))
        survivors: list[Cell] = []
        for cell, kick, die in zip(self.cells, noise, dice, strict=True):
            self._move(cell, kick)
            if cell.hidden_for > 0:
                cell.hidden_for -= 1
                cell.visible = 0.0 if cell.hidden_for > 0 else _FADE
            elif cell.visible < 1.0 and cell.stage is not Stage.DYING:
                # Either just back (then fully visible next), or about to go: told apart by ``fade``.
                cell.visible, cell.fade = 1.0, 1.0
            if cell.stage is Stage.RESTING and cell.hidden_for == 0 and die[1] < life.vanish_rate:
                cell.hidden_for = int(self.rng.integers(*_ABSENCE))
                cell.visible = 0.0
            survivors.extend(self._live(cell, die))
        self.cells = survivors
        self._enter()
        push_apart(self.cells, life.repulsion, life.crowding, iterations=3 if shape.style == "rod" else 1)
        keep = self.margin + shape.diameter
        self.cells = [
            c for c in self.cells if -keep <= c.y <= self.size[0] + keep and -keep <= c.x <= self.size[1] + keep
        ]
        for bit in self.remains:
            bit.frames -= 1
            bit.y += float(self.rng.normal(0, 0.04 * shape.diameter))
            bit.x += float(self.rng.normal(0, 0.04 * shape.diameter))
        self.remains = [bit for bit in self.remains if bit.frames > 0]

    def _move(self, cell: Cell, kick: np.ndarray) -> None:
        life, shape = self.recipe.life, self.recipe.shape
        keep = life.persistence
        renew = float(np.sqrt(1 - keep * keep)) * self._speed(cell)
        if life.depth > 0:
            stay = 1 - life.sink
            cell.height = stay * cell.height + float(np.sqrt(1 - stay * stay) * life.depth * self.rng.standard_normal())
        calm = 1 - 0.8 * cell.condensed
        cell.vy = keep * cell.vy + renew * float(kick[0])
        cell.vx = keep * cell.vx + renew * float(kick[1])
        cell.y += calm * cell.vy + life.drift[0]
        cell.x += calm * cell.vx + life.drift[1]
        cell.spin = 0.7 * cell.spin + 0.7 * life.spin * float(kick[2])
        cell.angle += cell.spin
        if shape.tips > 0 and calm > 0.5 and not cell.is_rod and life.speed > 0:
            # Crawling cells slowly turn their long axis into the direction they go.
            heading = np.arctan2(cell.vx * 0 + cell.vy, cell.vx)
            cell.angle += 0.06 * float(np.sin(2 * (heading - cell.angle)))
        mix = life.deform
        fresh = random_coefficients(self.rng, shape)
        cell.coefficients = np.float32(np.sqrt(1 - mix * mix)) * cell.coefficients + np.float32(mix) * fresh
        if len(cell.tips):
            cell.tips = cell.tips.copy()
            cell.tips[:, 0] += (0.25 * mix * self.rng.standard_normal(len(cell.tips))).astype(np.float32)
            cell.tips[:, 1] *= np.exp(0.4 * mix * self.rng.standard_normal(len(cell.tips))).astype(np.float32)
            np.clip(cell.tips[:, 1], 0.02, 2.5, out=cell.tips[:, 1])
        if shape.bend > 0:
            cell.bend = float(0.97 * cell.bend + 0.25 * shape.bend * kick[3])

    def _live(self, cell: Cell, die: np.ndarray) -> list[Cell]:
        """Advance the stage of a cell; return what there is afterwards: itself, two daughters, or nothing."""
        life = self.recipe.life
        cell.clock += 1
        if cell.is_rod:
            return self._live_rod(cell, die)
        if cell.stage is Stage.RESTING:
            cell.adult_radius *= float(np.sqrt(1 + life.growth))
            cell.adult_radius = min(cell.adult_radius, max(cell.radius, _LARGEST * self.recipe.shape.diameter))
            cell.radius += 0.3 * (cell.adult_radius - cell.radius)
            if cell.hidden_for == 0:
                if die[0] < life.division_rate:
                    cell.stage, cell.clock = Stage.MITOSIS, 0
                elif die[2] < life.death_rate:
                    cell.stage, cell.clock = Stage.DYING, 0
        elif cell.stage is Stage.MITOSIS and cell.clock >= life.mitosis_frames:
            return self._divide(cell)
        elif cell.stage is Stage.YOUNG:
            cell.radius += 0.35 * (cell.adult_radius * 0.9 - cell.radius)
            if cell.clock >= life.recovery_frames:
                cell.stage, cell.clock = Stage.RESTING, 0
        elif cell.stage is Stage.DYING and self._die(cell):
            return []
        self._pose(cell)
        return [cell]

    def _pose(self, cell: Cell) -> None:
        """Set how condensed a cell looks from its stage."""
        life = self.recipe.life
        if cell.stage is Stage.MITOSIS:
            through = (cell.clock + 1) / max(life.mitosis_frames, 1)
            cell.condensed = float(np.clip(1.4 * through, 0, 1))
            chromosomes = self.recipe.look.modality == "nuclei"
            cell.plate = 1.0 if chromosomes and through > 0.99 and life.mitosis_frames > 1 else 0.0
        elif cell.stage is Stage.YOUNG:
            cell.condensed, cell.plate = 1 - (cell.clock + 1) / (life.recovery_frames + 1), 0.0
        elif cell.stage is Stage.RESTING:
            cell.condensed = cell.plate = 0.0

    def _die(self, cell: Cell) -> bool:
        """One frame of dying; True when the cell is gone."""
        cell.condensed = min(1.0, cell.condensed + 0.5)
        cell.radius *= 0.85
        if cell.clock < 3:
            return False
        for _ in range(int(self.rng.integers(0, 7))):
            self.remains.append(
                Remains(
                    cell.y + float(self.rng.normal(0, 0.6 * cell.radius)),
                    cell.x + float(self.rng.normal(0, 0.6 * cell.radius)),
                    cell.radius * float(self.rng.uniform(0.12, 0.35)),
                    cell.brightness * float(self.rng.uniform(0.5, 2.0)),
                    int(self.rng.integers(1, _REMAINS_FRAMES)),
                )
            )
        return True

    def _daughters(self, mother: Cell) -> tuple[Cell, Cell]:
        pair = copy.copy(mother), copy.copy(mother)
        for daughter in pair:
            daughter.id, self.next_id = self.next_id, self.next_id + 1
            daughter.parent = mother.id
            self.parents[daughter.id] = mother.id
            daughter.clock, daughter.plate = 0, 0.0
            daughter.texture_offset = (float(self.rng.uniform(0, 256)), float(self.rng.uniform(0, 256)))
            daughter.depth = float(self.rng.random())
        return pair

    def _divide(self, mother: Cell) -> list[Cell]:
        pair = self._daughters(mother)
        dy, dx = float(np.sin(mother.angle)), float(np.cos(mother.angle))
        for daughter, side in zip(pair, (-1.0, 1.0), strict=True):
            gap = _ANAPHASE_GAP * mother.radius * side * float(self.rng.uniform(0.9, 1.25))
            daughter.y, daughter.x = mother.y + gap * dy, mother.x + gap * dx
            daughter.radius = mother.radius * float(self.rng.uniform(0.62, 0.72))
            daughter.adult_radius = mother.adult_radius * float(self.rng.uniform(0.78, 0.95))
            if self.recipe.life.depth > 0:  # the axis of a division need not lie in the focal plane
                daughter.height += 0.5 * self.recipe.life.depth * float(self.rng.standard_normal())
            daughter.brightness = mother.brightness * float(self.rng.uniform(0.85, 1.1))
            daughter.stage, daughter.condensed = Stage.YOUNG, 0.8
            daughter.coefficients = random_coefficients(self.rng, self.recipe.shape)
            daughter.tips = random_tips(self.rng, self.recipe.shape)
            drift = side * 0.12 * mother.radius
            daughter.vy, daughter.vx = drift * dy, drift * dx
            daughter.angle = mother.angle + np.pi / 2 + float(self.rng.normal(0, 0.3))
        return list(pair)

    def _live_rod(self, cell: Cell, die: np.ndarray) -> list[Cell]:
        """Rods grow in length, pinch in the middle and come apart along their long axis."""
        life = self.recipe.life
        cell.half_length *= 1 + life.growth * (0.6 + 0.4 * cell.pace)
        if die[2] < life.death_rate:
            return []
        if cell.half_length >= cell.divide_at:
            cell.constriction += 1.0 / max(life.mitosis_frames, 1)
            if cell.constriction >= 1.0:
                return self._divide_rod(cell)
        cell.radius = float(np.sqrt(4 * cell.half_length * cell.half_width / np.pi))
        return [cell]

    def _divide_rod(self, mother: Cell) -> list[Cell]:
        pair = self._daughters(mother)
        share = float(self.rng.uniform(0.44, 0.56))
        for daughter, side, part in zip(pair, (-1.0, 1.0), (share, 1 - share), strict=True):
            daughter.half_length = max(mother.half_length * part, mother.half_width)
            offset = side * (mother.half_length - daughter.half_length)
            daughter.y = mother.y + offset * float(np.sin(mother.angle))
            daughter.x = mother.x + offset * float(np.cos(mother.angle))
            daughter.angle = mother.angle + float(self.rng.normal(0, 0.06))
            daughter.constriction = 0.0
            daughter.bend = mother.bend * 0.3
            daughter.divide_at = mother.divide_at * float(np.exp(0.05 * self.rng.standard_normal()))
            daughter.radius = float(np.sqrt(4 * daughter.half_length * daughter.half_width / np.pi))
        return list(pair)

    def _enter(self) -> None:
        """New cells come in over the rim of the field, mostly from where the drift comes from."""
        life = self.recipe.life
        rim = 2.0 * (self.size[0] + self.size[1]) * self.recipe.shape.diameter
        flow = life.speed + (abs(life.drift[0]) + abs(life.drift[1])) / self.recipe.shape.diameter
        for _ in range(int(self.rng.poisson(life.enter_rate * self.density * rim * min(flow, 1.0)))):
            side = int(self.rng.integers(0, 4))
            along = float(self.rng.random())
            y, x = (
                (-self.margin, along * self.size[1]),
                (self.size[0] + self.margin, along * self.size[1]),
                (along * self.size[0], -self.margin),
                (along * self.size[0], self.size[1] + self.margin),
            )[side]
            self._add(y, x)
