"""The JSON of `sedd infill` (docs/json.md)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sedd_cli.text.offsets import in_utf8, in_utf16

if TYPE_CHECKING:
    from sedd_cli.generation.filling import Filling
    from sedd_cli.generation.infill import Infilling
    from sedd_cli.generation.lengths import ChosenLength
    from sedd_cli.generation.padding import DrawnLength


def as_record(
    infilling: "Infilling", fillings: "Sequence[Filling]", nats: Mapping[int, float | None]
) -> dict[str, object]:
    """One document: its gaps, and the candidates with their `nats` by row, where these are known."""
    checkpoint = infilling.checkpoint
    return {
        "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
        "settings": {**infilling.request.settings(), "seed": infilling.request.seed},
        "gaps": _gaps(infilling),
        "lengths_compared": [_length(each, calls=each.calls, nats=each.nats) for each in infilling.chosen_lengths],
        "lengths_drawn": [_length(each) for each in infilling.drawn_lengths(infilling.rows.start)],
        "candidates": [_candidate(filling, nats.get(filling.row)) for filling in fillings],
    }


def _gaps(infilling: "Infilling") -> list[dict[str, object]]:
    windows = [number for number, window in enumerate(infilling.windows) for _ in window.gap_positions]
    spans = [(gap.start, gap.end) for gap in infilling.sized_gaps]
    units = zip(in_utf8(infilling.document, spans), in_utf16(infilling.document, spans), strict=True)
    return [
        {
            "start": gap.start,
            "end": gap.end,
            "utf8": utf8,
            "utf16": utf16,
            "tokens": gap.tokens,
            "one_line": gap.one_line,
            "window": window,
        }
        for gap, (utf8, utf16), window in zip(infilling.sized_gaps, units, windows, strict=True)
    ]


def _length(found: "ChosenLength | DrawnLength", **more: object) -> dict[str, object]:
    """A gap's length, that of the first candidate where each draws its own, and the law it is from."""
    place = {"start": found.gap.start, "end": found.gap.end, "tokens": found.tokens}
    return {**place, **more, "probability": found.probability, "error": found.error}


def _candidate(filling: "Filling", nats: float | None) -> dict[str, object]:
    return {
        "row": filling.row,
        "seed": filling.seed,
        "nfe": filling.nfe,
        "redrawn": filling.redrawn,
        "complete": filling.complete,
        "nats": nats,
        "tokens": filling.tokens,
        "spans": filling.spans,
        "spans_utf8": in_utf8(filling.text, filling.spans),
        "spans_utf16": in_utf16(filling.text, filling.spans),
        "written": filling.written,
        "text": filling.text,
    }
