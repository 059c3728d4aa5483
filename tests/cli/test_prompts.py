"""prompts.csv: what is read, and sentences for what is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_sam2.cli.prompts import Prompt, add_prompts, check_prompts, read_prompts, write_prompts

HEADER = "cell,frame,kind,y,x,y2,x2\n"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_bytes(text.encode())
    return path


def test_a_table_with_everything(tmp_path: Path) -> None:
    text = HEADER + "# my cells\n1,0,click,120,84.5,,\n\n1,0,not,131,90\n,,,,,,\n2,3,Box, 80 ,40,130,95\r\n"
    assert read_prompts(table(tmp_path, text)) == [
        Prompt(3, 1, 0, "click", (120.0, 84.5)),
        Prompt(5, 1, 0, "not", (131.0, 90.0)),
        Prompt(7, 2, 3, "box", (80.0, 40.0), (130.0, 95.0)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcell,frame,kind,y,x\n7,1,click,2,3\n",
        "cell;frame;kind;y;x;y2;x2\n7;1;click;2;3;;\n",
        "x\ty\tkind\tframe\tcell\n3\t2\tclick\t1.0\t7\n",
        'Cell,Frame,Kind,Y,X,note\n"7","1","click","2","3","a, b"\n',
    ],
    ids=["as Excel saves", "semicolons", "other order", "quoted"],
)
def test_other_programs_tables(tmp_path: Path, text: str) -> None:
    (prompt,) = read_prompts(table(tmp_path, text))
    assert (prompt.cell, prompt.frame, prompt.kind, prompt.yx) == (7, 1, "click", (2.0, 3.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (HEADER, "names no prompts"),
        ("1,0,click,3,4\n", "line 1: the columns cell, frame, kind, y, x are missing"),
        ("cell,frame,kind,y\n1,0,click,3\n", "line 1: the column x is missing"),
        (HEADER + "1,0,clik,3,4\n", "line 2: kind is 'clik', it should be click, not"),
        (HEADER + "1,0,click,3,4\n\n1,0,click,3\n", "line 4: x is missing"),
        (HEADER + "1,0,click,3,four\n", "line 2: x is 'four', it should be a number"),
        ("cell;frame;kind;y;x\n1;0;click;3;4,5\n", "line 2: x is '4,5', it should be a number; write 4.5"),
        (HEADER + "1,0,click,3,nan\n", "line 2: x is 'nan'"),
        (HEADER + "0,0,click,3,4\n", "line 2: cell is 0, cells are numbered from 1"),
        (HEADER + "1.5,0,click,3,4\n", "line 2: cell is '1.5', it should be a whole number"),
        (HEADER + "1,-1,click,3,4\n", "line 2: frame is -1, frames count from 0"),
        (HEADER + "1,0,box,3,4\n", "line 2: y2 is missing"),
        (HEADER + "1,0,box,3,4,3,9\n", "line 2: the box has no area"),
    ],
)
def test_errors_name_line_and_mend(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        read_prompts(table(tmp_path, text))


def test_files_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="first line cell,frame"):
        read_prompts(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        read_prompts(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (Prompt(2, 1, 10, "click", (1, 1)), "line 2: there is no frame 10, the movie has frames 0 to 9"),
        (Prompt(2, 1, 0, "click", (21.0, 25.0)), r"outside the frame of 20 rows \(y\) and 30 columns \(x\)$"),
        (Prompt(2, 1, 0, "click", (25, 15)), "are y and x swapped"),
        (Prompt(2, 1, 0, "box", (1, 1), (5, 31)), "outside"),
        (Prompt(2, 1, 0, "not", (1, 1)), "cell 1 has no click and no box"),
    ],
)
def test_prompts_outside_the_movie(prompt: Prompt, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_prompts([prompt], (10, 20, 30), "prompts.csv")


def test_the_edges_of_the_frame_belong_to_it() -> None:
    edge = [Prompt(2, 1, 9, "click", (-0.5, 29.5)), Prompt(3, 1, 0, "not", (19.5, 0))]
    check_prompts(edge, (10, 20, 30), "prompts.csv")


class Recorder:
    """Takes prompts like a tracker does."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def add_clicks(self, cell: int, frame: int, yx: Sequence[tuple[float, float]], foreground: Sequence[bool]) -> None:
        if cell == 9:
            raise ValueError("no such cell")
        self.calls.append((cell, frame, yx, foreground))

    def add_box(self, cell: int, frame: int, box: tuple[tuple[float, float], tuple[float, float]]) -> None:
        self.calls.append((cell, frame, box))


def test_clicks_of_a_cell_and_frame_reach_the_tracker_together_after_its_box() -> None:
    tracker = Recorder()
    prompts = [
        Prompt(2, 1, 0, "not", (1, 1)),
        Prompt(3, 2, 3, "click", (3, 3)),
        Prompt(4, 2, 3, "box", (1, 1), (5, 5)),
        Prompt(5, 1, 0, "click", (2, 2)),
    ]
    add_prompts(tracker, prompts, "p.csv")
    assert tracker.calls == [
        (1, 0, [(1, 1), (2, 2)], [False, True]),
        (2, 3, ((1, 1), (5, 5))),
        (2, 3, [(3, 3)], [True]),
    ]


def test_what_the_tracker_objects_to_gets_a_line() -> None:
    with pytest.raises(ValueError, match=r"p\.csv, line 5: no such cell"):
        add_prompts(Recorder(), [Prompt(4, 9, 0, "box", (1, 1), (2, 2)), Prompt(5, 9, 0, "click", (1, 1))], "p.csv")


numbers = st.integers(-1000, 100000).map(lambda value: value / 4)
prompts = st.one_of(
    st.builds(
        Prompt,
        st.just(0),
        st.integers(1, 10**6),
        st.integers(0, 10**6),
        st.sampled_from(["click", "not"]),
        st.tuples(numbers, numbers),
    ),
    st.builds(
        lambda cell, frame, y, x: Prompt(0, cell, frame, "box", (y, x), (y + 1.5, x - 2.5)),
        st.integers(1, 10**6),
        st.integers(0, 10**6),
        numbers,
        numbers,
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(rows=st.lists(prompts, min_size=1, max_size=8))
def test_round_trip(tmp_path: Path, rows: list[Prompt]) -> None:
    write_prompts(tmp_path / "p.csv", rows)
    back = read_prompts(tmp_path / "p.csv")
    assert [(p.cell, p.frame, p.kind, p.yx, p.yx2) for p in back] == [
        (p.cell, p.frame, p.kind, p.yx, p.yx2) for p in rows
    ]
