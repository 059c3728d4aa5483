"""The files around the code: workflows, issue forms, citation, recipe. Valid, and in step with the project."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
FIELD_KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
OTHER_NAMES = {"torch": "pytorch", "napari": "napari-base"}
"""Packages that conda-forge calls otherwise."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("check_jsonschema")
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_follow_their_schema(path: Path) -> None:
    done = check("vendor.github-workflows", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_workflow_does_not(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("name: x\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    step: []\n")
    assert check("vendor.github-workflows", tmp_path / "bad.yml").returncode != 0


def test_workflows_do_what_is_promised() -> None:
    found = {path.stem: load(path) for path in WORKFLOWS}
    matrix = found["tests"]["jobs"]["test"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert {binding.split("-")[0] for binding in matrix["binding"]} == {"PyQt6", "PySide6"}
    # YAML reads the key `on` as true
    assert "schedule" in found["weekly"][True]
    assert any("--pre " in step.get("run", "") for step in found["weekly"]["jobs"]["pre"]["steps"])
    publish = found["release"]["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}, "trusted publishing, and nothing else"
    assert not re.search(r"secrets\.|password:", (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))


def test_workflows_may_only_read_unless_a_job_says_more() -> None:
    for path in WORKFLOWS:
        assert load(path)["permissions"].get("contents") == "read", path.name


def test_commands_of_workflows_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for path in (*WORKFLOWS, ROOT / "CONTRIBUTING.md")
        for name in re.findall(r"(?:run: |`|^)make ([\w-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named >= {"lint", "package", "docs", "venv", "test"}
    assert named <= targets


@pytest.fixture
def made_for_the_index() -> ModuleType:
    """The build's own module that turns README.md into the text for PyPI."""
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("description", ROOT / ".ci" / "description.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_are_whole_addresses_on_the_index(made_for_the_index: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = re.findall(r"\]\((?!https?:|#)([^)]+)\)", readme)
    pictures = [target for target in relative if target.endswith(".png")]
    assert len(pictures) >= 5 and len(relative) > 10
    address, version = made_for_the_index.repository(
        {"GITHUB_REPOSITORY": "someone/napari-sam2", "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2.3"}
    )
    text = made_for_the_index.description(readme, address, version)
    assert not re.findall(r"\]\((?!https?:|#)", text)
    for kind, targets in (("raw", pictures), ("blob", sorted(set(relative) - set(pictures)))):
        for target in targets:
            assert (ROOT / target).exists(), target
            assert f"](https://github.com/someone/napari-sam2/{kind}/v1.2.3/{target})" in text


def test_without_an_address_pictures_become_words(made_for_the_index: ModuleType) -> None:
    assert made_for_the_index.repository({}) == ("", "main")
    said = {"NAPARI_SAM2_REPOSITORY": "https://example.org/x/", "GITHUB_SHA": "abc"}
    assert made_for_the_index.repository(said) == ("https://example.org/x", "abc")
    text = "![A dock](a/b.png)\n[The `tutorial`](docs/t.md), [napari](https://napari.org), [below](#models)"
    wanted = "*(A dock)*\nThe `tutorial`, [napari](https://napari.org), [below](#models)"
    assert made_for_the_index.description(text, "", "main") == wanted


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms(path: Path) -> None:
    form = load(path)
    assert form["name"] and form["description"] and form["body"]
    names = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(names) == len(set(names))
    for field in form["body"]:
        assert field["type"] in FIELD_KINDS and set(field) <= {"type", "id", "attributes", "validations"}
        assert field["attributes"].get("label") or field["type"] == "markdown"


def test_reports_begin_with_the_doctor() -> None:
    fields = {field["id"]: field for field in load(ROOT / ".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert fields["doctor"]["validations"]["required"] is True
    assert "napari-sam2 doctor" in fields["doctor"]["attributes"]["description"]


def test_the_citation() -> None:
    citation = load(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    for key in ("title", "message", "authors", "license", "version"):
        assert citation[key]
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert citation["authors"][0]["name"] == PROJECT["authors"][0]["name"]


def test_the_recipe_asks_for_what_the_project_asks_for() -> None:
    recipe = load(ROOT / "recipe" / "recipe.yaml")
    assert recipe["context"]["version"] == PROJECT["version"]
    assert PROJECT["requires-python"] == f">={recipe['context']['python_min']}"
    run = {tuple(line.split(" ", 1)) for line in recipe["requirements"]["run"] if not line.startswith("python ")}
    wanted = set()
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["gui"]):
        name, least = line.split(">=")
        wanted.add((OTHER_NAMES.get(name, name), f">={least}"))
    assert run == wanted
    for name in recipe["about"]["license_file"]:
        assert (ROOT / name).is_file()


def test_links_between_the_files_lead_somewhere() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", ".napari-hub/DESCRIPTION.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"


def test_places_that_contributing_names_exist() -> None:
    """Advice that leads to files which have moved is worse than none."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "napari_sam2"
    for name in re.findall(r"`((?:[\w.]+/)+[\w.]*)`", text):
        places = (ROOT / name, package / name)
        assert any(place.exists() for place in places), name


def test_the_hub_s_summary_is_short_enough() -> None:
    assert len(load(ROOT / ".napari-hub" / "config.yml")["summary"]) <= 180
