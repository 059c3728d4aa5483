"""Which sources a run draws from, for training and for validation."""

from __future__ import annotations

from napari_sam2.training.bank import MOVIE_LENGTH, MovieBank
from napari_sam2.training.batches import TOKEN
from napari_sam2.training.clip import ClipSource
from napari_sam2.training.pack import Pack
from napari_sam2.training.settings import REAL_MOVIES, REAL_STILLS, TrainSettings
from napari_sam2.training.sources import MixedSource, PackSource
from napari_sam2.training.synthetic import SyntheticSource
from napari_sam2.training.validation import Validation, ValidationSize

SIDES = 32  # model px; the side of a field is a multiple of it
VALIDATION_BANK_SEED = 99_991  # never the seed of a training bank


def check_plan(settings: TrainSettings) -> None:
    """Refuse sizes and lengths of clips that no step could work on, before a run begins that would end at its first.

    Raises
    ------
    ValueError
    """
    plan = settings.plan
    least = plan.window * TOKEN
    if plan.size < least or plan.size % SIDES:
        raise ValueError(f"--size {plan.size}: expected a multiple of {SIDES}, at least {least} (the window of a cell)")
    fewest, most = plan.frames
    if not 2 <= fewest <= most:
        raise ValueError(
            f"--frames {fewest} {most}: expected the fewest and the most frames of a clip, at least 2, the fewest first"
        )
    if settings.synthetic > 0 and most > MOVIE_LENGTH:
        raise ValueError(
            f"--frames {fewest} {most}: synthetic movies have {MOVIE_LENGTH} frames: ask for {MOVIE_LENGTH} at most, "
            "or leave them out (--synthetic 0)"
        )


def training_sources(
    pack: Pack | None, settings: TrainSettings, own: ClipSource | None = None
) -> tuple[ClipSource, ClipSource]:
    """Sources of stills and of clips: real, synthetic and the user's own, as far as given.

    Raises
    ------
    ValueError
        If nothing is left to draw from, or clips shall be longer than they can be (`check_plan`).
    """
    check_plan(settings)
    still_parts: list[tuple[ClipSource, float]] = []
    clip_parts: list[tuple[ClipSource, float]] = []
    if pack is not None:
        kinds = {r.kind for r in pack.records if not r.validation and r.shape[0] == 1}
        real = {k: w for k, w in REAL_STILLS.items() if k in kinds}
        for kind, weight in real.items():
            source = PackSource(pack, [kind])
            still_parts.append((source, weight))
            clip_parts.append((source, weight))
        moving = {r.kind for r in pack.records if r.shape[0] > 1}
        for kind, weight in REAL_MOVIES.items():
            if kind in moving:
                source = PackSource(pack, [kind], movies=True)
                still_parts.append((source, weight / 2))
                clip_parts.append((source, weight))
    if own is not None:
        total = sum(w for _, w in clip_parts) or 1.0
        still_parts.append((own, 2 * total))
        clip_parts.append((own, 2 * total))
    if settings.synthetic > 0:
        bank = MovieBank(SyntheticSource(), settings.bank, settings.seed)
        share = settings.synthetic / max(1e-6, 1 - settings.synthetic)
        for parts in (still_parts, clip_parts):
            parts.append((bank, share * (sum(w for _, w in parts) or 1.0)))
    if not clip_parts:
        raise ValueError("nothing to train on: give a pack, own data, or a share of synthetic movies")
    return (
        MixedSource([s for s, _ in still_parts], [w for _, w in still_parts]),
        MixedSource([s for s, _ in clip_parts], [w for _, w in clip_parts]),
    )


def validation_set(pack: Pack | None, settings: TrainSettings, size: ValidationSize | None = None) -> Validation | None:
    """Held-out stills, clips made of them, and synthetic movies that training never sees; None if there is nothing."""
    stills: dict[str, ClipSource] = {}
    clips: dict[str, ClipSource] = {}
    if pack is not None:
        for kind in sorted({r.kind for r in pack.records if r.validation}):
            stills[kind] = PackSource(pack, [kind], validation=True)
            if kind != "stained":
                clips[kind] = stills[kind]
    if settings.synthetic > 0:
        bank = MovieBank(SyntheticSource(), 12, VALIDATION_BANK_SEED)
        stills["synthetic"] = bank
        clips["synthetic"] = bank
    return Validation(stills, clips, size) if stills else None
