"""Changing a TOML file that a user wrote: everything else stays as it is, to the byte."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, SingleKey, Table, Whitespace

from sedd_cli.tui.settings import leaves


def updated(text: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The text with these values; one that is None has no line, one that is absent and the default gets none.

    A value that is a mapping is (part of) a table of strings; its keys may have dots. Comments, order, line endings
    and keys that are not in `values` stay. Raises `ValueError` for what is no TOML.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    try:
        document = tomlkit.parse(text.removeprefix(mark))
    except TOMLKitError as error:
        # Not all of these are ValueErrors.
        raise ValueError(str(error)) from error
    held = document.unwrap()
    missing: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            _update_table(document, name, value)
        elif name not in held:
            if value != defaults[name]:
                missing[name] = value
        elif value is None:
            _unset(document, name)
        elif not _same(held[name], value):
            document[name] = value
    new = mark + _with(tomlkit.dumps(document), missing)
    return new.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else new


def _same(held: object, value: object) -> bool:
    # True == 1 in Python, not in TOML.
    return held == value and isinstance(held, bool) == isinstance(value, bool)


def _unset(document: tomlkit.TOMLDocument, name: str) -> None:
    """Remove a line, but not the comment that stands on it."""
    at, item = next((i, item) for i, (key, item) in enumerate(document.body) if key is not None and key.key == name)
    document.remove(name)
    if item.trivia.comment:
        document.body[at] = (None, Comment(item.trivia))


def _update_table(document: tomlkit.TOMLDocument, name: str, values: Mapping[str, str | None]) -> None:
    held = document.get(name)
    if not isinstance(held, MutableMapping):
        if new := {key: value for key, value in values.items() if value is not None}:
            document[name] = new
        return
    places = {".".join(path): path for path, _ in leaves(held)}
    for key, value in values.items():
        *path, last = places.get(key, (key,))
        table: Any = held
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
