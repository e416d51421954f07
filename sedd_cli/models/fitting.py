"""Fitting a file's tensors to a network: what may differ in form alone, and what the rest is called."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork

PADDED_TO = 8
"""Vocabularies are padded to multiples of this; one row more is another vocabulary."""
TIED = "tie_word_embeddings"
"""The key of a config by which the head's matrix is the embedding."""


def fit(tensors: dict[str, Tensor], network: ScoreNetwork, config: Config, source: str) -> list[str]:
    """Make `tensors` those of a network, in place: a tied head is filled in, rows beyond the vocabulary are dropped.

    Returns notes on rows that were dropped. Raises `NotLoadableError`, about `source`, if tensors are missing, left
    over, or of another shape.
    """
    backbone = network.backbone
    expected = backbone.state_dict()
    embedding = next(name for name, p in backbone.named_parameters() if p is backbone.embedding)
    tensors |= backbone.derived_buffers()
    absent = expected.keys() - tensors.keys() - {embedding}
    untied = {name for name in absent if expected[name].shape == expected[embedding].shape}
    tied = getattr(config.model, "tied", False) or any(
        (section.model_extra or {}).get(TIED) is True for section in (config, config.model)
    )
    if embedding in tensors and tied:
        tensors |= dict.fromkeys(untied, tensors[embedding])
        untied = set()
    states, rows = len(expected[embedding]), _padded_rows(tensors.get(embedding), expected[embedding])
    sizes = [(states,), (rows,)]
    padded = [n for n in expected.keys() & tensors.keys() if [t[n].shape[:1] for t in (expected, tensors)] == sizes]
    mask_known = config.mask_id is not None or network.process.mask_id is None
    notes = []
    if padded and mask_known and not network.scale_by_sigma:
        for name in padded:
            tensors[name] = tensors[name][:states]
        notes.append(f"{rows - states} rows of the weights beyond the {states} states are padding, and were dropped")
        padded = []
    if faults := sorted(_faults(tensors, expected, untied, padded)):
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        hint = "One of the two files is from another checkpoint."
        if padded:
            # Scores by sigma count the states. Else a padded MASK could stand before the padding or at its end.
            keys = f'"tokens": {rows - 1} and ' if network.scale_by_sigma else ""
            hint = f'If the rows are padding, put {keys}MASK\'s row, probably "mask_id": {states - 1}, into the config.'
        elif untied:
            hint = f'If the head is tied to the embedding, put "{TIED}": true into the config.'
        raise NotLoadableError(f"{source} disagree: {'; '.join(faults[:3])}{more}", hint)
    return notes


def _padded_rows(found: Tensor | None, expected: Tensor) -> int:
    """The rows of an embedding whose vocabulary was padded; 0 for any other."""
    if found is None or found.shape[1:] != expected.shape[1:] or len(found) <= len(expected):
        return 0
    return 0 if len(found) % PADDED_TO else len(found)


def _faults(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], untied: set[str], padded: list[str]
) -> Iterator[str]:
    for name in expected.keys() - tensors.keys():
        yield f"{name} is missing" + (", as where a head is tied to the embedding" if name in untied else "")
    for name in tensors.keys() - expected.keys():
        yield f"{name} is not part of it"
    for name in expected.keys() & tensors.keys():
        found, wanted = tuple(tensors[name].shape), tuple(expected[name].shape)
        if found != wanted:
            rows = f", as where a vocabulary is padded by {found[0] - wanted[0]} rows" if name in padded else ""
            yield f"{name} has shape {found} instead of {wanted}{rows}"
