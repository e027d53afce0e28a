"""The pages that people read: their links lead somewhere, their lines fit, all are linked."""

import re
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
PAGES = [
    page.relative_to(ROOT)
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "benchmarks" / "README.md",
        ROOT / "demo" / "README.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("tests/*/README.md")),
    )
]
#: Written by a program.
GENERATED = {Path("docs/conformance.md")}

LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")


def fits(page: Path) -> bool:
    return page not in GENERATED and page.parts[0] != "tests"


def prose(page: Path) -> str:
    """The text of a page without its code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def target_of(page: Path, name: str) -> Path:
    folder = ROOT / page.parent
    return ((folder / name) if name else ROOT / page).resolve().relative_to(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = target_of(page, name)
        assert (ROOT / target).exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in PAGES if fits(page)], ids=str)
def test_lines_fit(page: Path) -> None:
    """A row of a table and a picture stand on one line each."""
    lines = prose(page).splitlines()
    assert not [line for line in lines if len(line) > 100 and not line.startswith(("|", "!["))]


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == Path("docs")], ids=str)
def test_the_readme_links_each_page(page: Path) -> None:
    assert f"]({page.as_posix()})" in prose(Path("README.md"))
