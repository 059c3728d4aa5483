"""Frames as model pixels: any part is the part of the whole, and what is read ahead is the same."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sam2.network import normalise
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.pixels import KEPT_ON_DEVICE, FramePixels
from napari_sam2.tracking.regions import Region

from .small import Counting, discs_movie, tracker_for

SHAPE = (70, 90)
CPU = torch.device("cpu")


def _frames(channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, (4, channels, *SHAPE)).astype(np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_a_part_is_the_part_of_the_whole_frame(channels: int, scale: float) -> None:
    movie = Movie(_frames(channels), limits=(100, 900))
    geometry = Geometry.windowed(SHAPE, scale, 2)
    image = torch.from_numpy(movie.frame(1)).permute(2, 0, 1)[None]
    if geometry.model_shape != SHAPE:
        image = F.interpolate(
            image, size=geometry.model_shape, mode="bilinear", align_corners=False, antialias=scale < 1
        )
    rows, columns = geometry.padded_shape
    whole = torch.zeros(3, rows + 64, columns + 64)  # two tokens of nothing around it
    whole[:, 32 : 32 + image.shape[2], 32 : 32 + image.shape[3]] = normalise(image)[0]
    pixels = FramePixels(movie, CPU)
    for region in (Region(0, 0, *geometry.tokens), Region(0, 0, 2, 2), Region(1, 1, 1, 1), Region(-2, -1, 4, 4)):
        (top, bottom), (left, right) = region.pixels
        found = pixels.region(geometry, 1, region)
        expected = whole[:, top + 32 : bottom + 32, left + 32 : right + 32]
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
    assert not pixels.region(geometry, 1, Region(geometry.tokens[0] + 1, 0, 1, 1)).any(), "outside there is nothing"


def test_a_frame_is_read_ahead_in_the_background_once() -> None:
    others = set(threading.enumerate())  # trackers of other tests may still be there
    movie = Counting(_frames(1))
    pixels = FramePixels(Movie(movie, limits=(100, 900)), CPU)
    geometry = Geometry.windowed(SHAPE, 1.0, 2)
    region = Region(0, 0, *geometry.tokens)
    plain = FramePixels(Movie(_frames(1), limits=(100, 900)), CPU)
    for frame in range(4):
        found = pixels.region(geometry, frame, region)
        pixels.read_ahead(frame + 1)  # the last is beyond the end
        pixels.read_ahead(frame + 1)
        assert torch.equal(found, plain.region(geometry, frame, region))
    pixels.forget()
    assert movie.reads == [0, 1, 2, 3]
    assert not [t for t in threading.enumerate() if t.name.startswith("napari-sam2-reader") and t not in others]


class _Broken(Counting):
    def __getitem__(self, index: Any) -> np.ndarray:
        frame = super().__getitem__(index)
        if self.reads[-1] == 2:
            raise OSError("the disk is gone")
        return frame


def test_what_goes_wrong_while_reading_ahead_is_told_when_the_frame_is_needed() -> None:
    pixels = FramePixels(Movie(_Broken(_frames(1)), limits=(100, 900)), CPU)
    geometry = Geometry.windowed(SHAPE, 1.0, 2)
    pixels.read_ahead(2)
    pixels.region(geometry, 1, Region(0, 0, 2, 2))
    with pytest.raises(OSError, match="the disk is gone"):
        pixels.region(geometry, 2, Region(0, 0, 2, 2))
    pixels.forget()


META = torch.device("meta")  # any device but the CPU has frames uploaded, and this one is everywhere
WHOLE = ((0, SHAPE[0]), (0, SHAPE[1]))


def test_the_frame_in_work_is_not_pushed_out_by_the_one_that_is_read_ahead() -> None:
    pixels = FramePixels(Movie(_frames(1), limits=(100, 900)), META)
    pixels._planes(0, *WHOLE)
    pixels._planes(1, *WHOLE)
    pixels._planes(0, *WHOLE)  # uploaded first, and in work again
    pixels.read_ahead(2)
    pixels._reading[1].result()  # type: ignore[index]
    assert set(pixels._uploaded) == {0, 2}
    pixels.forget()
    assert not pixels._uploaded


def test_a_frame_that_goes_while_it_is_asked_for_is_no_error() -> None:
    pixels = FramePixels(Movie(_frames(1), limits=(100, 900)), META)
    pixels._planes(0, *WHOLE)

    class Going(dict):
        """The other thread has its turn right after somebody has looked whether a frame is there."""

        def __contains__(self, frame: object) -> bool:
            there = super().__contains__(frame)
            self.pop(frame, None)
            return there

    pixels._uploaded = Going(pixels._uploaded)
    assert pixels._planes(0, *WHOLE).shape == (1, *SHAPE)


def test_two_threads_upload_at_once_and_no_more_is_kept_than_should_be() -> None:
    pixels = FramePixels(Movie(_frames(1), limits=(100, 900)), META)
    failed: list[BaseException] = []

    def load(order: list[int]) -> None:
        try:
            for frame in order:
                pixels._upload(frame)
                assert pixels._planes(frame, *WHOLE).shape == (1, *SHAPE)
        except BaseException as error:  # noqa: BLE001 told below
            failed.append(error)

    orders = [[(i * step) % 4 for i in range(200)] for step in (1, 3)]
    threads = [threading.Thread(target=load, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(pixels._uploaded) <= KEPT_ON_DEVICE


def test_all_frames_are_uploaded_on_one_stream_of_their_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.device] = []
    used: list[Any] = []

    class Stream:
        def __init__(self, device: torch.device) -> None:
            made.append(device)

        def synchronize(self) -> None:
            used.append(self)

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *where, **how: self)
    pixels = FramePixels(Movie(_frames(1), limits=(100, 900)), torch.device("cuda", 1))
    for frame in range(4):
        pixels._planes(frame, *WHOLE)
    assert made == [torch.device("cuda", 1)]
    assert len(used) == 4 and len(set(used)) == 1


def _readers() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name.startswith("napari-sam2-reader")}


@pytest.mark.parametrize("end", ["all", "closed", "error"])
def test_no_thread_is_left_when_tracking_ends_however_that_is(end: str) -> None:
    before = _readers()
    frames = discs_movie(6, (64, 72))
    movie = _Broken(frames) if end == "error" else Counting(frames)
    tracker = tracker_for(movie)
    tracker.add_click(1, 0, (24, 40))
    results = tracker.track("forward")
    if end == "error":
        with pytest.raises(OSError, match="the disk is gone"):
            list(results)
    else:
        next(results), next(results)
        assert _readers() - before, "the next frame is read in the background"
        if end == "all":
            assert len(list(results)) == 4
        else:
            results.close()
            assert max(movie.reads) <= 3, "the frame in work is the last that is read"
    assert not _readers() - before
