"""One slip of the fingers: the same as a distance of one edit, swaps among them."""

from itertools import product

from sedd_cli.text.spelling import is_slip


def distance(a: str, b: str) -> int:
    """Edits between two words, neighbours swapped counting as one (optimal string alignment)."""
    rows = [[i + j if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        edits = [rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])]
        if i > 1 and j > 1 and a[i - 2 : i] == b[j - 2 : j][::-1]:
            edits.append(rows[i - 2][j - 2] + 1)
        rows[i][j] = min(edits)
    return rows[-1][-1]


def test_a_slip_is_one_edit() -> None:
    words = ["".join(letters) for size in range(5) for letters in product("abc", repeat=size)]
    assert all(is_slip(a, b) == (distance(a, b) == 1) for a in words for b in words)
    assert is_slip("Sitser", "sister") and not is_slip("Sister", "sister")
