"""Change values in a TOML file that a user wrote; everything else is unchanged, to the byte."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, SingleKey, Table, Whitespace

from sedd_cli.tui.nested import leaves


def updated(text: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Returns the text with these values; None removes a line, an absent value equal to its default gets none.

    A value that is a mapping is (part of) a table of strings; its keys may have dots. Comments, order, line endings
    and keys that are not in `values` stay. Raises `ValueError` if the text is not TOML.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    try:
        document = tomlkit.parse(text.removeprefix(mark))
    except TOMLKitError as error:
        # Not all of these are ValueErrors.
        raise ValueError(str(error)) from error
    current = document.unwrap()
    missing: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            _update_table(document, name, value)
        elif name not in current:
            if value != defaults[name]:
                missing[name] = value
        elif value is None:
            _unset(document, name)
        elif not _same(current[name], value):
            document[name] = value
    new = mark + _with(tomlkit.dumps(document), missing)
    return new.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else new


def _same(current: object, value: object) -> bool:
    # True == 1 in Python, not in TOML.
    return current == value and isinstance(current, bool) == isinstance(value, bool)


def _unset(document: tomlkit.TOMLDocument, name: str) -> None:
    """Remove a line, but not the comment that stands on it."""
    at, item = next((i, item) for i, (key, item) in enumerate(document.body) if key is not None and key.key == name)
    document.remove(name)
    if item.trivia.comment:
        document.body[at] = (None, Comment(item.trivia))


def _update_table(document: tomlkit.TOMLDocument, name: str, values: Mapping[str, str | None]) -> None:
    current = document.get(name)
    if not isinstance(current, MutableMapping):
        if new := {key: value for key, value in values.items() if value is not None}:
            document[name] = new
        return
    places = {".".join(path): path for path, _ in leaves(current)}
    for key, value in values.items():
        *path, last = places.get(key, (key,))
        table: Any = current
        for part in path:
            table = table[part]
        if value is None:
            table.pop(last, None)
        elif key not in places or table[last] != value:
            table[last] = value


def _with(text: str, values: Mapping[str, Any]) -> str:
    """Insert new lines after the last one at the top level: tomlkit would separate a table from its comment."""
    if not values:
        return text
    document = tomlkit.parse(text if text.endswith("\n") or not text else f"{text}\n")
    body = document.body
    tables = [i for i, (_, item) in enumerate(body) if isinstance(item, Table | AoT)]
    at = tables[0] if tables else len(body)
    while tables and at and isinstance(body[at - 1][1], Comment):
        at -= 1
    gap = bool(tables)
    while tables and at and isinstance(body[at - 1][1], Whitespace):
        at, gap = at - 1, False
    body[at:at] = [(SingleKey(name), tomlkit.item(value)) for name, value in values.items()]
    if gap:
        body.insert(at + len(values), (None, Whitespace("\n")))
    return tomlkit.dumps(document)
