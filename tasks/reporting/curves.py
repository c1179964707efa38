"""The report's curves: matplotlib drawn to inline SVG that takes its text colour from the page."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

PALETTE = ("#2a9d8f", "#e76f51", "#8a6fdf", "#c99a1a", "#3d85c6", "#d1477f", "#6a994e", "#7f7f7f")
_INK = "#7b7b7c"  # replaced by the page's own colour
# The same thing has the same colour in every panel.
_FIXED = {
    "recording": _INK,
    "Self-driven": PALETTE[0],
    "Speech-driven": PALETTE[1],
    "Nearest frame": PALETTE[2],
    "Mean frame": PALETTE[3],
    "FLAME-driven": PALETTE[4],
}
_DASHED = ("FLAME-driven",)  # lies on the self-driven line where the torso hardly moves: both are seen


def curve_svg(
    name: str,
    x: np.ndarray,
    series: Mapping[str, np.ndarray],
    x_label: str,
    y_label: str,
    shaded: tuple[float, float, str] | None = None,
    log: bool = False,
) -> Markup:
    """One panel of lines as SVG markup.

    name: makes the ids inside the SVG unique on the page.  series: label -> values like ``x`` (NaN: not drawn; the
    remaining points are joined).  shaded: x0, x1, label of a marked range.  log: logarithmic y axis.
    """
    style: Any = {
        "svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
        "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(5.4, 2.5), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        for index, (label, values) in enumerate(series.items()):
            known = np.isfinite(values)
            mark = "o" if known.sum() <= 20 else None
            colour = _FIXED.get(label, PALETTE[index % len(PALETTE)])
            [line] = axes.plot(x[known], values[known], color=colour, label=label, marker=mark, markersize=3)
            line.set(linewidth=1.5, linestyle="--" if label in _DASHED else "-")
        if shaded is not None:
            axes.axvspan(shaded[0], shaded[1], color="#8a6fdf", alpha=0.15, linewidth=0, label=shaded[2])
        if log:
            axes.set_yscale("log")
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=bool(np.all(x == np.round(x)))))
        if len(series) > 1 or shaded is not None:
            figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8, columnspacing=1.2)
        out = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return Markup(_for_the_page(out.getvalue().decode()))


def _for_the_page(svg: str) -> str:
    """From a stand-alone document to an element: no prolog, no metadata, no fixed size, the page's ink."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace(_INK, "currentColor")


def training_panels(name: str, columns: Mapping[str, np.ndarray]) -> list[tuple[str, Markup]]:
    """One panel a group of figures of a training curve, (title, SVG); the first column is the abscissa.

    ``phase.figure`` columns share their phase's panel, ``figure_part`` columns (parts: train, val, held_out) their
    figure's.
    """
    names = list(columns)
    x = columns[names[0]]
    panels: dict[str, dict[str, np.ndarray]] = {}
    for column in names[1:]:
        if np.isfinite(columns[column]).any():
            phase, _, figure = column.rpartition(".")
            title = phase or re.sub(r"^(val|train|valid|held_out)_|_(val|train|valid|held_out)$", "", figure)
            panels.setdefault(title, {})[figure] = columns[column]
    return [
        (title.replace("_", " "), _training_panel(f"{name}-{title}", x, names[0], series))
        for title, series in panels.items()
    ]


TIMED = {"psnr_train": "trained on", "psnr_held_out": "held out"}


def against_time(name: str, columns: Mapping[str, np.ndarray]) -> list[tuple[str, Markup]]:
    """``training_panels`` with PSNR against seconds of training in front, where the curve has these columns."""
    series = {label: columns[figure] for figure, label in TIMED.items() if figure in columns}
    if "seconds" not in columns or not series:
        return training_panels(name, columns)
    panel = curve_svg(f"{name}-time", columns["seconds"], series, "seconds of training", "PSNR in dB")
    rest = {figure: values for figure, values in columns.items() if figure not in ("seconds", *TIMED)}
    return [("PSNR of whole pictures against training time", panel), *training_panels(name, rest)]


def _training_panel(name: str, x: np.ndarray, x_label: str, series: Mapping[str, np.ndarray]) -> Markup:
    only = next(iter(series)) if len(series) == 1 else ""
    readable = {label.replace("_", " "): values for label, values in series.items()}
    return curve_svg(name, x, readable, x_label, only.replace("_", " "), log=_spans_decades(list(series.values())))


def _spans_decades(values: Sequence[np.ndarray]) -> bool:
    joined = np.concatenate(values)
    joined = joined[np.isfinite(joined)]
    return bool(len(joined)) and joined.min() > 0 and joined.max() / joined.min() > 30
