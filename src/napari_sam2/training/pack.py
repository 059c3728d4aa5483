"""Pack real, openly licensed images and their masks into one compact file that travels to any training machine.

``python -m napari_sam2.training pack --data DIR --out pack.npz`` reads ``dsb2018.npz`` (stills, CC0),
``usiigaci_nih3t3.npz`` (phase-contrast stills, MIT) and ``usiigaci_t98g_movie.npz`` (a phase-contrast movie with
automatic tracks, MIT) and writes uint8 images and uint16 labels. Large cells are brought down to `MAX_DIAMETER` px,
since training resamples every field anyway; grey levels beyond `GREY_LEVELS` are noise and only cost bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

MAX_DIAMETER = 44.0  # px; median cell diameter that a packed image may have
T98G_DIAMETER = 28.0  # px; the same for the T98G movie, or its frames would be a quarter of the file
GREY_LEVELS = 80  # grey levels kept between the 0.1 and 99.9 percentiles
VALIDATION_EVERY = 20  # every 20th image of a collection without its own split is held out (5 %)
FORMAT = 1

# A track of the automatic T98G labels is trusted over a step when the two masks agree this well.
CLEAN_IOU = 0.45
CLEAN_AREA_RATIO = 1.45


@dataclass(frozen=True)
class Record:
    """One packed image or movie.

    Attributes
    ----------
    name : str
        Collection and number, e.g. ``"dsb2018/003"``.
    kind : str
        ``"fluo"``, ``"stained"`` or ``"phase"``.
    shape : tuple of int
        (T, H, W); T is 1 for stills.
    offset : int
        First element in the flat pixel arrays.
    diameter : float
        Median equivalent diameter of the cells, px of the packed image.
    validation : bool
        Held out from training.
    clean : tuple
        For movies: for every step t to t+1, the ids whose masks agree across it. Empty for stills, and for movies all
        of whose ids are to be trusted.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    offset: int
    diameter: float
    validation: bool
    clean: tuple[tuple[int, ...], ...] = ()


class Pack:
    """Images, labels and their records, in memory.

    Parameters
    ----------
    records : list of Record
    images : (N,) uint8
        All pixels, one record after the other.
    labels : (N,) uint16
    """

    def __init__(self, records: list[Record], images: np.ndarray, labels: np.ndarray) -> None:
        self.records = records
        self._images = images
        self._labels = labels

    def image(self, record: Record) -> np.ndarray:
        """Pixels (T, H, W) uint8 of a record (a view)."""
        return self._view(self._images, record)

    def label(self, record: Record) -> np.ndarray:
        """Labels (T, H, W) uint16 of a record (a view)."""
        return self._view(self._labels, record)

    def digest(self) -> str:
        """SHA-256 of records, pixels and labels: what the model card calls the data hash."""
        digest = hashlib.sha256(json.dumps([asdict(r) for r in self.records], sort_keys=True).encode())
        digest.update(self._images.tobytes())
        digest.update(self._labels.tobytes())
        return digest.hexdigest()

    @staticmethod
    def _view(flat: np.ndarray, record: Record) -> np.ndarray:
        size = int(np.prod(record.shape))
        return flat[record.offset : record.offset + size].reshape(record.shape)


def data_hash(pack: Pack | None, own: Pack | None) -> str:
    """What a run notes of its data: the digest of the one pack it has, or one of both; empty without any."""
    digests = [p.digest() for p in (pack, own) if p is not None]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)


def median_diameter(labels: np.ndarray) -> float:
    """Equivalent diameter in px of the median mask of labels (T, H, W), 0 when there is none."""
    counted = [np.bincount(frame.ravel())[1:] for frame in labels]  # by frame: a cell has a mask on each of several
    areas = np.concatenate([areas[areas > 0] for areas in counted])
    return float(np.sqrt(np.median(areas) * 4 / np.pi)) if areas.size else 0.0


def shrink(image: np.ndarray, labels: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Resample an image (antialiased) and its labels (nearest) by `factor` <= 1; both (H, W)."""
    if factor >= 1:
        return image, labels
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 0.45 / factor)
    shape = [max(1, round(n * factor)) for n in image.shape]
    rows, cols = ((np.arange(n) + 0.5) * (m / n) - 0.5 for n, m in zip(shape, image.shape, strict=True))
    grid = np.meshgrid(rows, cols, indexing="ij")
    small = ndimage.map_coordinates(smooth, grid, order=1, mode="nearest")
    r, c = (np.clip(np.rint(x), 0, m - 1).astype(int) for x, m in zip((rows, cols), image.shape, strict=True))
    return np.clip(small, 0, 255).astype(np.uint8), labels[np.ix_(r, c)]


def quantise(image: np.ndarray) -> np.ndarray:
    """Round grey levels so that the useful range holds `GREY_LEVELS` of them; uint8 in, uint8 out."""
    low, high = np.percentile(image, (0.1, 99.9))
    step = max(1, int((high - low) / GREY_LEVELS))
    return (image // step * step).astype(np.uint8)


def clean_steps(labels: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """For every step of a movie's labels (T, H, W), the ids that overlap themselves well and keep their area."""
    steps = []
    top = int(labels.max()) + 1
    for before, after in zip(labels[:-1], labels[1:], strict=True):
        area_before, area_after = (np.bincount(x.ravel(), minlength=top).astype(float) for x in (before, after))
        same = np.bincount(before[before == after].ravel(), minlength=top)
        iou = same / np.maximum(area_before + area_after - same, 1)
        ratio = np.maximum(area_before, area_after) / np.maximum(np.minimum(area_before, area_after), 1)
        good = (iou >= CLEAN_IOU) & (ratio <= CLEAN_AREA_RATIO) & (area_before > 0)
        good[0] = False
        steps.append(tuple(int(i) for i in np.flatnonzero(good)))
    return tuple(steps)


class PackWriter:
    """Collects records one by one; `write` makes the file."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._images: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []
        self._offset = 0

    def add(
        self,
        name: str,
        kind: str,
        movie: np.ndarray,
        labels: np.ndarray,
        validation: bool,
        largest: float = MAX_DIAMETER,
        trusted: bool = False,
    ) -> None:
        """Add stills or a movie: uint8 pixels and labels up to 65535, both (T, H, W).

        Cells are brought down to a median diameter of `largest` px. Ids of movies that are not `trusted` are followed
        only over the steps at which they look sound (`clean_steps`).
        """
        if int(labels.max(initial=0)) > np.iinfo(np.uint16).max:
            raise ValueError(f"{name}: a label of {labels.max()}, and a pack keeps them as uint16: number them anew")
        diameter = median_diameter(labels)
        factor = min(1.0, largest / max(diameter, 1.0))
        pairs = [shrink(i, m, factor) for i, m in zip(movie, labels, strict=True)]
        images = np.stack([quantise(i) for i, _ in pairs])
        small = np.stack([m for _, m in pairs]).astype(np.uint16)
        clean = clean_steps(small) if len(small) > 1 and not trusted else ()
        shape = (images.shape[0], images.shape[1], images.shape[2])
        self._records.append(Record(name, kind, shape, self._offset, diameter * factor, validation, clean))
        self._images.append(images.ravel())
        self._labels.append(small.ravel())
        self._offset += images.size

    def pack(self) -> Pack:
        """What was added so far, in memory."""
        return Pack(self._records, np.concatenate(self._images), np.concatenate(self._labels))

    def write(self, path: Path) -> None:
        """Write the pack; the same input gives the same bytes."""
        write_pack(self.pack(), path)


def write_pack(pack: Pack, path: Path) -> None:
    """Write a `Pack` to `path` (.npz, compressed, labels as differences along rows)."""
    head = json.dumps({"format": FORMAT, "records": [asdict(r) for r in pack.records]}, sort_keys=True)
    # Labels are piecewise constant: differences are nearly all zero and deflate to a few per cent.
    difference = np.diff(pack._labels, prepend=np.uint16(0)).view(np.uint8).reshape(-1, 2).T.copy()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, head=np.frombuffer(head.encode(), np.uint8), images=pack._images, labels=difference)


def read_pack(path: Path) -> Pack:
    """Read a file made by `write_pack`.

    Raises
    ------
    ValueError
        If the file is of another format version.
    """
    with np.load(path) as file:
        head = json.loads(file["head"].tobytes())
        if head.get("format") != FORMAT:
            found = head.get("format")
            raise ValueError(f"{path} has pack format {found}, this version reads {FORMAT}: pack the data again")
        images = file["images"]
        labels = np.cumsum(file["labels"].T.copy().view(np.uint16).ravel(), dtype=np.uint16)
    records = []
    for entry in head["records"]:
        entry["shape"] = tuple(entry["shape"])
        entry["clean"] = tuple(tuple(ids) for ids in entry["clean"])
        records.append(Record(**entry))
    return Pack(records, images, labels)


def pack_directory(data: Path) -> PackWriter:
    """Read the three collections of `data`; missing ones are skipped.

    Raises
    ------
    FileNotFoundError
        If none of them is there.
    ValueError
        If `data` looks like measuring data: a path with a folder named ``eval`` never becomes training data.
    """
    if "eval" in data.resolve().parts:
        raise ValueError(f"{data} is kept for measuring: never train on it")
    writer = PackWriter()
    stills = data / "dsb2018.npz"
    phase = data / "usiigaci_nih3t3.npz"
    movie = data / "usiigaci_t98g_movie.npz"
    if not any(p.exists() for p in (stills, phase, movie)):
        raise FileNotFoundError(f"no {stills.name}, {phase.name} or {movie.name} in {data}")
    if stills.exists():
        with np.load(stills) as file:
            names = sorted(k.removesuffix("/image") for k in file.files if k.endswith("/image"))
            for index, name in enumerate(names):
                number, kind = name.split("_")
                held_out = index % VALIDATION_EVERY == 0
                writer.add(
                    f"dsb2018/{number}", kind, file[f"{name}/image"][None], file[f"{name}/labels"][None], held_out
                )
    if phase.exists():
        with np.load(phase) as file:
            for name in sorted(k.removesuffix("/image") for k in file.files if k.endswith("/image")):
                held_out = name.startswith("val_")
                writer.add(
                    f"nih3t3/{name}", "phase", file[f"{name}/image"][None], file[f"{name}/labels"][None], held_out
                )
    if movie.exists():
        with np.load(movie) as file:
            writer.add("t98g/movie", "phase", file["movie"], file["labels"], False, T98G_DIAMETER)
    return writer
