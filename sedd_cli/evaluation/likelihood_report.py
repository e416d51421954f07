"""The likelihood of a data set and the settings that it was measured with, as lines, JSON or Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field

from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.blocks import Blocks
from sedd_cli.evaluation.datasets import DataSet
from sedd_cli.evaluation.fidelity import Fidelity
from sedd_cli.evaluation.likelihoods import Band, Difference, Likelihood, LikelihoodRequest
from sedd_cli.evaluation.names import Remainder, Separator
from sedd_cli.evaluation.tables import Value, as_lines, as_list, as_table, escape_markdown
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.ranges import counted

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
    """The likelihood of a data set under a checkpoint, with every setting that it depends on."""

    name: str
    likelihood: Likelihood
    model: Mapping[str, Value]
    settings: Mapping[str, Value] = field(default_factory=dict)
    fidelity: Fidelity | None = None

    def as_json(self) -> dict[str, object]:
        return {
            **figures(self.likelihood),
            "model": dict(self.model),
            **({"settings": dict(self.settings)} if self.settings else {}),
            **({} if self.fidelity is None else {"fidelity": fidelity_figures(self.fidelity)}),
            "curve": bands_as_json(self.likelihood.curve()),
        }

    @property
    def fields(self) -> dict[str, Value]:
        """All fields but the curve, in one flat mapping."""
        of_fidelity = {} if self.fidelity is None else fidelity_figures(self.fidelity)
        figures_by_name = figures(self.likelihood)
        return {
            **figures_by_name,
            **{f"fidelity_{key}": value for key, value in of_fidelity.items()},
            **model_fields(self.model),
            # The figures hold the number of replicates that were run, the settings the minimum requested.
            **{key: value for key, value in self.settings.items() if key not in figures_by_name},
        }

    def as_lines(self) -> str:
        return as_lines(self.fields)


def as_markdown(title: str, results: Sequence[Result], picture: str | None) -> str:
    """A report: a table of all results, then the curve and the settings of each."""
    heads = ("nats_per_token", "error_per_token", "bits_per_byte", "perplexity", "form", "num_tokens", "complete")
    rows: list[dict[str, Value]] = []
    for result in results:
        figures_by_name = figures(result.likelihood)
        rows.append({"data": result.name, **{head: figures_by_name[head] for head in heads}})
    parts = [f"# {escape_markdown(title)}\n", as_table(rows), *picture_paragraph(picture)]
    for result in results:
        parts += [f"## {escape_markdown(result.name)}\n", as_list(result.fields)]
        if bands := result.likelihood.curve():
            parts += [f"Where the nats are, by {noise_axis(result.likelihood.estimator)}:\n", bands_as_table(bands)]
    return "\n".join(parts)


def picture_paragraph(picture: str | None) -> list[str]:
    """A Markdown paragraph with the picture, as a list; empty if there is none."""
    return [] if picture is None else [f"![Where the nats are](<{picture}>)\n"]


def noise_axis(estimator: Estimator) -> str:
    """The quantity that the levels of an estimator measure."""
    return NOISE.get(estimator, "share of the tokens masked")


def figures(likelihood: Likelihood) -> dict[str, Value]:
    """The figures of one checkpoint. Errors are of the total, except where the name states another unit."""
    return {
        "nats": likelihood.nats,
        "standard_error": likelihood.standard_error,
        "form": likelihood.estimator,
        "nats_per_token": likelihood.nats_per_token,
        "error_per_token": likelihood.error_per_token,
        "bits_per_byte": likelihood.bits_per_byte,
        "perplexity": likelihood.perplexity,
        "perplexity_error": likelihood.perplexity * likelihood.error_per_token,
        "data_error": likelihood.data_error,
        "num_tokens": likelihood.num_tokens,
        "num_bytes": likelihood.num_bytes,
        "replicates": likelihood.replicates,
        "blocks": likelihood.num_blocks,
        "complete": likelihood.complete,
    }


def fidelity_figures(fidelity: Fidelity) -> dict[str, Value]:
    """The differences from float32: of the bound, in nats a token, and of one sampled text."""
    return {
        "bound_difference": fidelity.difference,
        "standard_error": fidelity.standard_error,
        "variation": fidelity.variation,
        "tokens_in_agreement": fidelity.agreement.same,
        "parted_at_call": fidelity.agreement.parted_at,
        "calls": fidelity.agreement.calls,
    }


def difference_figures(difference: Difference) -> dict[str, Value]:
    return {
        "nats_per_token": difference.nats_per_token,
        "standard_error": difference.standard_error / difference.num_tokens,
        "data_error": None if difference.data_error is None else difference.data_error / difference.num_tokens,
        "share_of_blocks": difference.share_of_blocks,
    }


def settings_of_data(data: DataSet, blocks: Blocks, separator: Separator, remainder: Remainder) -> dict[str, Value]:
    """The settings that decide which tokens are scored."""
    left = "" if not blocks.dropped else f" ({counted(blocks.dropped, 'token')})"
    return {
        "data": data.name,
        "source": data.source,
        "split": data.split,
        "documents": len(data.documents),
        "detokeniser": data.detokeniser,
        "separator": separator,
        "block_length": blocks.length,
        "remainder": f"{remainder}{left}",
        "limited_to": None if len(blocks) == blocks.total else f"the first {len(blocks)} of {blocks.total} blocks",
        "bytes": "of the tokens scored; an end-of-text token counts as one",
        **{f"note_{i}": note for i, note in enumerate(data.notes, start=1)},
    }


def model_of(checkpoint: Checkpoint, estimator: Estimator) -> dict[str, Value]:
    return {
        "name": checkpoint.name,
        "sha256": checkpoint.hash,
        "network": f"{checkpoint.parameterization} form, {type(checkpoint.process).__name__.lower()} process",
        "score": "raw" if estimator in ("elbo", "dwdse") and checkpoint.parameterization == "SEDD" else "normalised",
        "precision": checkpoint.precision,
        "device": str(checkpoint.device),
        "meaning": MEANING[estimator],
    }


def settings_of_request(request: LikelihoodRequest) -> dict[str, Value]:
    return {"seed": request.seed, "replicates": request.replicates, "until_error": request.until_error}


def model_fields(model: Mapping[str, Value]) -> dict[str, Value]:
    """A model's fields for a flat mapping: its `name` becomes `model`."""
    return {"model" if key == "name" else key: value for key, value in model.items()}


def bands_as_json(bands: Sequence[Band]) -> list[dict[str, Value]]:
    keys = ("from", "to", "nats_per_token", "density", "standard_error")
    return [dict(zip(keys, astuple(band), strict=True)) for band in bands]


def bands_as_table(bands: Sequence[Band]) -> str:
    heads = ("from", "to", "of the bound", "nats a token there", "standard error")
    return as_table([dict(zip(heads, astuple(band), strict=True)) for band in bands])
