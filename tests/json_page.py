"""docs/json.md read as a schema: every key of a record stands there with its type, and every key there is in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "json.md"
_ROW = re.compile(r"^\| `([^`]+)` \| ([a-z ]+?)(, may be missing)? \|", re.MULTILINE)
SEVERAL = {"results": "data sets", "documents": "documents"}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "object": dict,
}


@dataclass
class Node:
    """A place in a record: its types, keys (`[]`: items, `*`: any key), and whether it may be missing."""

    types: tuple[str, ...] = ()
    optional: bool = False
    keys: dict[str, "Node"] = field(default_factory=dict)

    @property
    def may_be_missing(self) -> bool:
        return self.optional if not self.keys else all(node.may_be_missing for node in self.keys.values())


@cache
def schemas() -> dict[str, Node]:
    """The schema of each section of the page."""
    _, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {section.partition("\n")[0].replace("`", ""): _tree(section) for section in sections}


def _tree(section: str) -> Node:
    root = Node()
    for path, types, missing in _ROW.findall(section):
        node = root
        for key in path.replace("[]", ".[]").split("."):
            node = node.keys.setdefault(key, Node())
        assert not node.types, f"{path} stands there twice"
        node.types, node.optional = tuple(types.split(" or ")), bool(missing)
    return root


def section_of(arguments: Sequence[str], record: Mapping[str, object]) -> str:
    """The section of the record that a command printed."""
    words = arguments[:2] if arguments[0] in ("eval", "models") else arguments[:1]
    several = next((f", several {name}" for key, name in SEVERAL.items() if isinstance(record.get(key), list)), "")
    return f"sedd {' '.join(words)}{several}"


def faults(arguments: Sequence[str], record: Mapping[str, object]) -> list[str]:
    """Where the record that a command printed differs from its section of the page."""
    return list(_faults(schemas()[section_of(arguments, record)], record, ""))


def _faults(node: Node, value: object, path: str) -> Iterator[str]:
    if "any" in node.types:
        return
    if value is None and "null" in node.types:
        return
    if not node.keys:
        if not any(
            isinstance(value, _TYPES[name]) and (name == "boolean") == isinstance(value, bool) for name in node.types
        ):
            yield f"{path} is {value!r}, not {' or '.join(node.types)}"
    elif "[]" in node.keys:
        if not isinstance(value, list):
            yield f"{path} is no array"
            return
        for item in value:
            yield from _faults(node.keys["[]"], item, f"{path}[]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            known = node.keys.get(key) or node.keys.get("*")
            if known is None:
                yield f"{path}.{key} is not in docs/json.md"
            else:
                yield from _faults(known, inner, f"{path}.{key}")
        for key, known in node.keys.items():
            if key not in ("*", *value) and not known.may_be_missing:
                yield f"{path}.{key} is missing"
    else:
        yield f"{path} is no object"
