"""Two checkpoints measured on the same noise, as one record: lines, JSON or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from sedd_cli.evaluation.datasets import DataSet
from sedd_cli.evaluation.likelihood_report import (
    Value,
    as_lines,
    as_list,
    as_table,
    bands_as_json,
    difference_figures,
    figures,
    model_of,
    named,
    noise_axis,
    settings_of_data,
    settings_of_request,
    shown,
)
from sedd_cli.evaluation.likelihoods import Band, Measuring, difference
from sedd_cli.evaluation.names import Remainder, Separator
from sedd_cli.models.checkpoint import Checkpoint

SHOWN = ("nats_per_token", "error_per_token", "bits_per_byte", "perplexity", "form")


@dataclass(frozen=True)
class Comparison:
    """Checkpoints A and B, and what a `Measuring` of both gave."""

    checkpoints: tuple[Checkpoint, Checkpoint]
    data: DataSet
    measuring: Measuring
    separator: Separator
    remainder: Remainder

    @property
    def names(self) -> tuple[str, str]:
        """What each is called; with its precision, or as A and B, where the names are the same."""
        a, b = self.checkpoints
        if a.name != b.name:
            return a.name, b.name
        if a.precision != b.precision:
            return f"{a.name} ({a.precision})", f"{b.name} ({b.precision})"
        return f"A: {a.name}", f"B: {b.name}"

    @property
    def noise_axis(self) -> str:
        forms = dict.fromkeys(noise_axis(found.form) for found in self.measuring.results())
        return " / ".join(forms)

    def curves(self) -> dict[str, Sequence[Band]]:
        return {name: found.curve() for name, found in zip(self.names, self.measuring.results(), strict=True)}

    def settings(self) -> dict[str, Value]:
        """Of the data and the request, which both share."""
        return {
            **settings_of_data(self.data, self.measuring.blocks, self.separator, self.remainder),
            **settings_of_request(self.measuring.request),
        }

    def difference(self) -> dict[str, Value]:
        return difference_figures(difference(*self.measuring.results()))

    def as_json(self) -> dict[str, object]:
        a, b = (
            {
                **figures(found),
                "model": model_of(checkpoint, found.form),
                "curve": bands_as_json(found.curve()),
            }
            for checkpoint, found in zip(self.checkpoints, self.measuring.results(), strict=True)
        )
        return {
            "difference": self.difference(),
            "complete": self.measuring.complete,
            "a": a,
            "b": b,
            "settings": self.settings(),
        }

    def as_lines(self) -> str:
        of_each = {
            f"{letter}_{key}": value
            for letter, checkpoint, found in zip("ab", self.checkpoints, self.measuring.results(), strict=True)
            for key, value in {
                **named(model_of(checkpoint, found.form)),
                **{name: figures(found)[name] for name in SHOWN},
            }.items()
        }
        differences = {f"difference_{key}": value for key, value in self.difference().items()}
        found, _ = self.measuring.results()
        seen: dict[str, Value] = {"num_tokens": found.num_tokens, "complete": self.measuring.complete}
        return as_lines({**differences, **seen, **of_each, **self.settings()})

    def as_markdown(self, picture: str | None) -> str:
        rows: list[dict[str, Value]] = [
            {"": name, **{key: figures(found)[key] for key in SHOWN}}
            for name, found in zip(self.names, self.measuring.results(), strict=True)
        ]
        a, b = self.names
        parts = [
            f"# {a} against {b}\n",
            "B's nats less A's, paired on the same noise: above 0, A finds the data likelier.\n",
            as_list({**self.difference(), "complete": self.measuring.complete}),
            as_table(rows),
            *shown(picture),
            "## How it was measured\n",
            as_list(self.settings()),
        ]
        for name, checkpoint, found in zip(self.names, self.checkpoints, self.measuring.results(), strict=True):
            parts += [f"### {name}\n", as_list(named(model_of(checkpoint, found.form)))]
        return "\n".join(parts)
