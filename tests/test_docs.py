"""Every Python block of the docs runs as printed, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

import rnnjax as rx

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def _name(page):
    return page.relative_to(ROOT).as_posix()


def _blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


# What a lesson's text says of its figures, in the lesson's own names.
SHOWN = {
    "language_model": "written == '\\nmachine\\n' and ngram_bits < bits < 6.5",
    "labelling": "scores['most frequent tag'] < scores['softmax'] < scores['CRF']",
    "classification": "accuracy['most frequent'] < accuracy['LSTM'] < accuracy['naive Bayes']",
    "conditional": "accuracy > 0.8 and perplexities[0] < perplexities[1]",
    "pretraining": "accuracy['from scratch'] < 0.5 < 0.8 < accuracy['pre-trained']",
    "distillation": "scores['student alone'] < scores['student taught']",
    "translation": "exact > 0.9 and (weights[0, 0].argmax(), weights[0, 1].argmax()) == (0, 2)",
    "captioning": "sum(ours == theirs for ours, theirs in zip(written, captions)) > 5",
    "training_loop": "result.best < 0.05 and [r['split'] for r in records].count('valid') == 3",
    "why_gates": "fades['LSTM, forget bias 0'][50] < 1e-6 < 0.01 < fades['LSTM, chrono'][50]",
}


def _marks(page):
    return [] if page.name == "README.md" else [pytest.mark.full]


RUN = [pytest.param(page, marks=_marks(page), id=_name(page)) for page in PAGES if _blocks(page)]


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for number, block in enumerate(_blocks(page), 1):
        exec(compile(block, f"{_name(page)}, block {number}", "exec"), names)
    if page.parent.name == "tutorials" or page.stem in SHOWN:
        assert eval(SHOWN[page.stem], names)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def _anchors(page):
    """The anchors of a page's headings, and of what its API directives show."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())) for title in titles}
    return slugs | set(re.findall(r"^::: (\S+)", text, re.MULTILINE))


# What the site does not show by itself, and so does not check.
OUTSIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


@pytest.mark.parametrize("page", [*OUTSIDE, *PAGES[1:]], ids=_name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.suffix == ".ipynb":  # made of the Markdown file
            target = target.with_suffix(".md")
        assert target.is_file(), link
        if target == DOCS / "contributing.md":  # includes this file
            target = ROOT / "CONTRIBUTING.md"
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"\S+\.md", nav)
    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in PAGES[1:]]


MODULES = ["", *rx._ROOMS, "initializers"]


def _public_names(module):
    """What a room exports, as `X as X`, or what a module defines."""
    path = ROOT / "rnnjax" / module
    if path.is_dir():
        return re.findall(r"\b(\w+) as \1\b", (path / "__init__.py").read_text("utf-8"))
    return re.findall(r"^(?:def|class) ([^_]\w*)", path.with_suffix(".py").read_text("utf-8"), re.M)


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_shows_every_public_name(module):
    pages = "".join(page.read_text("utf-8") for page in DOCS.glob("api/*.md"))
    shown = set(re.findall(r"^::: (\S+)", pages, re.M))
    names = _public_names(module)
    assert names
    for name in names:
        room = f"rnnjax.{module}".rstrip(".")
        twin = f".{name}.{name}"  # a function whose module has its name
        assert {room, f"{room}.{name}"} & shown or any(
            each.startswith(f"{room}.{name}.") or each.endswith(twin) for each in shown
        ), name
