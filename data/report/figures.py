"""figures.py - the four pictures of the report, drawn with matplotlib.

A picture is drawn by one function. It takes plain rows (data/report/report.py makes them) and returns a
matplotlib Figure, which `save` writes. Nothing here knows of results.json. The same rows give the
same bytes.

Colour-blind readers can tell the colours apart (Okabe and Ito), and every method has a marker of
its own.
"""
import warnings

import numpy as np

COLOURS = ("#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#8c510a", "#777777")
MARKERS = "os^DvPX<>p"
CORNERS = ((9, -9), (-9, -9), (-9, 9), (9, 9))      # where a method's labels stand, in points
KNOWN = ("sft", "ssr", "sdft", "s3ft")              # these look the same in every report
SOURCES = {
    "own": ("own answers", COLOURS[3]),
    "paraphrase": ("paraphrases", COLOURS[2]),
    "gold": ("golds", COLOURS[0]),
}
BASE = "#222222"
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False}    # the legend


def available():
    """Is matplotlib installed?"""
    try:
        import matplotlib.figure    # noqa: F401 (without pyplot: no window, no state)
    except ImportError:
        return False
    return True


def save(figure, folder, name):
    """Write a picture as folder/name.png and folder/name.svg."""
    import matplotlib

    same_bytes = {"svg.hashsalt": "s3ft"}            # else the ids in an SVG are drawn at random
    with matplotlib.rc_context(same_bytes), warnings.catch_warnings():
        warnings.simplefilter("ignore")              # a task's name may have letters the font lacks
        figure.savefig(
            folder / f"{name}.png", dpi=150, bbox_inches="tight", metadata={"Software": None}
        )
        figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def new_axes(width, height, columns=1):
    """A new figure's axes, side by side in `columns`, without a frame above and on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    row = figure.subplots(1, columns, squeeze=False)[0]
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
    return list(row)


def styles(methods):
    """{method: (colour, marker, corner of its labels)}"""
    order = [*KNOWN]
    for method in methods:
        if method not in order:
            order.append(method)
    found = {}
    for method in methods:
        i = order.index(method)
        colour = COLOURS[i % len(COLOURS)]
        marker = MARKERS[i % len(MARKERS)]
        corner = CORNERS[i % len(CORNERS)]
        found[method] = (colour, marker, corner)
    return found


def plain(text):
    """Text as it is: matplotlib would read a formula between two dollar signs."""
    return text.replace("$", r"\$")


# ---------------------------------------------------------------- the frontier, and KL against drop

def error_bar(interval):
    """(estimate, low, high) -> how far the bar goes below and above, as matplotlib wants it."""
    estimate, low, high = interval
    return [[max(0, estimate - low)], [max(0, high - estimate)]]


def frontier(points, base, task):
    """Task accuracy against mean drop.

    points: dicts of "method", "name", "rate", "chosen", "x" and "y". x is in points lost, y in %;
    both are (estimate, low, high).
    base: the base model's y.
    A line joins the rates of a method, and a label stands at each. The rate that validation chose
    is filled.
    """
    style = styles([p["method"] for p in points])
    several_rates = len(points) > len(style)
    [axes] = new_axes(7.5, 6 if several_rates else 5)
    axes.margins(0.06)

    # The base model: a star, and dotted lines through it.
    axes.axhline(base[0], color=BASE, lw=0.8, ls=":", zorder=1)
    axes.axvline(0, color=BASE, lw=0.8, ls=":", zorder=1)
    axes.errorbar(
        0, base[0], yerr=error_bar(base), color=BASE, marker="*", ms=13, capsize=3, lw=1, ls="none",
        label="base", zorder=4,
    )
    for method, (colour, marker, corner) in style.items():
        mine = [p for p in points if p["method"] == method]
        xs = [p["x"][0] for p in mine]
        ys = [p["y"][0] for p in mine]
        axes.plot(xs, ys, color=colour, lw=0.8, zorder=2)
        for p, x, y in zip(mine, xs, ys):
            axes.errorbar(
                x, y, xerr=error_bar(p["x"]), yerr=error_bar(p["y"]), color=colour, alpha=0.45,
                lw=1, capsize=2, zorder=2,
            )
            axes.plot(
                x, y, color=colour, marker=marker, ms=8, mfc=colour if p["chosen"] else "white",
                mew=1.5, ls="none", zorder=5, label=plain(p["name"]) if p["chosen"] else None,
            )
            if len(mine) > 1:                        # else the legend says it all
                axes.annotate(
                    p["rate"], (x, y), corner, textcoords="offset points", color=colour,
                    fontsize=8.5, va="center", ha="left" if corner[0] > 0 else "right", zorder=6,
                )
    axes.set_xlabel(
        "mean drop over the multiple-choice benchmarks, points (more forgetting: to the right)"
    )
    axes.set_ylabel(plain(f"{task}, accuracy in %"))
    title = "filled: rate chosen\non validation" if several_rates else None
    axes.legend(**BESIDE, title=title, alignment="left")
    return axes.figure


def kl(cells):
    """Mean drop against KL(base || tuned).

    cells: (method, name, KL in nats per token, drop in points), one a trained model.
    """
    [axes] = new_axes(6.5, 4.2)
    axes.axhline(0, color=BASE, lw=0.8, ls=":")
    axes.plot(0, 0, color=BASE, marker="*", ms=12, ls="none", label="base", zorder=4, clip_on=False)
    for method, (colour, marker, _) in styles([cell[0] for cell in cells]).items():
        mine = [cell for cell in cells if cell[0] == method]
        _, names, xs, ys = zip(*mine)
        axes.plot(
            xs, ys, color=colour, marker=marker, ms=7, mfc="none", mew=1.5, ls="none",
            label=plain(names[0]),
        )
    axes.set_xlim(left=0)
    axes.set_xlabel("KL(base || tuned), nats per token of the base model's own answers")
    axes.set_ylabel("mean drop, points")
    axes.legend(**BESIDE)
    return axes.figure


# ---------------------------------------------------------------- learning curves

def smooth(losses):
    """The mean of each point and its neighbours."""
    return [float(np.mean(losses[max(0, i - 1):i + 2])) for i in range(len(losses))]


def curves(lines):
    """Training loss by step.

    lines: (method, name, steps, losses in nats per target token), one a method.
    """
    [axes] = new_axes(7.5, 4.2)
    style = styles([line[0] for line in lines])
    smoothed = []                                    # all points of all methods
    for method, name, steps, losses in lines:
        colour, marker, _ = style[method]
        line = smooth(losses)
        smoothed += line
        axes.plot(steps, losses, color=colour, lw=0.8, alpha=0.35)
        axes.plot(
            steps, line, color=colour, lw=1.6, marker=marker, ms=5, mfc="white",
            markevery=max(1, len(steps) // 8), label=plain(name),
        )
    axes.set_xlim(left=0)
    axes.set_xlabel("step")
    # One method's losses may be a tenth of another's. On a log scale both can be read.
    if 0 < 10 * min(smoothed) < max(smoothed):
        axes.set_yscale("log")
        axes.set_ylabel("training loss, nats per target token (log scale)")
    else:
        axes.set_ylim(bottom=0)
        axes.set_ylabel("training loss, nats per target token")
    axes.legend(**BESIDE)
    return axes.figure


# ---------------------------------------------------------------- Figure 2 of the paper

def bins(values, n):
    """Edges of n bins: n + 1 numbers. values: {source: an array}.

    The lowest 2 % go into the first bin, so that one odd text does not squeeze the rest.
    """
    together = np.concatenate(list(values.values()))
    low = np.quantile(together, 0.02)
    high = together.max()
    if high <= low:
        high = low + 1
    return np.linspace(low, high, n + 1)


def histograms(panels):
    """Histograms of the three sources, side by side.

    panels: (title, {source: log-probability of each item}), one a histogram.
    """
    row = new_axes(9.5, 3.8, columns=len(panels))
    for axes, (title, values) in zip(row, panels):
        edges = bins(values, 30)
        for source, (name, colour) in SOURCES.items():
            clipped = np.maximum(values[source], edges[0])
            axes.hist(clipped, edges, color=colour, alpha=0.3)
            axes.hist(clipped, edges, color=colour, histtype="step", lw=1.5)
            axes.plot([], [], color=colour, lw=6, alpha=0.6, label=name)     # for the legend alone
            axes.axvline(np.mean(values[source]), color=colour, ls="--", lw=1)
        axes.set_xlabel(title)
    row[0].set_ylabel("items")
    row[-1].plot([], [], color=BASE, ls="--", lw=1, label="mean")
    row[-1].legend(**BESIDE)
    return row[-1].figure
