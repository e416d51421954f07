"""Export a recorded run as one self-contained web page that plays it."""

import html
import json
import re
from importlib.resources import files

from sedd_cli.generation.recording import RecordedCanvas, RecordedMoment, RecordedSample, RecordedToken
from sedd_cli.generation.trace_lines import StepLine
from sedd_cli.render.inert import inert, one_line
from sedd_cli.render.replay import moment_label, piece_texts, row_label, title_of


def page(sample: RecordedSample, *, opens: int | None, speed: float, width: int) -> str:
    """Build the page. `opens`: the moment to show first; None plays the run. `speed`: steps a second.

    The page is about as large as the trace: each moment after the initial canvases holds only what changed.
    """
    moments = sample.moments()
    before = next(moments)
    texts = [_inert_texts(sample, canvas) for canvas in before.canvases]
    canvases = [
        {
            "label": row_label(sample.header, c.row),
            "cells": text,
            "kept": _clamped(c),
            "end": sample.end_of_text_position(c),
        }
        for c, text in zip(before.canvases, texts, strict=True)
    ]
    changes, last = [], before
    for moment in moments:
        now = _inert_texts(sample, moment.canvas)
        changes.append(_change(sample, last, moment, texts[moment.on], now))
        texts[moment.on], last = now, moment
    data = {
        "opens": opens,
        "speed": speed,
        "calls": sample.calls,
        "on": before.on,
        "canvases": canvases,
        "moments": changes,
    }
    return _fill(
        {
            "title": html.escape(one_line(title_of(sample.header))),
            "classes": "still infills" if sample.header.infills else "still",
            "text": html.escape(inert(sample.text(last))),
            "width": str(width),
            "data": _script(data),
        }
    )


def _change(
    sample: RecordedSample, before: RecordedMoment, moment: RecordedMoment, was: list[str | None], now: list[str | None]
) -> dict[str, object]:
    """The changes of a moment: written positions, their texts, probability and entropy; then all other changes."""
    canvas, line, old = moment.canvas, moment.line, before.canvases[moment.on]
    positions = sorted(moment.changed)
    change: dict[str, object] = {
        "c": moment.on,
        "s": one_line(moment_label(sample.header, moment)),
        "n": moment.calls,
        "w": positions,
        "x": [now[i] for i in positions],
    }
    if isinstance(line, StepLine):
        change |= {"t": _rounded(line.t)} | _figures([canvas.tokens[i] for i in positions])
    other = [[i, text] for i, text in enumerate(now) if text != was[i] and i not in moment.changed]
    if other:
        change["d"] = other
    if canvas.free != old.free:
        change["k"] = _clamped(canvas)
    if (end := sample.end_of_text_position(canvas)) != sample.end_of_text_position(old):
        change["z"] = end
    return change


def _figures(cells: list[RecordedToken]) -> dict[str, object]:
    return {
        "p": [_rounded(min(1, max(0, cell.probability or 0))) for cell in cells],
        "e": [_rounded(max(0, cell.entropy or 0)) for cell in cells],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _inert_texts(sample: RecordedSample, canvas: RecordedCanvas) -> list[str | None]:
    return [None if text is None else inert(text) for text in piece_texts(sample, canvas)]


def _clamped(canvas: RecordedCanvas) -> list[int]:
    return sorted(frozenset(range(len(canvas.tokens))) - canvas.free)


def _script(data: object) -> str:
    """JSON with escapes, so that it cannot end the script element, open a comment or break a line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _fill(values: dict[str, str]) -> str:
    template = files("sedd_cli.render").joinpath("page.html").read_text(encoding="utf-8")
    # One pass, so that braces within a value are not replaced.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
