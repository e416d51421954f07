"""Documents to cut spans out of: files and folders of prose, Markdown and code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.evaluation.names import TextKind
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.corpus_files import JSON_SUFFIXES, TEXT_SUFFIXES, suffix_of
from sedd_cli.text.document import read_file

MARKDOWN_SUFFIXES = (".md", ".markdown")
PYTHON_SUFFIXES = (".py", ".pyi")
CODE_SUFFIXES = (
    *(".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".css", ".go", ".java", ".js", ".jsx", ".kt", ".lua", ".php"),
    *(".pl", ".r", ".rb", ".rs", ".scala", ".sh", ".sql", ".swift", ".ts", ".tsx"),
)
READ_IN_FOLDERS = frozenset((*TEXT_SUFFIXES, *JSON_SUFFIXES, *PYTHON_SUFFIXES, *CODE_SUFFIXES))


@dataclass(frozen=True)
class Source:
    """A document, its name and what kind of text it is."""

    name: str
    kind: TextKind
    text: str


def read_sources(paths: Sequence[str]) -> list[Source]:
    """The documents of files and folders, in order. In a folder, what is no text is left out.

    A file is one document, unless it has lines `<|endoftext|>` or is JSON. Raises `NotLoadableError` for what cannot be
    read, `UsageError` for what is no text or holds none.
    """
    sources = [source for path in map(Path, paths) for source in _read(path)]
    if not sources:
        raise UsageError(f"{', '.join(paths)}: there is no text", "Name text files, or a folder of them.")
    return sources


def kind_of(path: Path) -> TextKind:
    suffix = suffix_of(path)
    if suffix in MARKDOWN_SUFFIXES:
        return "markdown"
    if suffix in PYTHON_SUFFIXES:
        return "python"
    return "code" if suffix in CODE_SUFFIXES else "prose"


def _read(path: Path) -> Iterator[Source]:
    if not path.is_dir():
        yield from _documents(path, path.name)
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if any(part.startswith(".") for part in name.parts) or suffix_of(file) not in READ_IN_FOLDERS:
            continue
        try:
            yield from _documents(file, name.as_posix())
        except (UsageError, NotLoadableError):
            continue


def _documents(path: Path, name: str) -> Iterator[Source]:
    kind, texts = kind_of(path), list(_texts(path))
    for number, text in enumerate(texts, 1):
        if text.strip():
            yield Source(name if len(texts) == 1 else f"{name}:{number}", kind, text)


def _texts(path: Path) -> Iterator[str]:
    if suffix_of(path) in JSON_SUFFIXES:
        yield from read_documents(path)
        return
    text = read_file(path, unpack=True).text
    if END_OF_TEXT in text.splitlines():
        yield from read_documents(path)
    else:
        yield text
