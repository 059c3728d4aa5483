"""What is measured: anything with the calls of `CellTracker`, made fresh for each measure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks._quality.truth import Truth

Direction = Literal["forward", "backward", "both"]


class Result(Protocol):
    """One tracked frame; see `napari_sam2.tracking.FrameResult`."""

    frame: int
    labels: npt.NDArray[np.int32]
    scores: dict[int, float]
    ious: dict[int, float]


class TrackerLike(Protocol):
    """The calls of `napari_sam2.CellTracker` that are measured."""

    labels: Any
    lifetimes: dict[int, tuple[int, int]]

    def add_click(self, cell: int, frame: int, yx: Sequence[float], foreground: bool = True) -> None:
        """Click on a cell, or beside it."""

    def add_box(self, cell: int, frame: int, box: Sequence[Sequence[float]]) -> None:
        """Draw a box around a cell."""

    def segment(self, frame: int, cells: Iterable[int] | None = None) -> npt.NDArray[np.int32]:
        """Label image of the cells prompted on a frame."""
        ...

    def track(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        cells: Iterable[int] | None = None,
        *,
        only_stale: bool = False,
    ) -> Iterator[Result]:
        """Track the cells; yields frames."""
        ...


@dataclass(frozen=True)
class Method:
    """One row of the table: a way of tracking.

    Parameters
    ----------
    name
        Model, or name of the baseline.
    mode
        "windows", "exact", ...; empty for the baseline.
    key
        Changes when the results may change: hash of the weights.
    make
        Makes a tracker without prompts for a movie.
    """

    name: str
    mode: str
    key: str
    make: Callable[[Truth], TrackerLike]

    @property
    def title(self) -> str:
        """Name and mode."""
        return f"{self.name} ({self.mode})" if self.mode else self.name


def network_method(model: str, mode: str, device: str, variant: str = "") -> Method:
    """A model of the catalogue or a checkpoint, with the tracker's default settings or some of them changed.

    Parameters
    ----------
    model, mode, device
        As for `CellTracker`.
    variant
        Settings of the tracker or of the network's configuration that differ from the default, such as
        ``"guard=off,multimask_tracking=on"``; part of the method's name.

    Raises
    ------
    ValueError
        If there is no such setting, or the value does not fit it.
    """
    from dataclasses import replace
    from pathlib import Path

    from napari_sam2.tracking import CellTracker
    from napari_sam2.weights import load_model, weights_hash

    network = load_model(model, device=device)
    name = Path(model).stem if Path(model).is_file() else model
    probe = CellTracker(np.zeros((1, 32, 32), np.uint8), model=network, mode=mode, limits=(0, 1))  # type: ignore[arg-type]

    changed = parse_variant(variant, probe.settings, network.config)
    own = {name: value for name, value in changed.items() if name in vars(probe.settings)}
    settings = replace(probe.settings, **own)
    network.config = replace(network.config, **{name: v for name, v in changed.items() if name not in own})

    def make(truth: Truth) -> TrackerLike:
        return CellTracker(truth.images, model=network, mode=mode, settings=settings)  # type: ignore[arg-type]

    # The same weights answer differently under another configuration.
    told = json.dumps(network.config.to_dict(), sort_keys=True)
    key = f"{weights_hash(network)} {hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return Method(f"{name}, {variant}" if variant else name, probe.mode, f"{key} {variant}" if variant else key, make)


def parse_variant(variant: str, *known: Any) -> dict[str, Any]:
    """Read ``"name=value,name=value"`` as fields of the tracker's settings, or of whatever is known; on, off, numbers.

    Raises
    ------
    ValueError
        If there is no such setting, or the value does not fit it.
    """
    changed: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in variant.split(","))):
        name, _, value = item.partition("=")
        owner = next((one for one in known if name in vars(one)), None)
        if owner is None:
            raise ValueError(
                f"there is no setting {name!r}; there are {', '.join(n for one in known for n in vars(one))}"
            )
        kind = type(getattr(owner, name))
        if kind is bool:
            if value not in ("on", "off"):
                raise ValueError(f"{name} is on or off, not {value!r}")
            changed[name] = value == "on"
        else:
            changed[name] = kind(value)
    return changed


def baseline_method() -> Method:
    """Otsu, watershed and the nearest overlap: what one gets without any training."""
    from benchmarks._quality.otsu import OtsuTracker

    segmented: dict[str, dict[int, npt.NDArray[np.uint16]]] = {}

    def make(truth: Truth) -> TrackerLike:
        for other in set(segmented) - {truth.name}:
            del segmented[other]
        return OtsuTracker(truth.images, segmented.setdefault(truth.name, {}))

    return Method("otsu + watershed", "", "otsu", make)
