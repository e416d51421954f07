"""The inspector: the token under the cursor and its alternatives."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from sedd_cli.render.inert import inert

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.text.tokenizer import Tokenizer

BAR = 8
"""Width of the bar that shows a probability, in cells."""


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
    """The step that revealed it; None for a token that no step wrote."""
    confidence: float
    """Its probability in that step."""
    alternatives: "Alternatives | None"
    """None while the engine computes them."""


class Inspector(Static):
    """Shows a token: the step and confidence of its revealing, whether it is locked, and its alternatives."""

    _content_shown: Text | None = None

    def show(self, token: InspectedToken | str) -> None:
        """Show a token, or a hint where there is none. Updates the widget only if the content changes."""
        text = Text(token, style="dim") if isinstance(token, str) else self._text(token)
        if text != self._content_shown:
            self._content_shown = text
            self.update(text, layout=False)

    def _text(self, token: InspectedToken) -> Text:
        text = Text("MASK" if token.masked else token_label(token.tokenizer, token.id), style="bold")
        if token.locked and not token.masked:
            text.append("  yours" if token.given else "  locked", style="not bold")
        if token.step is not None:
            text.append(f"\nrevealed at step {token.step}, p {token.confidence:.3f}", style="not bold")
        alternatives = token.alternatives
        if alternatives is None:
            text.append("\n…", style="not bold dim")
            return text
        text.append(f"\nentropy {alternatives.entropy:.2f} nats", style="not bold")
        if alternatives.current is not None:
            text.append(f"  now {alternatives.current:.3f}", style="not bold")
        rows = max(1, self.size.height - 3) if self.size.height else 8
        largest = max((p for p in alternatives.probability[:rows]), default=1)
        for alternative, p in list(zip(alternatives.tokens, alternatives.probability, strict=True))[:rows]:
            bar = _bar(p / largest)
            style = "bold" if alternative == token.id else "not bold"
            text.append(f"\n{p:.3f} ", style=style).append(f"{bar:<{BAR}}", style="not bold dim")
            text.append(f" {token_label(token.tokenizer, alternative)}", style=style)
        return text


def _bar(share: float) -> str:
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def token_label(tokenizer: object, token: int) -> str:
    """A token in quotes, its newlines and tabs as signs; its id where there is no tokenizer."""
    from sedd_cli.text.tokenizer import Tokenizer

    if not isinstance(tokenizer, Tokenizer):
        return str(token)
    if token in tokenizer.special_ids:
        name = "end of text" if token == tokenizer.end_of_text_id else inert(tokenizer.id_to_token(token))
        return f"¶ {name}" if token in tokenizer.end_ids else name
    data = tokenizer.bytes_of(token)
    try:
        return f'"{inert(data.decode()).replace(chr(10), "↵").replace(chr(9), "→")}"'
    except UnicodeDecodeError:
        return "bytes " + data.hex(" ")
