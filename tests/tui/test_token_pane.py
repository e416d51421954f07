"""What the token pane says, without a screen: percents, signs for blanks, the rest summed up."""

from dataclasses import replace

import pytest
import torch
from textual.geometry import Region, Size

from sedd_cli import Checkpoint
from sedd_cli.generation.alternatives import Alternatives
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.tui.placement import beside
from sedd_cli.tui.token_text import percent_to_tenth, token_label
from sedd_cli.tui.widgets.inspector import InspectedToken, LatestToken, pane_text, report_of
from sedd_cli.tui.wrapping import width_of


@pytest.fixture(scope="module")
def tokenizer(built_in: Checkpoint) -> Tokenizer:
    assert built_in.tokenizer is not None
    return built_in.tokenizer


def token(tokenizer: Tokenizer, text: str) -> int:
    (id,) = tokenizer.encode(text)
    return id


@pytest.fixture
def park(tokenizer: Tokenizer) -> InspectedToken:
    """Written at step 123; ten tokens of 1% each and many of next to nothing could stand there too."""
    law = torch.full((tokenizer.size,), 0.08 / (tokenizer.size - 13))
    ids = [token(tokenizer, word) for word in (" park", " store", " beach")]
    law[torch.tensor(ids)] = torch.tensor([0.6, 0.2, 0.02])
    law[100:110] = 0.01
    best = law.topk(20)
    alternatives = Alternatives(best.indices.tolist(), best.values.tolist(), 1.5, 0.6, law)
    return InspectedToken(ids[0], tokenizer, False, False, False, 123, 0.998, alternatives)


def text_of(shown: InspectedToken | LatestToken, width: int, height: int) -> str:
    return pane_text(report_of(shown), width, height).plain


def test_probabilities_are_percents_to_a_tenth() -> None:
    shares = (0.998, 0.99996, 1, 0.064, 0.0005, 0.0004, 1e-12, 0)
    assert [percent_to_tenth(p) for p in shares] == ["99.8%", "100%", "100%", "6.4%", "0.1%", "<0.1%", "<0.1%", "0%"]


def test_blanks_and_line_ends_are_signs(tokenizer: Tokenizer) -> None:
    assert token_label(tokenizer, token(tokenizer, " park")) == "·park"
    assert token_label(tokenizer, token(tokenizer, "\n")) == "↵"
    assert tokenizer.end_of_text_id is not None
    assert token_label(tokenizer, tokenizer.end_of_text_id) == "¶ end of text"
    assert token_label(None, 7) == "7"


def test_a_low_pane_has_the_story_and_three_alternatives_in_a_row(park: InspectedToken) -> None:
    assert text_of(park, 74, 3) == (
        "·park   written at step 123, 99.8% sure; now 60.0%\n·park 60.0%   ·store 20.0%   ·beach 2.0%   10 others 18.0%"
    )
    for width in range(12, 80):
        assert all(width_of(line) <= width for line in text_of(park, width, 3).split("\n")[2:])
    assert text_of(park, 36, 3) == "·park   99.8% sure; now 60.0%\n·park 60.0%   ·store 20.0%"


def test_a_high_pane_lists_them_below_one_another(park: InspectedToken) -> None:
    lines = text_of(park, 32, 9).split("\n")
    assert lines[:2] == ["·park", "written at step 123, 99.8% sure; now 60.0%"]
    assert [line.split() for line in lines[2:5]] == [
        *(["60.0%", "████████", "·park"], ["20.0%", "██▋", "·store"], ["2.0%", "▎", "·beach"]),
    ]
    # Two rows of a long story, five alternatives, and the rest.
    assert len(lines) == 8 and lines[-1].split() == ["16.0%", "8", "others"]


def test_the_shares_of_a_pane_are_all_there_is(park: InspectedToken) -> None:
    report = report_of(park)
    for shown in range(1, 14):
        others = report.others(shown)
        assert others is not None and report.shares is not None
        assert sum(s.probability for s in report.shares[:shown]) + others.probability == pytest.approx(1)
    others = report.others(13)
    assert others is not None and others.label == "others", "each of them reads <0.1%"


def test_who_holds_a_token_is_told(park: InspectedToken) -> None:
    assert text_of(replace(park, locked=True), 74, 3).startswith("·park  locked   written at step 123")
    yours = replace(park, locked=True, given=True, step=None)
    assert text_of(yours, 74, 3).startswith("·park  yours   your text; now 60.0%")
    assert "chosen by you; now" in text_of(replace(park, locked=True, step=None), 74, 3)
    masked = replace(park, masked=True, step=None, alternatives=None)
    assert text_of(masked, 74, 3) == "MASK   not written yet\n…"


def test_entropy_is_a_detail(park: InspectedToken) -> None:
    assert "entropy" not in text_of(park, 74, 3)
    assert "; now 60.0%; entropy 1.50 nats" in pane_text(report_of(park, detailed=True), 90, 3).plain


def test_the_latest_word_stands_beside_the_two_that_it_beat(tokenizer: Tokenizer) -> None:
    ids = [token(tokenizer, word) for word in (" park", " store", " beach")]
    top = tuple(zip(ids, (0.5, 0.25, 0.125), strict=True))
    first = LatestToken(ids[0], tokenizer, 7, 0.5, top)
    assert text_of(first, 74, 3) == "·park   written at step 7, 50.0% sure\n·park 50.0%   ·store 25.0%   ·beach 12.5%"
    # One that was less likely than all of them.
    late = LatestToken(token(tokenizer, " dog"), tokenizer, 7, 0.03, top, written=4)
    assert text_of(late, 74, 3) == (
        "·dog   written at step 7, 3.0% sure, with 3 more\n·dog 3.0%   ·park 50.0%   ·store 25.0%"
    )


@pytest.mark.parametrize("screen", [Size(40, 12), Size(80, 24), Size(200, 50)])
def test_a_popup_covers_its_word_only_where_there_is_no_other_place(screen: Size) -> None:
    wanted = Size(44, 14)
    for y in range(screen.height):
        for x in (0, screen.width // 2, screen.width - 5):
            word = Region(x, y, 5, 1)
            place = beside(word, screen, wanted)
            assert screen.region.contains_region(place) and place.height >= min(6, screen.height)
            room = max(y, screen.height - y - 1)
            assert not place.overlaps(word) or room < 6
            assert place.height == min(wanted.height, room) or room < 6
