"""Make text from outside safe to print: control characters become visible symbols."""

_C0 = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_OTHER = [0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SIGNS = {**dict.fromkeys(_OTHER, "\N{SYMBOL FOR SUBSTITUTE FORM TWO}"), **_C0}


def inert(text: str) -> str:
    """Replace control characters (ESC by `␛`), C1 controls and directional overrides. Newlines and tabs stay."""
    return text.translate(_SIGNS)


def one_line(text: str) -> str:
    """Like `inert`, but newlines and tabs are replaced too."""
    return inert(text).replace("\n", "␊").replace("\t", "␉")
