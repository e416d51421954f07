"""What was measured of a data set's likelihood and how, as one record; and that record as lines or as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.blocks import Blocks
from sedd_cli.evaluation.datasets import DataSet
from sedd_cli.evaluation.fidelity import Fidelity
from sedd_cli.evaluation.likelihoods import Band, Difference, Likelihood, LikelihoodRequest
from sedd_cli.evaluation.names import Remainder, Separator
from sedd_cli.evaluation.tables import Value, as_lines, as_list, as_table, escaped
from sedd_cli.models.checkpoint import Checkpoint

MEANING: Mapping[Estimator, str] = {
    "ao": "any-order (RADD, equation 2.16): an upper bound on -log p",
    "lambda": "lambda-DCE over all of [0, 1] (RADD, equation 3.6): an upper bound on -log p",
    "elbo": "DWDSE and both ends (SEDD, theorem 3.6): an upper bound on -log p",
    "d3pm": "L_T, each L_{t-1} and L_0 of the checkpoint's own chain (D3PM, equation 1): an upper bound on -log p",
    "autoregressive": "left to right, each token given those before it: exact",
    "dwdse": "DWDSE alone, the figure of SEDD's paper: not a bound by itself",
}
NOISE = {"elbo": "time t", "dwdse": "time t", "d3pm": "time t", "autoregressive": "-"}


@dataclass(frozen=True)
class Result:
    """What a checkpoint gave on a data set, with every choice that decided it."""

    name: str
    found: Likelihood
    model: Mapping[str, Value]
    settings: Mapping[str, Value] = field(default_factory=dict)
    fidelity: Fidelity | None = None

    def as_json(self) -> dict[str, object]:
        return {
            **figures(self.found),
            "model": dict(self.model),
            **({"settings": dict(self.settings)} if self.settings else {}),
            **({} if self.fidelity is None else {"fidelity": fidelity_figures(self.fidelity)}),
            "curve": bands_as_json(self.found.curve()),
        }

    @property
    def fields(self) -> dict[str, Value]:
        """All but the curve, side by side."""
        of_fidelity = {} if self.fidelity is None else fidelity_figures(self.fidelity)
        found = figures(self.found)
        return {
            **found,
            **{f"fidelity_{key}": value for key, value in of_fidelity.items()},
            **named(self.model),
            # As many replicates were asked for at least: how many were run is among the figures.
            **{key: value for key, value in self.settings.items() if key not in found},
        }

    def as_lines(self) -> str:
        return as_lines(self.fields)


def as_markdown(title: str, results: Sequence[Result], picture: str | None) -> str:
    """A report of results: a table of the figures, then of each where its nats are and how it was measured."""
    heads = ("nats_per_token", "error_per_token", "bits_per_byte", "perplexity", "form", "num_tokens", "complete")
    rows: list[dict[str, Value]] = []
    for result in results:
        found = figures(result.found)
        rows.append({"data": result.name, **{head: found[head] for head in heads}})
    parts = [f"# {escaped(title)}\n", as_table(rows), *shown(picture)]
    for result in results:
        parts += [f"## {escaped(result.name)}\n", as_list(result.fields)]
        if bands := result.found.curve():
            parts += [f"Where the nats are, by {noise_axis(result.found.estimator)}:\n", bands_as_table(bands)]
    return "\n".join(parts)


def shown(picture: str | None) -> list[str]:
    """The picture as a paragraph of Markdown, if there is one."""
    return [] if picture is None else [f"![Where the nats are](<{picture}>)\n"]


def noise_axis(estimator: Estimator) -> str:
    """What the levels of an estimator measure."""
    return NOISE.get(estimator, "share of the tokens masked")


def figures(found: Likelihood) -> dict[str, Value]:
    """The figures of one checkpoint; errors are of the total unless they say otherwise."""
    return {
        "nats": found.nats,
        "standard_error": found.standard_error,
        "form": found.estimator,
        "nats_per_token": found.nats_per_token,
        "error_per_token": found.error_per_token,
        "bits_per_byte": found.bits_per_byte,
        "perplexity": found.perplexity,
        "perplexity_error": found.perplexity * found.error_per_token,
        "data_error": found.data_error,
        "num_tokens": found.num_tokens,
        "num_bytes": found.num_bytes,
        "replicates": found.replicates,
        "blocks": found.num_blocks,
        "complete": found.complete,
    }


def fidelity_figures(found: Fidelity) -> dict[str, Value]:
    """What the precision costs, beside float32: the bound's difference in nats a token, and one text drawn by both."""
    return {
        "bound_difference": found.difference,
        "standard_error": found.standard_error,
        "variation": found.variation,
        "tokens_in_agreement": found.agreement.same,
        "parted_at_call": found.agreement.parted_at,
        "calls": found.agreement.calls,
    }


def difference_figures(found: Difference) -> dict[str, Value]:
    return {
        "nats_per_token": found.nats_per_token,
        "standard_error": found.standard_error / found.num_tokens,
        "data_error": None if found.data_error is None else found.data_error / found.num_tokens,
        "share_of_blocks": found.share_of_blocks,
    }


def settings_of_data(data: DataSet, blocks: Blocks, separator: Separator, remainder: Remainder) -> dict[str, Value]:
    """Every choice that decides which tokens are scored."""
    left = "" if not blocks.dropped else f" ({blocks.dropped} tokens)"
    return {
        "data": data.name,
        "source": data.source,
        "split": data.split,
        "documents": len(data.documents),
        "detokeniser": data.detokeniser,
        "separator": separator,
        "block_length": blocks.length,
        "remainder": f"{remainder}{left}",
        "limited_to": None if len(blocks) == blocks.there else f"the first {len(blocks)} of {blocks.there} blocks",
        "bytes": "of the tokens scored; an end-of-text token counts as one",
        **{f"note_{i}": note for i, note in enumerate(data.notes, start=1)},
    }


def model_of(checkpoint: Checkpoint, estimator: Estimator) -> dict[str, Value]:
    return {
        "name": checkpoint.name,
        "sha256": checkpoint.hash,
        "network": f"{checkpoint.form} form, {type(checkpoint.process).__name__.lower()} process",
        "score": "raw" if estimator in ("elbo", "dwdse") and checkpoint.form == "SEDD" else "normalised",
        "precision": checkpoint.precision,
        "device": str(checkpoint.device),
        "meaning": MEANING[estimator],
    }


def settings_of_request(request: LikelihoodRequest) -> dict[str, Value]:
    return {"seed": request.seed, "replicates": request.replicates, "until_error": request.until_error}


def named(model: Mapping[str, Value]) -> dict[str, Value]:
    """A model's fields as they stand among others: its name as `model`."""
    return {"model" if key == "name" else key: value for key, value in model.items()}


def bands_as_json(bands: Sequence[Band]) -> list[dict[str, Value]]:
    return [
        {
            "from": b.low,
            "to": b.high,
            "nats_per_token": b.nats_per_token,
            "density": b.density,
            "standard_error": b.standard_error,
        }
        for b in bands
    ]


def bands_as_table(bands: Sequence[Band]) -> str:
    return as_table(
        [
            {
                "from": band.low,
                "to": band.high,
                "of the bound": band.nats_per_token,
                "nats a token there": band.density,
                "standard error": band.standard_error,
            }
            for band in bands
        ]
    )
