"""The tokens that would not fit a gap's place: the same as by trying every one."""

import random
from functools import partial

import pytest

from sedd_cli import Checkpoint
from sedd_cli.text.byte_level import finish_gap
from sedd_cli.text.edge_tokens import EdgeTokens
from sedd_cli.text.gap_style import FaultKind, GapStyle

WORDS = ("the", "He", "The", "cat", "a", "3rd", "it's", "straße", "“Hi", "ing", "s", "I", "x", "")
BETWEEN = ("", " ", "\n", "\r\n", ", ", ". ", ".", '."', ' "', "(", ")", "-", "  ", "\t", "!", "\n    ")
KINDS: tuple[FaultKind, ...] = ("left", "right", "run-on", "case", "indentation", "balance")
RARE = (
    "3abc",
    "iPhone",
    "McDonaldAgain",
    "'s",
    "’",
    " ‘the",
    "\t\n",
    "É",
    "Straße",
    "STRASSE",
    "中",
    "_a",
    ".\n",
    ". a",
    '("',
    "e\u0301",
    "\u00a0cat",
    "    return",
    "   ",
    '")',
    "()",
    "]({",
    " `",
    "`The",
    " «Da",
)


def spoils(
    text: str, kind: FaultKind, neighbours: tuple[str, str, str], ends: tuple[str, str], limits: dict[str, bool]
) -> bool:
    (before, after, original), (head, tail) = neighbours, ends
    style = GapStyle(before + original + after, len(before), len(before + original))
    written = finish_gap(f"{head}{text}{tail}", **limits, newline="\n")
    return style.faults(before, written, after).get(kind, 0) > (kind == "balance")


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 16])
def test_groups_of_tokens_say_what_each_of_them_does(built_in: Checkpoint, every: int) -> None:
    assert built_in.tokenizer is not None
    texts = [*(built_in.tokenizer.decode([i]) for i in range(0, built_in.tokenizer.size, every)), *RARE]
    tokens, rng = EdgeTokens(texts), random.Random(0)

    def some(count: int) -> str:
        return "".join(rng.choice(WORDS) + rng.choice(BETWEEN) for _ in range(count))

    for number in range(90):
        neighbours = some(2), rng.choice(BETWEEN) + some(1), rng.choice(("", some(1), rng.choice(WORDS)))
        other = rng.choice(("", rng.choice(WORDS), some(1), rng.choice(BETWEEN)))
        kind = KINDS[number % len(KINDS)]
        ends = rng.choice((("", other), (other, ""), ("", ""), (some(1), other)))
        limits = {"absorbs_space": rng.random() < 0.5, "adds_space": rng.random() < 0.3}
        holds = partial(spoils, kind=kind, neighbours=neighbours, ends=ends, limits=limits)
        plainly = [token for token, text in enumerate(texts) if holds(text)]
        (before, after, original) = neighbours
        style = GapStyle(before + original + after, len(before), len(before + original))
        found = tokens.where(holds, *neighbours[:2], tokens.capitals_of(style.letter.common))
        assert found == plainly, (kind, neighbours, ends, limits)


def test_few_tokens_are_tried(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    texts = [built_in.tokenizer.decode([i]) for i in range(built_in.tokenizer.size)]
    tried: list[str] = []
    EdgeTokens(texts).where(lambda text: bool(tried.append(text)), "He saw the ", " dog.")
    assert {" the", " th", "he", " dog"} <= {*tried} and len(tried) < len(texts) / 20
