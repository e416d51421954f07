"""How what is written in a gap joins the text beside it: no word doubled or run into, a blank where one belongs."""

import re
from typing import Literal

from sedd_cli.text.words import OPENING, begins_word, is_letter, starts_with_word

Side = Literal["left", "right"]
NEAR = 64
"""Characters beside a gap that are looked at."""
STOPS = ",.;:!?"
"""Signs that end a word, a part of a sentence or a sentence."""
_OPENING = f"{OPENING}`\u201e"
_LAST_WORD = re.compile(r"([^\W\d_][\w'\u2019]*)([^\S\r\n]*)\Z")
_FIRST_WORD = re.compile(r"([^\S\r\n]*)([^\W\d_][\w'\u2019]*)")
_LONE_STOP = re.compile(rf"[{STOPS}](?:\s|\Z)")


def faulty_sides(before: str, text: str, after: str, original: str) -> frozenset[Side]:
    """The sides on which what was written in the place of `original` ("": it is inserted) joins its neighbours badly.

    What `original` did itself is no fault. A gap of which only blanks are seen is faulty on the left.
    """
    if not text.strip():
        return frozenset(("left",) if original.strip() or not original else ())
    faults: tuple[tuple[Side, bool], ...] = (
        ("left", _is_faulty_left(before, text, after, original)),
        ("right", _is_faulty_right(before, text, after, original)),
    )
    return frozenset(side for side, faulty in faults if faulty)


def _is_faulty_left(before: str, text: str, after: str, original: str) -> bool:
    last, first = before[-1:], text[0]
    if first.isspace():
        breaks_line = first in "\r\n" and (not last or last in "\r\n")
        stood = original[:1] in ("\r", "\n") if breaks_line else original[:1].isspace()
        return not stood and _begins_without_blank(last, original)
    if original[:1].isspace() or (not original and after and not is_letter(after[0])):
        # A blank stood there, or the cursor was behind a word.
        mid_line = original[:1].isspace() or after[:1] == " "
        if is_letter(last) and is_letter(first):
            return True
        if mid_line and last and not last.isspace() and last not in _OPENING and starts_with_word(text):
            return not is_letter(last)
    if not original or original[0] not in STOPS:
        if last and last in STOPS and first in STOPS:
            return True
        if not last.strip() and _LONE_STOP.match(text):
            return True
    return _doubles(before, text) and not _doubles(before, original)


def _begins_without_blank(last: str, original: str) -> bool:
    """Whether no blank belongs behind the character `last`, where none stood."""
    if not last.strip():
        return True
    if not original:
        return last in _OPENING
    # Other signs than letters may be replaced by what follows a word or a comma with a blank.
    return is_letter(original[0]) or not (is_letter(last) or last in STOPS)


def _is_faulty_right(before: str, text: str, after: str, original: str) -> bool:
    last, following = text[-1], after[:1]
    inserted_before_word = not original and begins_word(f"{before[-1:]}{after}", len(before[-1:]))
    if last.isspace() and not original[-1:].isspace() and not inserted_before_word:
        return True
    if original[-1:].isspace() and not last.isspace() and starts_with_word(after):
        return True
    if not original and is_letter(last) and is_letter(following) and not is_letter(before[-1:]):
        return True
    if following and following in STOPS and last in STOPS and (not original or original[-1] not in STOPS):
        return True
    return _doubles(text, after) and not _doubles(original, after)


def _doubles(left: str, right: str) -> bool:
    """Whether the last word of a text is the first one of the next, with only blanks between them."""
    last, first = _LAST_WORD.search(left), _FIRST_WORD.match(right)
    if last is None or first is None or not (last[2] or first[1]):
        return False
    return last[1].casefold() == first[2].casefold()


def last_word(text: str) -> str:
    """The word that a text ends with, whatever its case; "" if it ends with none."""
    match = _LAST_WORD.search(text)
    return match[1].casefold() if match else ""


def first_word(text: str) -> str:
    """The word that a text begins with, whatever its case; "" if it begins with none."""
    match = _FIRST_WORD.match(text)
    return match[2].casefold() if match else ""
