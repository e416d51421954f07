"""How a GGUF file is quantised, from its header alone: the `gguf` package would read the whole vocabulary first."""

import struct
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO

LONGEST = 1 << 24
"""Bytes of a string at most; a damaged header could ask for any number."""
STRING, ARRAY = 8, 9
FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def file_type(path: Path) -> str:
    """The file type (`Q4_1`, `F32`), or "of unknown type" where the file does not say.

    Raises `ValueError` for what is no GGUF file, `OSError` for one that cannot be read.
    """
    from gguf import LlamaFileType

    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError("it is no GGUF file")
        try:
            _, _, fields = _read(file, "<I"), _read(file, "<Q"), _read(file, "<Q")
            for _ in range(int(fields)):
                name = file.read(_length(file))
                value = _value(file, int(_read(file, "<I")))
                if name == b"general.file_type" and isinstance(value, int):
                    return str(LlamaFileType(value).name.removeprefix("MOSTLY_").removeprefix("ALL_"))
        except (struct.error, KeyError) as error:
            raise ValueError("its header is damaged, or cut short") from error
    return "of unknown type"


def _read(file: BinaryIO, kind: str) -> float:
    value: float = struct.unpack(kind, file.read(struct.calcsize(kind)))[0]
    return value


def _length(file: BinaryIO) -> int:
    length = int(_read(file, "<Q"))
    if length > LONGEST:
        raise ValueError("its header is damaged")
    return length


def _value(file: BinaryIO, kind: int) -> float | None:
    """A number; strings and arrays are passed over."""
    if kind == STRING:
        file.seek(_length(file), SEEK_CUR)
        return None
    if kind == ARRAY:
        inner, count = int(_read(file, "<I")), int(_read(file, "<Q"))
        for _ in range(count):
            _value(file, inner)
        return None
    return _read(file, FORMATS[kind])
