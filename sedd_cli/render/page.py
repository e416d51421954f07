"""A recorded run as one web page that plays it and asks for nothing else."""

import html
import json
import re
from importlib.resources import files

from sedd_cli.generation.recording import RecordedCanvas, RecordedMoment, RecordedSample, RecordedToken
from sedd_cli.generation.trace_lines import StepLine
from sedd_cli.render.inert import inert, one_line
from sedd_cli.render.replay import moment_label, piece_texts, row_label, title_of


def page(sample: RecordedSample, *, opens: int | None, speed: float, width: int) -> str:
    """The page. `opens`: the moment that it shows first; without one it plays. `speed`: steps a second.

    Its size is that of the trace: after the canvases at the start, each moment says only what changed.
    """
    moments = sample.moments()
    before = next(moments)
    texts = [_shown(sample, canvas) for canvas in before.canvases]
    canvases = [
        {"label": row_label(sample.header, c.row), "cells": text, "kept": _kept(c), "end": sample.end_of(c)}
        for c, text in zip(before.canvases, texts, strict=True)
    ]
    changes, last = [], before
    for moment in moments:
        now = _shown(sample, moment.canvas)
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
            "text": html.escape(inert(sample.text(last))),
            "width": str(width),
            "data": _script(data),
        }
    )


def _change(
    sample: RecordedSample, before: RecordedMoment, moment: RecordedMoment, was: list[str | None], now: list[str | None]
) -> dict[str, object]:
    """What a moment changed: positions written and what they show, probability and entropy; then all the rest."""
    canvas, line, old = moment.canvas, moment.line, before.canvases[moment.on]
    written = sorted(moment.changed)
    change: dict[str, object] = {
        "c": moment.on,
        "s": one_line(moment_label(sample.header, moment)),
        "n": moment.calls,
        "w": written,
        "x": [now[i] for i in written],
    }
    if isinstance(line, StepLine):
        change |= {"t": _rounded(line.t)} | _figures([canvas.cells[i] for i in written])
    other = [[i, text] for i, text in enumerate(now) if text != was[i] and i not in moment.changed]
    if other:
        change["d"] = other
    if canvas.free != old.free:
        change["k"] = _kept(canvas)
    if (end := sample.end_of(canvas)) != sample.end_of(old):
        change["z"] = end
    return change


def _figures(cells: list[RecordedToken]) -> dict[str, object]:
    return {
        "p": [_rounded(min(1, max(0, cell.probability or 0))) for cell in cells],
        "e": [_rounded(max(0, cell.entropy or 0)) for cell in cells],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _shown(sample: RecordedSample, canvas: RecordedCanvas) -> list[str | None]:
    return [None if text is None else inert(text) for text in piece_texts(sample, canvas)]


def _kept(canvas: RecordedCanvas) -> list[int]:
    return sorted(frozenset(range(len(canvas.cells))) - canvas.free)


def _script(data: object) -> str:
    """JSON that ends no script element, opens no comment, and breaks no line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _fill(values: dict[str, str]) -> str:
    template = files("sedd_cli.render").joinpath("page.html").read_text(encoding="utf-8")
    # In one pass: what is filled in is never read as a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], template)
