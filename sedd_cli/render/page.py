"""Export a recorded run as one self-contained web page that plays it."""

import html
import json
import re
from importlib.resources import files

from sedd_cli.generation.recording import RecordedCanvas, RecordedMoment, RecordedSample, RecordedToken
from sedd_cli.generation.trace_lines import StepLine
from sedd_cli.render.inert import inert, one_line
from sedd_cli.render.palette import (
    GLOW,
    MASK_CONTRAST,
    SCALES,
    STEPS,
    STRONG,
    SURE_FROM,
    Rgb,
    brightest,
    muted,
    scale,
)
from sedd_cli.render.replay import moment_label, piece_texts, row_label, title_of

LIGHT: Rgb = (253, 252, 249)
DARK: Rgb = (22, 24, 27)
"""The papers of the page."""


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
        | _look()
    )


def _change(
    sample: RecordedSample, before: RecordedMoment, moment: RecordedMoment, was: list[str | None], now: list[str | None]
) -> dict[str, object]:
    """The changes of a moment: written positions, their texts, probability and entropy; then all other changes."""
    canvas, line, old = moment.canvas, moment.line, before.canvases[moment.on]
    positions = sorted(moment.changed)
    change: dict[str, object] = {
        "c": moment.on,
        "s": one_line(moment_label(sample, moment)),
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


def _look() -> dict[str, str]:
    """What the style of the page takes of the palette."""
    steps = range(STEPS)
    rules = [
        f"[data-shading={shading}] .{name[0]}{k} {{ --own: var(--{name[0]}{k}); --most: var(--{name[0]}{k}m); }}"
        for shading, name in (("certainty", "sure"), ("order", "order"))
        for k in steps
    ]
    rules.append("[data-shading=plain] .drawn { --own: var(--plain, var(--ink)); --most: 25%; }")
    names = [*(f"{share:.0%}" for share in SURE_FROM), "less"]
    return {
        "light": _hex(LIGHT),
        "dark": _hex(DARK),
        "light_colors": _colors(LIGHT),
        "dark_colors": _colors(DARK),
        "steps": "\n".join(rules),
        "certainty": " ".join(f'<i class="drawn s{k}"><i>{name}</i></i>' for k, name in enumerate(names)) + " sure",
        "last": str(STEPS - 1),
        "glow": str(list(GLOW)),
        "strong": str(STRONG),
        "sure_from": str(list(SURE_FROM)),
    }


def _colors(paper: Rgb) -> str:
    """The colours of both scales on a paper, and the share of each in what is behind it when it glows most."""
    values = {"mask": _hex(muted(paper, MASK_CONTRAST)), "pole": "#fff" if paper == DARK else "#000"}
    for name in SCALES:
        for k, color in enumerate(scale(name, paper)):
            values |= {f"{name[0]}{k}": _hex(color), f"{name[0]}{k}m": f"{100 * brightest(color, paper):.0f}%"}
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _fill(values: dict[str, str]) -> str:
    template = files("sedd_cli.render").joinpath("page.html").read_text(encoding="utf-8")
    # One pass, so that braces within a value are not replaced.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
