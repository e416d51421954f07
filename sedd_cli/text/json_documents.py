"""Documents in JSON: an array of texts or objects, or one of them a line."""

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from sedd_cli.errors import UsageError
from sedd_cli.text.encodings import read_lines

JsonKind = Literal["JSON lines", "JSON array"]

TEXT_KEYS = ("text", "content", "story", "body")
"""Where the text of an object is looked for, in this order."""
LINES_HINT = 'Each line reads like {"text": "..."}.'

_ARRAY = re.compile(r'\s*\[\s*[{"]')
_Record = tuple[str, object]
"""Where a record is, and what it is."""


class NoTextsError(UsageError):
    """A file is JSON, but no corpus: settings or metadata, say."""


def json_kind(file: Path, text_key: str | None, *, named: bool) -> JsonKind | None:
    """How a file is JSON; None if it is plain text. `named`: whether its name says that it is JSON.

    Otherwise it is JSON if its first line is an object with a text, or all of it an array of objects or texts.
    """
    lines = (line for line in read_lines(file) if line.strip())
    first = next(lines, "").lstrip()
    if not first:
        return None
    if named:
        # An object over several lines is no corpus, which reading it as a whole finds out.
        return "JSON array" if first[0] == "[" or (first[0] == "{" and _parsed(first) is None) else "JSON lines"
    if first[0] == "{":
        record = _parsed(first)
        return "JSON lines" if isinstance(record, dict) and _key(record, text_key) else None
    if _ARRAY.match(first + next(lines, "")):
        items = _parsed("".join(read_lines(file)))
        return "JSON array" if isinstance(items, list) and all(isinstance(item, dict | str) for item in items) else None
    return None


def read_json(file: Path, kind: JsonKind, text_key: str | None) -> tuple[str | None, Iterator[str]]:
    """The key that holds the texts (None: the records are texts), and the texts, also empty ones.

    `text_key`: the key to read; None: the first of `TEXT_KEYS` that the first record has. An array is parsed as a
    whole, lines are one by one. Raises `NoTextsError` if the first record has no text, and, while reading, `UsageError`
    for a later one without.
    """
    records = json_lines(file) if kind == "JSON lines" else _items(file)
    first = next(records, None)
    if first is None:
        return text_key, iter(())
    where, record = first
    key = _key(record, text_key) if isinstance(record, dict) else None
    if key is None and not isinstance(record, str):
        raise NoTextsError(f"{where} has no {_wanted(text_key)}", _keys_hint(record))
    return key, (_text(where, record, key) for where, record in chain([first], records))


def read_jsonl(file: Path) -> Iterator[str]:
    """Yield the "text" of each line, also if empty; skip blank lines. Raises `UsageError` for a line without one."""
    return (_text(where, record, "text") for where, record in json_lines(file))


def json_lines(file: Path) -> Iterator[_Record]:
    """Yield where each record of JSON lines is, and what it is. Raises `UsageError` for a line that is not JSON."""
    for number, line in enumerate(read_lines(file), start=1):
        if line.strip():
            try:
                yield f"{file}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{file}:{number} is not JSON: {_reason(error)}", "A .jsonl file has one object a line."
                ) from None


def _items(file: Path) -> Iterator[_Record]:
    text = "".join(read_lines(file))
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = UsageError if text.lstrip().startswith("[") else NoTextsError
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise kind(f"{file}{place} is not JSON: {_reason(error)}", _keys_hint(None)) from None
    if not isinstance(items, list):
        raise NoTextsError(f"{file} is a single JSON object, not an array of them", _keys_hint(None))
    for number, item in enumerate(items, start=1):
        yield f"{file}, item {number},", item


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _key(record: dict[str, object], wanted: str | None) -> str | None:
    """The key of the text of a record, None if it has none."""
    keys = TEXT_KEYS if wanted is None else (wanted,)
    return next((key for key in keys if isinstance(record.get(key), str)), None)


def _text(where: str, record: object, key: str | None) -> str:
    text = record.get(key) if isinstance(record, dict) and key is not None else record
    if not isinstance(text, str):
        raise UsageError(f"{where} has no {_wanted(key)}", LINES_HINT)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{where} holds half a surrogate pair", "Write the character whole.") from None
    return text


def _wanted(key: str | None) -> str:
    return " or ".join(f'"{name}"' for name in (TEXT_KEYS if key is None else (key,)))


def _keys_hint(record: object) -> str:
    if isinstance(record, dict) and record:
        keys = ", ".join(islice(map(str, record), 8)) + (", ..." if len(record) > 8 else "")
        return f"Its keys are {keys}: name that of the text by --text-key."
    return f"A corpus in JSON is an array of texts or objects, or one of them a line. {LINES_HINT}"
