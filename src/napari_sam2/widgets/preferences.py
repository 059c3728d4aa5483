"""What the user has set in *Preferences > SAM 2 cell tracking*: read here, and nowhere else.

The manifest (``napari.yaml``, ``configurations``) describes the fields and napari keeps them. No Qt here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.session.engine import EngineMaker

PLUGIN = "napari-sam2"
CATEGORIES = ("tracking", "storage", "keys")
"""Names of the sections in the manifest."""


@dataclass(frozen=True)
class Preferences:
    """The user's choices.

    Parameters
    ----------
    model
        The model that new sessions begin with.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    precision
        ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    models_folder
        Where downloaded models are kept; None: in the usual place of this computer.
    cache_folder
        Where encoded frames are kept for the next time; None: in memory only.
    cache_gigabytes
        Memory for encoded frames.
    sessions_folder
        Where sessions are kept; None: each beside its movie.
    keys
        Action -> key, of those that differ from the table's own; "" for none.
    """

    model: str = "cell"
    device: str = "auto"
    precision: str = "auto"
    models_folder: Path | None = None
    cache_folder: Path | None = None
    cache_gigabytes: float = 1.0
    sessions_folder: Path | None = None
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def dtype(self) -> str | None:
        """Precision as `CellTracker` takes it."""
        return None if self.precision == "auto" else self.precision

    @property
    def cache_bytes(self) -> int:
        """Memory for encoded frames, in bytes."""
        return int(self.cache_gigabytes * 2**30)


def _settings() -> Any:
    """napari's store for this plugin; None where there is none: before napari 0.9, or where the plugin is disabled."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN)
    except (ImportError, KeyError):
        return None


def read() -> Preferences:
    """Read what is set now."""
    found = _settings()
    if found is None:
        return Preferences()
    from napari_sam2.widgets.keys import ACTIONS

    default, values = Preferences(), {}
    for known in fields(Preferences):
        for category in CATEGORIES[:2]:
            value = getattr(getattr(found, category, None), known.name, None)
            if value is not None:
                values[known.name] = _as(value, getattr(default, known.name), known.name)
    said = {action: getattr(found.keys, action, ACTIONS[action].key).strip() for action in ACTIONS}
    keys = {action: key for action, key in said.items() if key != ACTIONS[action].key}
    return Preferences(**values, keys=MappingProxyType(keys))


def _as(value: Any, default: Any, name: str) -> Any:
    if name.endswith("_folder"):
        return Path(value).expanduser() if str(value).strip() else None
    return type(default)(value)


def on_change(listener: Callable[[], object]) -> Callable[[], None]:
    """Call `listener` after each change, also while the user still types; returns what ends that."""
    found = _settings()
    if found is None:
        return lambda: None

    def heard(event: object = None) -> None:
        listener()

    emitters = [getattr(found, category).events for category in CATEGORIES if hasattr(found, category)]
    for emitter in emitters:
        emitter.connect(heard)

    def end() -> None:
        for emitter in emitters:
            emitter.disconnect(heard)

    return end


def apply(preferences: Preferences) -> None:
    """Have the rest of the package know where models are kept."""
    from napari_sam2.weights import set_cache_folder

    set_cache_folder(preferences.models_folder)


def engine_maker(preferences: Preferences | None = None) -> EngineMaker:
    """What makes trackers with the precision and the caches that are set; for `new_session` and `open_session`."""
    from napari_sam2.session.engine import TrackerEngine

    said = read() if preferences is None else preferences
    return partial(
        TrackerEngine,
        dtype=said.dtype,
        cache_bytes=said.cache_bytes,
        cache_folder=said.cache_folder,
    )
