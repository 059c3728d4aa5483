"""Part 4: SEG, DET and TRA, computed by py-ctcmetrics from folders in the challenge's layout.

The measures are those of the Cell Tracking Challenge (http://celltrackingchallenge.net/evaluation-methodology/; for DET
and TRA Matula et al., PLoS ONE 10, e0144959, 2015). SEG is the mean overlap of true cells with the result that covers
more than half of them, so it is counted on the frames with a segmentation truth only.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._quality.truth import Truth

#: Width in pixels of the rim around the field of interest, by data set; 0 for all others. Cells that lie in the rim
#: with all their pixels are in no truth, and the challenge does not count them in results either
#: (http://celltrackingchallenge.net/annotation-convention/).
RIM = {
    **dict.fromkeys(("DIC-C2DH-HeLa", "Fluo-C2DL-Huh7", "Fluo-C2DL-MSC", "Fluo-N2DH-GOWT1", "PhC-C2DH-U373"), 50),
    **dict.fromkeys(("BF-C2DL-HSC", "BF-C2DL-MuSC", "Fluo-N2DL-HeLa", "PhC-C2DL-PSC"), 25),
}

METRICS = ("SEG", "DET", "TRA")
OPERATIONS = ("NS", "FN", "FP", "ED", "EA", "EC")


def ctc_metrics(truth: Truth, labels: Any) -> dict[str, float]:
    """Score a label image (T, Y, X) whose cells have the numbers of the truth.

    Returns
    -------
    dict
        SEG, DET, TRA, and the counts of the corrections that DET and TRA weigh: ``NS`` cells to split, ``FN`` to add,
        ``FP`` to remove, ``ED``, ``EA``, ``EC`` links to delete, add, change.
    """
    from napari_sam2.export import save_labels

    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        gold, result = Path(folder) / "01_GT", Path(folder) / "01_RES"
        write_truth(truth, gold)
        parents = {child: mother for child, mother in truth.parents.items() if {child, mother} <= set(truth.cells)}
        rim = RIM.get(truth.name.split("/")[0], 0)
        save_labels(inside_field(labels, rim) if rim else labels, result, parents=parents, max_label=max(truth.cells))
        _leave_background(result)
        return evaluate(result, gold)


def inside_field(labels: Any, rim: int) -> np.ndarray:
    """Label images (T, Y, X) without the cells of which no pixel is further than `rim` from the border."""
    kept = np.stack([np.asarray(labels[t]) for t in range(len(labels))])
    for plane in kept:
        inner = plane[rim : plane.shape[0] - rim, rim : plane.shape[1] - rim]
        plane[~np.isin(plane, np.unique(inner))] = 0
    return kept


def write_truth(truth: Truth, folder: Path) -> None:
    """Write the truth of the measured frames and cells in the challenge's layout."""
    import tifffile

    for kind in ("TRA", "SEG"):
        (folder / kind).mkdir(parents=True)
    rows = []
    for cell in truth.cells:
        frames = truth.present[cell]
        mother = truth.parents.get(cell, 0)
        rows.append(f"{cell} {frames[0]} {frames[-1]} {mother if mother in truth.cells else 0}\n")
    (folder / "TRA" / "man_track.txt").write_text("".join(rows), encoding="ascii")
    for t in range(truth.n_frames):
        for kind, labels in (("TRA", truth.tracked(t)), ("SEG", truth.whole(t))):
            if kind == "TRA" or (t in truth.segmented and labels.any()):
                kept = np.where(np.isin(labels, truth.cells), labels, 0).astype(np.uint16)
                name = "man_track" if kind == "TRA" else "man_seg"
                tifffile.imwrite(folder / kind / f"{name}{t:04d}.tif", kept, compression="zlib")


def _leave_background(result: Path) -> None:
    """Free one pixel of frames that are covered completely: py-ctcmetrics takes the lowest label for the background."""
    import tifffile

    for file in result.glob("mask*.tif"):
        labels = tifffile.imread(file)
        if labels.min() > 0:
            largest = np.bincount(labels.ravel()).argmax()
            labels[np.unravel_index((labels == largest).argmax(), labels.shape)] = 0
            tifffile.imwrite(file, labels, compression="zlib")


def evaluate(result: Path, gold: Path) -> dict[str, float]:
    """Run py-ctcmetrics; a result without any cell has 0 everywhere."""
    from ctc_metrics.scripts.evaluate import calculate_metrics, load_data

    if not (result / "res_track.txt").read_text().strip():
        return {**dict.fromkeys(METRICS, 0.0), **dict.fromkeys(OPERATIONS, float("nan"))}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        computed, reference, tracks, segments, _, valid = load_data(str(result), str(gold), True, True, threads=1)
        if not valid:
            raise ValueError(f"py-ctcmetrics does not accept the result in {result}")
        found = calculate_metrics(computed, reference, tracks, segments, list(METRICS), valid)
    out = {name: float(found[name]) for name in METRICS}
    out.update({name: float(found[f"AOGM_{name}"]) for name in OPERATIONS})
    return out


def summarise_ctc(data: dict[str, Any]) -> dict[str, float]:
    """The numbers of the table."""
    return {n.lower() if n in METRICS else f"ctc_{n.lower()}": data[n] for n in (*METRICS, *OPERATIONS)}
