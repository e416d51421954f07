"""Words that are one slip of the fingers apart. Pure functions."""


def is_slip(word: str, other: str) -> bool:
    """Whether one edit makes one word of the other, whatever their case: a letter more, less or another, or two
    neighbours swapped (F. J. Damerau, 1964). No word is a slip of itself.

    >>> is_slip("sitser", "sister"), is_slip("lader", "ladder"), is_slip("flew", "fly")
    (True, True, False)
    """
    short, long = sorted((word.casefold(), other.casefold()), key=len)
    if len(long) - len(short) > 1 or short == long:
        return False
    first = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    short, long = short[first:], long[first:]
    if len(short) < len(long):
        return short == long[1:]
    return short[1:] == long[1:] or (short[1::-1] == long[:2] and short[2:] == long[2:])
