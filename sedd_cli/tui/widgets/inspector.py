"""The inspector: the token under the cursor, and what else could stand there."""

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from sedd_cli.render.inert import inert

if TYPE_CHECKING:
    from sedd_cli.tui.base_screen import BaseScreen

BAR = 8


class Inspector(Static):
    """Shows a token: when it was revealed and how surely, whether it is locked, and its likeliest alternatives."""

    _shown: Text | None = None

    def show(self, screen: "BaseScreen") -> None:
        """Bring it up to date with the screen's scene, cursor and alternatives."""
        text = self._text(screen)
        if text != self._shown:
            self._shown = text
            self.update(text, layout=False)

    def _text(self, screen: "BaseScreen") -> Text:
        from sedd_cli.tui.token_edits import locked, position_at

        scene, address = screen.scene, screen.canvas.cursor
        token_position = position_at(scene, address)
        if token_position is None or scene.moment is None or scene.branch is None:
            return Text(self._hint(screen), style="dim")
        canvas, position = token_position
        tokenizer, mask_id = scene.branch.job.checkpoint.tokenizer, scene.branch.job.checkpoint.mask_id
        token = int(scene.moment.states[canvas].ids[position])
        text = Text("MASK" if token == mask_id else token_label(tokenizer, token), style="bold")
        if token != mask_id and locked(scene, token_position):
            given = not bool(scene.branch.moments[0].states[canvas].free[position])
            text.append("  yours" if given else "  locked", style="not bold")
        revealed = int(scene.moment.revealed[canvas][position])
        if revealed >= 0:
            step, p = scene.branch.moments[revealed].step, float(scene.moment.confidence[canvas][position])
            text.append(f"\nrevealed at step {step.step if step else 0}, p {p:.3f}", style="not bold")
        alternatives = (
            screen.alternatives if screen.alternatives_key == (scene.branch, scene.at, token_position) else None
        )
        if alternatives is None:
            text.append("\n…", style="not bold dim")
            return text
        text.append(f"\nentropy {alternatives.entropy:.2f} nats", style="not bold")
        if alternatives.current is not None:
            text.append(f"  now {alternatives.current:.3f}", style="not bold")
        room = max(1, self.size.height - 3) if self.size.height else 8
        width = max((p for p in alternatives.probability[:room]), default=1)
        for other, p in list(zip(alternatives.tokens, alternatives.probability, strict=True))[:room]:
            bar = _bar(p / width)
            style = "bold" if other == token else "not bold"
            text.append(f"\n{p:.3f} ", style=style).append(f"{bar:<{BAR}}", style="not bold dim")
            text.append(f" {token_label(tokenizer, other)}", style=style)
        return text

    def _hint(self, screen: "BaseScreen") -> str:
        scene, key = screen.scene, screen.key_of
        if scene.branch is not None:
            return "Move to a token to see\nwhat else could stand there."
        if scene.draft.masked:
            return f"{key('run.go')} writes what is masked.\n{key('text.tokens')}: how many tokens."
        if scene.draft.marks:
            return f"{key('text.accept')} accepts, {key('text.reject')} rejects\nwhat was written."
        if scene.draft.text:
            return f"Select, then {key('text.mask')} masks.\n{key('run.go')} fills what is masked."
        return f"{key('run.go')} writes a text.\n{key('text.edit')} types a beginning first."


def _bar(share: float) -> str:
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def token_label(tokenizer: object, token: int) -> str:
    """A token as it is spoken of: in quotes, its newlines and tabs as signs."""
    from sedd_cli.text.tokenizer import Tokenizer

    if not isinstance(tokenizer, Tokenizer):
        return str(token)
    if token == tokenizer.end_of_text_id:
        return "¶ end of text"
    data = tokenizer.bytes_of(token)
    try:
        return f'"{inert(data.decode()).replace(chr(10), "↵").replace(chr(9), "→")}"'
    except UnicodeDecodeError:
        return "bytes " + data.hex(" ")
