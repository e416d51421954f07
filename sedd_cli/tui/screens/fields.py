"""The settings as a form shows them: their labels and help, and the values that typed texts stand for."""

from typing import Any, NamedTuple, get_args

from sedd_cli.diffusion.names import MaskedFirst, NoiseSampler, OrderName
from sedd_cli.tui.settings import SAMPLING, SETTINGS, SHADINGS, validation_error

CHOICES: dict[str, tuple[str | None, ...]] = {
    "sampler": (None, *get_args(NoiseSampler)),
    "order": (None, *get_args(OrderName)),
    "by": get_args(MaskedFirst),
    "shading": SHADINGS,
}
"""Settings that are chosen from a list, besides the theme; None is an empty field."""


def _of_type(kind: type) -> set[str]:
    return {name for name, setting in SETTINGS.items() if kind in setting.types}


WHOLE, NUMBERS = _of_type(int), _of_type(float)
SELF_EXPLANATORY = {*CHOICES, "exact", "lock_seed", "one_line", "theme"}
"""Those whose control shows the possible values."""


class Field(NamedTuple):
    """A setting in the form; `blank` describes an empty one that has no default value."""

    name: str
    about: str
    blank: str = ""

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def placeholder(self) -> str:
        return self.blank or str(SETTINGS[self.name].default)

    @property
    def typed(self) -> bool:
        return self.name not in SELF_EXPLANATORY

    @property
    def help(self) -> str:
        if not self.typed:
            return self.about
        return f"{self.about} Takes {SETTINGS[self.name].accepts}. Empty: {self.placeholder}."


FIELDS = (
    Field("model", "The checkpoint that writes.", "the built-in one"),
    Field("device", "The device; auto selects the fastest one."),
    *(Field(e.name, e.option.setting.sentence, e.option.setting.blank) for e in SAMPLING.values() if e.option.setting),
    Field("exact", "Leave out the checkpoint's own settings: draw from its own law."),
    Field("lock_seed", "Use the same seed for every run of a session."),
    Field("candidates", "Fillings of a document's gaps to choose from."),
    Field("one_line", "Write no line end in a gap. Within a line of .csv, .srt and the like, none is in any case."),
    Field("proof_below", "Proofreading names words less likely than this: 0.001 is 0.1%."),
    Field("unsure_below", "Words less likely than this are masked as unsure: 0.05 is 5%."),
    Field("theme", "The colours of everything."),
    Field("shading", "What the colour of a token shows: how sure the model was, when it was written, or nothing."),
)


def format_value(value: object) -> str:
    return "" if value is None else str(value)


def parse_value(name: str, text: str) -> Any:
    """The value of a text; the default if it is empty, the text itself if it cannot be parsed."""
    text = text.strip()
    if not text:
        return SETTINGS[name].default
    try:
        return int(text) if name in WHOLE else float(text) if name in NUMBERS else text
    except ValueError:
        return text


def error_text(name: str, text: str) -> str:
    """The error in a text; empty if it is valid."""
    return validation_error(name, parse_value(name, text)) or ""
