"""The documentation builds without a warning, its links lead somewhere, and what the program writes in it is right."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import pytest

from tests.docs.conftest import DOCS

REPOSITORY = DOCS.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as the site and code hosts make them."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", line.lower()).strip() for line in lines]
    return {re.sub(r"\s+", "-", line) for line in plain}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from the present pages. Warnings are errors (``strict``)."""
    pytest.importorskip("material", reason="the documentation's programs are not here: pip install -e .[docs]")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder))
    config.plugins.on_startup(command="build", dirty=False)
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    build(config)
    config.plugins.on_shutdown()
    return folder


# The site's programs use what Python will remove, which is not for us to mend.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
class TestSite:
    def test_generated_pages_say_what_the_program_says(self, site: Path) -> None:
        from napari_sam2.widgets.keys import ACTIONS

        cli = (site / "reference" / "cli.html").read_text()
        assert "--cell-diameter" in cli and "models download" in cli
        keys = (site / "reference" / "keys.html").read_text()
        assert all(f"<code>{name}</code>" in keys for name in ACTIONS)
        settings = (site / "reference" / "settings.html").read_text()
        assert "search_cells" in settings and "Folder for sessions" in settings

    def test_the_api_is_there(self, site: Path) -> None:
        page = (site / "reference" / "python.html").read_text()
        for name in ("tracker.CellTracker.track", "session.Session.divide", "session.Session.undo", "save.export"):
            assert re.search(rf'id="napari_sam2\.[\w.]*{re.escape(name)}"', page), name

    def test_nothing_is_fetched_from_elsewhere(self, site: Path) -> None:
        pages = list(site.rglob("*.html"))
        assert len(pages) > 15
        fetched = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(https?://[^"'\s>]+)""")
        assert not [found for page in pages for found in fetched.findall(page.read_text())]


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("material")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n[nowhere](not-there.md)\n")
    config = load_config(
        str(tmp_path / "mkdocs.yml"), site_dir=str(tmp_path / "site"), nav=["index.md"], hooks=[], plugins=[]
    )
    with pytest.raises(Abort):
        build(config)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"])
def test_links_of_pages_outside_the_site(page: str) -> None:
    path = REPOSITORY / page
    if not path.exists():
        pytest.skip(f"there is no {page}")
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        there = (path.parent / name) if name else path
        assert there.exists(), f"{page}: {link} leads nowhere"
        if anchor:
            assert anchor in headings(there), f"{page}: there is no heading {anchor} in {there.name}"
