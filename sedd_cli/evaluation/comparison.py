"""Two checkpoints measured on the same noise, as one record: lines, JSON or Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sedd_cli.evaluation.likelihood_report import Result, difference_figures, figures, named, noise_axis, shown
from sedd_cli.evaluation.likelihoods import Band, difference
from sedd_cli.evaluation.tables import Value, as_lines, as_list, as_table, escaped
from sedd_cli.models.checkpoint import Checkpoint

SHOWN = ("nats_per_token", "error_per_token", "bits_per_byte", "perplexity", "form")


def told_apart(a: Checkpoint, b: Checkpoint) -> tuple[str, str]:
    """What each is called; with its precision, or as A and B, where the names are the same."""
    if a.name != b.name:
        return a.name, b.name
    if a.precision != b.precision:
        return f"{a.name} ({a.precision})", f"{b.name} ({b.precision})"
    return f"A: {a.name}", f"B: {b.name}"


@dataclass(frozen=True)
class Comparison:
    """What checkpoints A and B gave in one `LikelihoodEvaluation`, and the settings that both share."""

    a: Result
    b: Result
    settings: Mapping[str, Value]

    @cached_property
    def difference(self) -> dict[str, Value]:
        return difference_figures(difference(self.a.found, self.b.found))

    @property
    def complete(self) -> bool:
        return self.a.found.complete

    @property
    def noise_axis(self) -> str:
        return " / ".join(dict.fromkeys(noise_axis(result.found.estimator) for result in (self.a, self.b)))

    def curves(self) -> dict[str, Sequence[Band]]:
        return {result.name: result.found.curve() for result in (self.a, self.b)}

    @property
    def _measured(self) -> dict[str, Value]:
        """The settings, with the replicates that were run: so many were asked for at least."""
        return {**self.settings, "replicates": self.a.found.replicates}

    def as_json(self) -> dict[str, object]:
        return {
            "difference": self.difference,
            "complete": self.complete,
            "a": self.a.as_json(),
            "b": self.b.as_json(),
            "settings": dict(self.settings),
        }

    def as_lines(self) -> str:
        of_each = {
            f"{letter}_{key}": value
            for letter, result in (("a", self.a), ("b", self.b))
            for key, value in {**named(result.model), **_shown(result)}.items()
        }
        differences = {f"difference_{key}": value for key, value in self.difference.items()}
        seen: dict[str, Value] = {"num_tokens": self.a.found.num_tokens, "complete": self.complete}
        return as_lines({**differences, **seen, **of_each, **self._measured})

    def as_markdown(self, picture: str | None) -> str:
        parts = [
            f"# {escaped(self.a.name)} against {escaped(self.b.name)}\n",
            "B's nats less A's, paired on the same noise: above 0, A finds the data likelier.\n",
            as_list({**self.difference, "complete": self.complete}),
            as_table([{"": result.name, **_shown(result)} for result in (self.a, self.b)]),
            *shown(picture),
            "## How it was measured\n",
            as_list(self._measured),
        ]
        for result in (self.a, self.b):
            parts += [f"### {escaped(result.name)}\n", as_list(named(result.model))]
        return "\n".join(parts)


def _shown(result: Result) -> dict[str, Value]:
    found = figures(result.found)
    return {key: found[key] for key in SHOWN}
