"""A comparison of two checkpoints on the same noise, as lines, JSON or Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sedd_cli.evaluation import likelihood_report as reports
from sedd_cli.evaluation.likelihood_report import Result, model_fields
from sedd_cli.evaluation.likelihoods import Band, difference
from sedd_cli.evaluation.tables import Value, as_lines, as_list, as_table, escape_markdown
from sedd_cli.models.checkpoint import Checkpoint

MAIN_FIGURES = ("nats_per_token", "error_per_token", "bits_per_byte", "perplexity", "form")


def unambiguous_names(a: Checkpoint, b: Checkpoint) -> tuple[str, str]:
    """The checkpoints' names; equal names get the precision added, or A and B."""
    if a.name != b.name:
        return a.name, b.name
    if a.precision != b.precision:
        return f"{a.name} ({a.precision})", f"{b.name} ({b.precision})"
    return f"A: {a.name}", f"B: {b.name}"


@dataclass(frozen=True)
class Comparison:
    """Results of checkpoints A and B from one `LikelihoodEvaluation`, and the settings that both share."""

    a: Result
    b: Result
    settings: Mapping[str, Value]

    @cached_property
    def difference(self) -> dict[str, Value]:
        return reports.difference_figures(difference(self.a.likelihood, self.b.likelihood))

    @property
    def complete(self) -> bool:
        return self.a.likelihood.complete

    @property
    def noise_axis(self) -> str:
        return " / ".join(dict.fromkeys(reports.noise_axis(result.likelihood.estimator) for result in (self.a, self.b)))

    def curves(self) -> dict[str, Sequence[Band]]:
        return {result.name: result.likelihood.curve() for result in (self.a, self.b)}

    @property
    def _all_settings(self) -> dict[str, Value]:
        """The settings, with the number of replicates that were run instead of the minimum requested."""
        return {**self.settings, "replicates": self.a.likelihood.replicates}

    def as_json(self) -> dict[str, object]:
        return {
            "difference": self.difference,
            "complete": self.complete,
            "a": self.a.as_json(),
            "b": self.b.as_json(),
            "settings": dict(self.settings),
        }

    def as_lines(self) -> str:
        each = {
            f"{letter}_{key}": value
            for letter, result in (("a", self.a), ("b", self.b))
            for key, value in {**model_fields(result.model), **_main_figures(result)}.items()
        }
        differences = {f"difference_{key}": value for key, value in self.difference.items()}
        shared: dict[str, Value] = {"num_tokens": self.a.likelihood.num_tokens, "complete": self.complete}
        return as_lines({**differences, **shared, **each, **self._all_settings})

    def as_markdown(self, picture: str | None) -> str:
        parts = [
            f"# {escape_markdown(self.a.name)} against {escape_markdown(self.b.name)}\n",
            "B's nats less A's, paired on the same noise: above 0, A finds the data likelier.\n",
            as_list({**self.difference, "complete": self.complete}),
            as_table([{"": result.name, **_main_figures(result)} for result in (self.a, self.b)]),
            *reports.picture_paragraph(picture),
            "## How it was measured\n",
            as_list(self._all_settings),
        ]
        for result in (self.a, self.b):
            parts += [f"### {escape_markdown(result.name)}\n", as_list(model_fields(result.model))]
        return "\n".join(parts)


def _main_figures(result: Result) -> dict[str, Value]:
    figures_by_name = reports.figures(result.likelihood)
    return {key: figures_by_name[key] for key in MAIN_FIGURES}
