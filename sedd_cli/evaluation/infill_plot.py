"""Plot of how near fillings are to what was cut out, by kind of span. Needs the extra `plot`."""

from collections.abc import Sequence

from sedd_cli.evaluation.infill import Row
from sedd_cli.evaluation.plots import picture_of


def plot_infill(rows: Sequence[Row], format: str) -> bytes:
    """A picture of token F1 by kind of span: a panel for each kind of text, a line for each length."""
    from matplotlib.figure import Figure

    texts = list(dict.fromkeys(row.text_kind for row in rows))
    figure = Figure(figsize=(1.2 + 4.2 * len(texts), 3.8), layout="constrained")
    panels = figure.subplots(1, len(texts), squeeze=False, sharey=True)[0]
    for axes, text in zip(panels, texts, strict=True):
        here = [row for row in rows if row.text_kind == text]
        for length in dict.fromkeys(row.length for row in here):
            points = [row for row in here if row.length == length]
            axes.errorbar(
                [row.span_kind for row in points],
                [row.token_f1.value for row in points],
                yerr=[2 * (row.token_f1.error or 0.0) for row in points],
                fmt="o--",
                linewidth=0.8,
                capsize=3,
                label=f"{length} length" if isinstance(length, str) else f"{length} tokens",
            )
        axes.set_title(text, loc="left", fontsize=10)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("token F1 (± 2 standard errors)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return picture_of(figure, format)
