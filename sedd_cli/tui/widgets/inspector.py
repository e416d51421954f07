"""The token pane: a token and what else could stand there, or the latest word of a run and what it beat."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text
from textual.geometry import Region
from textual.visual import Visual, visualize
from textual.widget import Widget

from sedd_cli.tui.token_text import NOTICEABLE, percent_to_tenth, token_label
from sedd_cli.tui.wrapping import breaks

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.text.tokenizer import Tokenizer

BAR = 8
"""Width of the bar that shows a probability, in cells."""
LOW = 6
"""Below this many rows the alternatives are one row."""
IN_ONE_ROW = 3
"""The most alternatives in one row."""


@dataclass(frozen=True)
class InspectedToken:
    """A token of a canvas at a moment."""

    id: int
    tokenizer: "Tokenizer | None"
    masked: bool
    locked: bool
    given: bool
    """The user's own text: locked from the first moment on."""
    step: int | None
    """The step that wrote it; None for a token that no step wrote."""
    confidence: float
    """Its probability in that step."""
    alternatives: "Alternatives | None"
    """None while the engine computes them."""


@dataclass(frozen=True)
class LatestToken:
    """The token that a step has just written, of `written` ones, and the likeliest that could have stood there."""

    id: int
    tokenizer: "Tokenizer | None"
    step: int
    confidence: float
    top: tuple[tuple[int, float], ...]
    written: int = 1


@dataclass(frozen=True)
class Share:
    """A token's share of a law; `chosen`: it stands there."""

    label: str
    probability: float
    chosen: bool = False


@dataclass(frozen=True)
class Report:
    """What the pane shows. `brief`: the story without the step; `shares`: likeliest first, None while not known.

    `noticeable`: how many tokens have a share that reads 0.1% or more, None where only the likeliest are known.
    """

    word: str
    holder: str
    story: str
    brief: str
    shares: tuple[Share, ...] | None
    noticeable: int | None = None

    def others(self, shown: int) -> Share | None:
        """All that the first `shown` shares leave, as one; None if nothing is left."""
        if self.shares is None or self.noticeable is None:
            return None
        left = 1 - sum(share.probability for share in self.shares[:shown])
        count = self.noticeable - sum(share.probability >= NOTICEABLE for share in self.shares[:shown])
        if count <= 0:
            return Share("others", left) if left >= NOTICEABLE else None
        return Share(f"{count:,} {'other' if count == 1 else 'others'}", left)


def report_of(token: InspectedToken | LatestToken, detailed: bool = False) -> Report:
    """What the pane shows of a token; `detailed`: with the entropy of its law."""
    if isinstance(token, LatestToken):
        return _report_of_latest(token)
    report = _report_of_inspected(token)
    if not detailed or token.alternatives is None:
        return report
    entropy = f"; entropy {token.alternatives.entropy:.2f} nats"
    return replace(report, story=report.story + entropy, brief=report.brief + entropy)


def _report_of_inspected(token: InspectedToken) -> Report:
    alternatives = token.alternatives
    word = "MASK" if token.masked else token_label(token.tokenizer, token.id)
    holder = "" if token.masked or not token.locked else "yours" if token.given else "locked"
    if alternatives is None:
        return Report(word, holder, *_stories(token, None), None)
    shares = tuple(
        Share(token_label(token.tokenizer, id), p, id == token.id)
        for id, p in zip(alternatives.tokens, alternatives.probability, strict=True)
    )
    noticeable = int((alternatives.law >= NOTICEABLE).sum())
    return Report(word, holder, *_stories(token, alternatives.current), shares, noticeable)


def _stories(token: InspectedToken, current: float | None) -> tuple[str, str]:
    """How a token came to stand there, and how sure the network is of it now: at length, and in brief."""
    if token.masked:
        return "not written yet", "not written yet"
    now = f"; now {percent_to_tenth(current)}" if current is not None else ""
    if token.step is None:
        story = f"{'your text' if token.given else 'chosen by you'}{now}"
        return story, story
    sure = f"{percent_to_tenth(token.confidence)} sure"
    return f"written at step {token.step}, {sure}{now}", f"{sure}{now}"


def _report_of_latest(token: LatestToken) -> Report:
    more = f", with {token.written - 1:,} more" if token.written > 1 else ""
    beaten = [Share(token_label(token.tokenizer, id), p) for id, p in token.top if id != token.id]
    word = token_label(token.tokenizer, token.id)
    shares = (Share(word, token.confidence, True), *beaten[: max(0, len(token.top) - 1)])
    sure = f"{percent_to_tenth(token.confidence)} sure"
    return Report(word, "", f"written at step {token.step}, {sure}{more}", sure, shares)


def pane_text(report: Report, width: int, height: int) -> Text:
    """A report in so many cells: alternatives below one another where there is room, else in one row."""
    text = _heading(report, width, height)
    rows = height - sum(len(breaks(line, max(2, width))) for line in text.plain.split("\n"))
    if report.shares is None:
        return text.append("\n…", style="not bold dim")
    if height < LOW:
        return text.append("\n").append(_in_one_row(report, width)) if rows else text
    # What is next to nothing is summed up, but for the first three.
    few = [share for i, share in enumerate(report.shares) if i < IN_ONE_ROW or share.probability >= NOTICEABLE]
    fits = len(few) <= rows and report.others(len(few)) is None
    listed = few if fits else few[: max(1, rows - 1)]
    largest = max((share.probability for share in listed), default=1) or 1
    for share in listed:
        style = "bold" if share.chosen else "not bold"
        text.append(f"\n{percent_to_tenth(share.probability):>5} ", style=style)
        text.append(f"{_bar(share.probability / largest):<{BAR}}", style="not bold dim")
        text.append(f" {share.label}", style=style)
    if (others := report.others(len(listed))) is not None:
        text.append(f"\n{percent_to_tenth(others.probability):>5} {'':{BAR}} {others.label}", style="not bold dim")
    return text


def _heading(report: Report, width: int, height: int) -> Text:
    """The word, who holds it, and its story; on one line where the pane is low, if need be the story in brief."""
    text = Text(report.word, style="bold")
    if report.holder:
        text.append(f"  {report.holder}", style="not bold")
    if height < LOW:
        for story in (report.story, report.brief):
            if cell_len(text.plain) + 3 + cell_len(story) <= width:
                return text.append(f"   {story}", style="not bold")
    return text.append(f"\n{report.brief if height < LOW else report.story}", style="not bold")


def _in_one_row(report: Report, width: int) -> Text:
    """As many of the first alternatives as fit, at least one, and the rest summed up."""
    assert report.shares is not None
    for shown in range(min(IN_ONE_ROW, len(report.shares)), 0, -1):
        for others in (report.others(shown), None):
            row = _row(report.shares[:shown], others)
            if row.cell_len <= width:
                return row
    return _row(report.shares[:1], None)


def _row(shares: Sequence[Share], others: Share | None) -> Text:
    row = Text(style="not bold")
    for share in shares:
        row.append("   " if row else "")
        row.append(f"{share.label} {percent_to_tenth(share.probability)}", style="bold" if share.chosen else "not bold")
    if others is not None:
        row.append(f"   {others.label} {percent_to_tenth(others.probability)}", style="dim")
    return row


def _bar(share: float) -> str:
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


class Inspector(Widget):
    """Shows a token with its alternatives, or a hint where there is none."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.detailed = False
        """Whether the entropy is shown."""
        self.content = Text()
        self._shown: InspectedToken | LatestToken | str = ""
        self._visual = visualize(self, self.content)
        self._offer = ""

    def show(self, shown: InspectedToken | LatestToken | str, offer: str = "") -> None:
        """Show a token or a hint, and on the frame what can be done with it.

        Only rows that have text, or had some, are painted anew, and only if the text changes.
        """
        self._shown = shown
        if offer != self._offer:
            # Even the same title would paint all anew.
            self._offer = self.border_subtitle = offer
        size = self.content_size
        if isinstance(shown, str):
            text = Text(shown, style="dim")
        else:
            text = pane_text(report_of(shown, self.detailed), size.width or 32, size.height or LOW)
        if text != self.content:
            before, self.content, self._visual = self._visual, text, visualize(self, text)
            # No width: not laid out yet, or not displayed.
            rows = max(visual.get_height({}, size.width or 32) for visual in (before, self._visual))
            self.refresh(Region(0, 0, size.width, rows))

    def render(self) -> Visual:
        return self._visual

    def on_resize(self) -> None:
        self.show(self._shown, self._offer)
