"""What the documents point at is there: files, and the functions that they name. No torch is needed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^(`{3,}).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[([^\[\]]*)\]\(([^()\s]+)\)")
MATHS = re.compile(r"\$\$.+?\$\$|(?<![\\$`])\$[^$`\n]+\$", re.DOTALL)

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def text_of(document: Path) -> str:
    """A document without its fenced blocks, where nothing is a link or a formula."""
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def relative_links(document: Path) -> Iterator[tuple[str, Path]]:
    """Text and target of each link that stays in the repository."""
    for text, target in LINK.findall(text_of(document)):
        path = target.partition("#")[0]
        if path and "://" not in target and not target.startswith("mailto:"):
            yield text, document.parent / path


def defined_in(source: Path) -> set[str]:
    """What a module defines: functions, classes, constants; and in its classes `Class.method`, `Class.field`."""

    def names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + node.name
            elif isinstance(node, ast.ClassDef):
                yield prefix + node.name
                yield from names(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (prefix + t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name))

    return set(names(ast.parse(source.read_text(encoding="utf-8")).body))


def faults_of(document: Path) -> list[str]:
    """Links of a document that lead nowhere, and names that their module does not define."""
    faults = []
    for text, path in relative_links(document):
        if not path.exists():
            faults.append(f"no file {path}")
        elif path.suffix == ".py" and text.startswith("`") and text.strip("`") not in defined_in(path):
            faults.append(f"no {text} in {path}")
    return faults


@every_document
def test_links_lead_to_files_and_name_what_is_there(document: Path) -> None:
    assert faults_of(document) == []


@every_document
def test_formulas_survive_markdown(document: Path) -> None:
    """GitHub may read Markdown before it reads formulas: none of their signs may mean anything there."""
    text = text_of(document)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or []]
    plain = "".join("\n" if child.type == "softbreak" else child.content for child in inline)
    assert [f for f in MATHS.findall(text) if f.strip() not in plain] == []


def test_theory_names_the_code() -> None:
    """Lest the two tests above have nothing to find."""
    theory = ROOT / "docs" / "theory.md"
    named = {path.name for text, path in relative_links(theory) if text.startswith("`")}
    assert {"processes.py", "schedules.py", "score_entropy.py", "objectives.py", "likelihood.py", "d3pm.py"} <= named
    assert len(MATHS.findall(text_of(theory))) > 100


SOURCE = """
LIMIT, _low = 1, 2
@decorated
class Kept:
    field: int = 3
    def method(self): ...
    @property
    async def later(self): ...
def function():
    inner = 4
"""


@pytest.mark.parametrize("name", ["LIMIT", "_low", "Kept", "Kept.field", "Kept.method", "Kept.later", "function"])
def test_a_name_is_missed_once_it_is_renamed(tmp_path: Path, name: str) -> None:
    source, document = tmp_path / "code.py", tmp_path / "page.md"
    source.write_text(SOURCE)
    document.write_text(f"[`{name}`](code.py)")
    assert faults_of(document) == []
    last = name.rpartition(".")[2]
    source.write_text(re.sub(rf"\b{last}\b", f"{last}_", SOURCE))
    assert faults_of(document) == [f"no `{name}` in {source}"]


@pytest.mark.parametrize("link", ["[gone](gone.md)", "![gone](gone.svg)", "[`inner`](code.py)", "[`gone`](code.py#L1)"])
def test_what_is_not_there_is_found(tmp_path: Path, link: str) -> None:
    (tmp_path / "code.py").write_text(SOURCE)
    page = tmp_path / "page.md"
    page.write_text(f"See {link}, [this](code.py), [`that` elsewhere](https://example.org/gone) and [above](#here).\n")
    assert len(faults_of(page)) == 1
    page.write_text(f"```\n{link}\n```\n")
    assert faults_of(page) == []


def test_a_formula_that_markdown_eats_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Here $\\bar{s}_y$ and $q_{y}$ are.")
    with pytest.raises(AssertionError):
        test_formulas_survive_markdown(page)
