"""What happens to cells: they move, divide, die, vanish, enter and leave, and the truth says so."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.training.synthetic import make_movie

from .truth import CLEAN, STILL, centre, ids_of, inner_ids, lifetimes


def test_still_cells_keep_their_pixels() -> None:
    movie = make_movie("nuclei", frames=4, size=(128, 128), seed=2, **STILL | {"repulsion": 0.0})
    for frame in movie.labels[1:]:
        np.testing.assert_array_equal(frame, movie.labels[0])


def test_ids_follow_their_cells() -> None:
    movie = make_movie(
        "nuclei", frames=8, size=(256, 256), cells=15, diameter=30, seed=1, **STILL | CLEAN | {"speed": 0.08}
    )
    steps = []
    for before, after in zip(movie.labels[:-1], movie.labels[1:], strict=True):
        for cell in inner_ids(before) & inner_ids(after):
            mask, later = before == cell, after == cell
            steps.append(np.linalg.norm(centre(later) - centre(mask)))
            # Of all cells, it is most of all the same one that stands where it stood.
            overlap = np.bincount(after[mask], minlength=2)[1:]
            assert overlap.argmax() + 1 == cell
    # 0.08 diameters of 30 px a frame, in both directions at random.
    assert 1.0 < np.mean(steps) < 6.0


@pytest.mark.parametrize("kind", ["nuclei", "phase", "membranes", "rods"])
def test_divisions_are_consistent(kind: str) -> None:
    settings = {"growth": 0.15, "mitosis_frames": 2} if kind == "rods" else {"division_rate": 0.06, "mitosis_frames": 2}
    movie = make_movie(
        kind,
        frames=12,
        size=(256, 256),
        cells=24,
        diameter=30,
        seed=3,
        **STILL | CLEAN | {"recovery_frames": 2} | settings,
    )
    life = lifetimes(movie)
    assert len(movie.parents) >= 4
    by_mother: dict[int, list[int]] = {}
    for daughter, mother in movie.parents.items():
        by_mother.setdefault(mother, []).append(daughter)
        assert daughter > mother
        assert life[mother][-1] < life[daughter][0]
    gaps, distances = [], []
    for mother, daughters in by_mother.items():
        assert len(daughters) <= 2
        last = movie.labels[life[mother][-1]]
        if mother not in inner_ids(last, rim=16) or len(daughters) < 2:
            continue
        first = movie.labels[life[daughters[0]][0]]
        area = np.sum(last == mother)
        reach = np.sqrt(area / np.pi) if kind != "rods" else np.sqrt(area)
        for daughter in daughters:
            gaps.append(life[daughter][0] - life[mother][-1])
            distances.append(np.linalg.norm(centre(first == daughter) - centre(last == mother)) / reach)
    assert gaps
    assert set(gaps) == {1}
    assert max(distances) < 2.0
    assert min(distances) > 0.2


def test_rods_divide_along_their_long_axis() -> None:
    movie = make_movie(
        "rods", frames=10, size=(256, 256), cells=10, diameter=30, seed=1,
        **STILL | CLEAN | {"growth": 0.15, "mitosis_frames": 2, "bend": 0.0},
    )  # fmt: skip
    life, checked = lifetimes(movie), 0
    for mother in set(movie.parents.values()):
        daughters = [d for d, m in movie.parents.items() if m == mother]
        last, first = movie.labels[life[mother][-1]], movie.labels[life[daughters[0]][0]]
        if len(daughters) < 2 or mother not in inner_ids(last):
            continue
        points = np.array(np.nonzero(last == mother), float)
        values, vectors = np.linalg.eigh(np.cov(points))
        assert values[1] > 4 * values[0]  # an elongated mother
        apart = centre(first == daughters[0]) - centre(first == daughters[1])
        assert abs(apart @ vectors[:, 1]) > 0.9 * np.linalg.norm(apart)
        checked += 1
    assert checked >= 2


def test_mitosis_condenses_and_brightens_nuclei() -> None:
    movie = make_movie(
        "nuclei", frames=12, size=(256, 256), cells=16, diameter=36, seed=5,
        **STILL | CLEAN | {"division_rate": 0.05, "mitosis_frames": 4, "mitosis_gain": 1.0, "repulsion": 0.0},
    )  # fmt: skip
    life, checked = lifetimes(movie), 0
    for mother in set(movie.parents.values()):
        frames = life[mother]
        if len(frames) < 7:
            continue
        early, late = frames[0], frames[-1]
        if mother not in inner_ids(movie.labels[early]) or mother not in inner_ids(movie.labels[late]):
            continue
        before, after = movie.labels[early] == mother, movie.labels[late] == mother
        assert after.sum() < 0.9 * before.sum()
        assert movie.frames[late][after].mean() > 1.2 * movie.frames[early][before].mean()
        checked += 1
    assert checked >= 1


def test_vanished_cells_have_no_pixels_and_come_back_with_their_id() -> None:
    movie = make_movie(
        "nuclei", frames=14, size=(200, 200), cells=12, diameter=28, seed=2,
        **STILL | CLEAN | {"vanish_rate": 0.1},
    )  # fmt: skip
    gone = back = 0
    for cell, frames in lifetimes(movie).items():
        for before, after in zip(frames[:-1], frames[1:], strict=True):
            if after - before == 1:
                continue
            back += 1
            place = movie.labels[before] == cell
            dark = movie.labels[before + 1] == 0
            if (place & dark).sum() > 50 and (place & ~dark).sum() == 0:
                gone += 1
                seen = movie.frames[before][place].mean()
                assert movie.frames[before + 1][place].mean() < 0.4 * seen
    assert back >= 3
    assert gone >= 2
    assert not movie.parents


def test_dead_cells_end_without_daughters() -> None:
    movie = make_movie("nuclei", frames=10, size=(200, 200), cells=20, seed=1, **STILL | {"death_rate": 0.05})
    ended = [cell for cell, frames in lifetimes(movie).items() if frames[-1] < 9]
    assert len(ended) >= 3
    assert not set(ended) & set(movie.parents.values())
    shrinking = 0
    for cell in ended:
        areas = np.array([np.sum(frame == cell) for frame in movie.labels])
        shrinking += areas[areas > 0][-1] < 0.8 * areas.max()
    assert shrinking >= 1


def test_cells_enter_and_leave_with_the_drift() -> None:
    movie = make_movie(
        "nuclei", frames=12, size=(128, 128), cells=12, diameter=22, seed=3,
        **STILL | {"drift": (0.0, 9.0), "repulsion": 0.8, "enter_rate": 0.5},
    )  # fmt: skip
    first, last = ids_of(movie.labels[0]), ids_of(movie.labels[-1])
    assert first - last  # some left
    assert last - first  # some came
    for cell in inner_ids(movie.labels[3]) & inner_ids(movie.labels[4]):
        step = centre(movie.labels[4] == cell) - centre(movie.labels[3] == cell)
        np.testing.assert_allclose(step, (0, 9), atol=3.0)


def test_black_frames_have_no_labels_and_repeated_frames_repeat() -> None:
    movie = make_movie("nuclei", frames=20, size=(96, 96), seed=1, **STILL | CLEAN | {"black_rate": 0.3})
    black = [t for t in range(20) if not movie.labels[t].any()]
    assert black
    assert 0 not in black
    for t in black:
        assert movie.frames[t].mean() < 0.5 * movie.frames[0].mean()
    after = black[0] + 1
    while after in black:
        after += 1
    assert ids_of(movie.labels[after]) == ids_of(movie.labels[0])

    movie = make_movie("phase", frames=20, size=(96, 96), seed=1, **STILL | CLEAN | {"repeat_rate": 0.4})
    same = [t for t in range(1, 20) if np.array_equal(movie.frames[t], movie.frames[t - 1])]
    assert same
    for t in same:
        np.testing.assert_array_equal(movie.labels[t], movie.labels[t - 1])


def test_cells_that_cross_hide_each_other_only_while_they_overlap() -> None:
    loose = make_movie("nuclei", frames=1, size=(160, 160), cells=60, diameter=30, seed=1, **STILL | {"repulsion": 0.0})
    firm = make_movie("nuclei", frames=1, size=(160, 160), cells=60, diameter=30, seed=1, **STILL | {"repulsion": 0.9})
    smallest = [min(np.sum(movie.labels[0] == cell) for cell in inner_ids(movie.labels[0])) for movie in (loose, firm)]
    # Below others, little of a cell is left; beside others, most of it.
    assert smallest[0] < 0.3 * np.pi / 4 * 30**2
    assert smallest[1] > smallest[0]
