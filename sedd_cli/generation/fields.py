"""Validated access to the fields of an untrusted JSON record."""

import json
from dataclasses import dataclass
from typing import NoReturn

from sedd_cli.errors import NotLoadableError
from sedd_cli.text.byte_level import token_to_bytes

MOST = 2**53
"""Maximum of positions, ids and counts: JSON readers agree on integers up to here."""
DAMAGED = "The file is damaged, or was changed: record the run again with --trace."


@dataclass
class Fields:
    """A record and its place in the file, with a reader for each kind of field; all raise `NotLoadableError`."""

    record: dict[str, object]
    where: str

    @classmethod
    def of(cls, line: bytes, where: str) -> "Fields":
        try:
            record = json.loads(line.decode(), parse_constant=_no_number)
            # JSON can hold a lone surrogate, which UTF-8 cannot.
            if b"\\u" in line:
                json.dumps(record, ensure_ascii=False).encode()
        except UnicodeError:
            raise NotLoadableError(f"{where}: not UTF-8", DAMAGED) from None
        except (ValueError, RecursionError) as error:
            raise NotLoadableError(f"{where}: not JSON ({error})", DAMAGED) from None
        if not isinstance(record, dict):
            raise NotLoadableError(f"{where}: not a JSON object", DAMAGED)
        return cls(record, where)

    def fail(self, fault: str) -> NoReturn:
        raise NotLoadableError(f"{self.where}: {fault}", DAMAGED)

    def get(self, key: str) -> object:
        if key not in self.record:
            self.fail(f"no {key!r}")
        return self.record[key]

    def inner(self, key: str) -> "Fields":
        return self._object(self.get(key), f"{key!r}")

    def objects(self, key: str) -> list["Fields"]:
        return [self._object(item, f"{key!r}[{i}]") for i, item in enumerate(self._list(key))]

    def text(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else self.fail(f"{key!r} is no text")

    def optional_text(self, key: str) -> str | None:
        return None if self.record.get(key) is None else self.text(key)

    def whole(self, key: str, least: float = 0, most: float = MOST) -> int:
        return self._whole(self.get(key), key, least, most)

    def optional_whole(self, key: str) -> int | None:
        return None if self.get(key) is None else self.whole(key)

    def wholes(self, key: str, most: float = MOST) -> tuple[int, ...]:
        return tuple(self._whole(item, key, 0, most) for item in self._list(key))

    def positions(self, key: str, length: int) -> tuple[int, ...]:
        """Distinct positions on a canvas."""
        positions = self.wholes(key, length - 1)
        if len(set(positions)) < len(positions):
            self.fail(f"a position stands twice in {key!r}")
        return positions

    def number(self, key: str, least: float, most: float) -> float:
        return self._number(self.get(key), key, least, most)

    def numbers(self, key: str, count: int, least: float, most: float) -> tuple[float, ...]:
        return tuple(self._number(item, key, least, most) for item in self._counted(key, count))

    def tokens(self, count: int, mask_id: int | None) -> tuple[tuple[int, ...], tuple[bytes | None, ...]]:
        """Token ids and the bytes of each; without a tokenizer the bytes are the id in decimal."""
        self._counted("ids", count)
        ids, pieces = self.wholes("ids"), self._counted("pieces", count)
        return ids, tuple(None if i == mask_id else self._bytes(i, piece) for i, piece in zip(ids, pieces, strict=True))

    def _bytes(self, token: int, piece: object) -> bytes:
        if piece is None:
            return f" {token}".encode()
        if not isinstance(piece, str):
            self.fail("'pieces' holds what is no text")
        try:
            return token_to_bytes(piece)
        except KeyError:
            return piece.encode()

    def _object(self, value: object, name: str) -> "Fields":
        return Fields(value, f"{self.where}, {name}") if isinstance(value, dict) else self.fail(f"{name} is no object")

    def _list(self, key: str) -> list[object]:
        value = self.get(key)
        return value if isinstance(value, list) else self.fail(f"{key!r} is no list")

    def _counted(self, key: str, count: int) -> list[object]:
        items = self._list(key)
        return items if len(items) == count else self.fail(f"{key!r} has {len(items)} entries, not {count}")

    def _whole(self, value: object, key: str, least: float, most: float) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"{key!r} holds what is no whole number")
        if not least <= value <= most:
            self.fail(f"{key!r} is out of range ({least:g} to {most:g}): {_short(value)}")
        return value

    def _number(self, value: object, key: str, least: float, most: float) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.fail(f"{key!r} holds what is no number")
        if not least <= value <= most:
            self.fail(f"{key!r} is out of range ({least:g} to {most:g}): {_short(value)}")
        return float(value)


def _short(value: float) -> str:
    return str(value) if -MOST <= value <= MOST else "far too large"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
