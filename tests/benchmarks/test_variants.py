"""Settings changed from the command line of quality.py, and the synthetic crowds it can measure on."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks._data import CtcMovie  # noqa: E402
from benchmarks._quality import crowd  # noqa: E402
from benchmarks._quality.trackers import network_method, parse_variant  # noqa: E402
from benchmarks._quality.truth import Truth  # noqa: E402
from napari_sam2.tracking import CellTracker, Settings  # noqa: E402


def test_a_variant_changes_the_settings_it_names() -> None:
    assert parse_variant("", Settings()) == {}
    found = parse_variant("guard=off, neighbours=on,window=20,min_iou=0.5", Settings())
    assert found == {"guard": False, "neighbours": True, "window": 20, "min_iou": 0.5}


def test_a_variant_may_change_how_the_network_answers() -> None:
    plain, other = (network_method("cell", "windows", "cpu", v) for v in ("", "mirrors=off,multimask_tracking=on"))
    assert plain.key != other.key, "results that are kept of one must not pass for those of the other"
    truth = cast(Truth, SimpleNamespace(images=np.zeros((2, 64, 64), np.uint8)))
    here, there = (cast(CellTracker, method.make(truth)) for method in (plain, other))
    assert (here.settings.mirrors, here.network.config.multimask_tracking) == (True, False)
    assert (there.settings.mirrors, there.network.config.multimask_tracking) == (False, True)


@pytest.mark.parametrize("wrong", ["gard=off", "guard=maybe", "window=wide", "guard"])
def test_what_is_no_setting_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse_variant(wrong, Settings())


def test_a_crowd_is_a_data_set_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "FRAMES", 3)
    monkeypatch.setattr(crowd, "SIZE", (96, 96))
    monkeypatch.setitem(crowd.CROWDS, "small", {"kind": "nuclei", "cells": 9, "diameter": 20.0, "seed": 5})
    folder = crowd.make_crowd("small", tmp_path)
    truth = Truth(CtcMovie(folder), 0, 0)
    start, cells = truth.first_cells
    assert truth.n_frames == 3 and start == 0 and len(cells) >= 4
    for cell in cells:
        y, x = truth.click(cell, 0)
        assert truth.whole(0)[int(y), int(x)] == cell
    assert set(truth.parents.values()) <= set(truth.present)
    stamp = (folder / "01" / "t000.tif").stat().st_mtime_ns
    assert crowd.make_crowd("small", tmp_path) == folder
    assert (folder / "01" / "t000.tif").stat().st_mtime_ns == stamp, "made once"
    assert np.ptp(truth.images[0]) > 0
