"""figures.py - the four pictures of the report, drawn with matplotlib.

A function draws one picture from plain rows (data/report/pictures.py makes them) and returns a
matplotlib Figure, which `save` writes. The same rows give the same bytes.
"""
import warnings

import numpy as np

# Colour-blind readers can tell these colours apart (Okabe and Ito).
COLOURS = ("#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#8c510a", "#777777")
MARKERS = "os^DvPX<"
KNOWN = ("sft", "ssr", "sdft", "s3ft")              # these look the same in every report
SOURCES = {
    "own": ("own answers", COLOURS[3]),
    "paraphrase": ("paraphrases", COLOURS[2]),
    "gold": ("golds", COLOURS[0]),
}
BASE = "#222222"
LEGEND = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False}     # on the right


def available():
    """Is matplotlib installed?"""
    try:
        import matplotlib.figure    # noqa: F401 (without pyplot: no window, no state)
    except ImportError:
        return False
    return True


def save(figure, folder, name):
    """Write a picture as folder/name.png and folder/name.svg."""
    import matplotlib               # slow, and only installed where pictures are wanted

    same_bytes = {"svg.hashsalt": "s3ft"}            # else the ids in an SVG are drawn at random
    with matplotlib.rc_context(same_bytes), warnings.catch_warnings():
        warnings.simplefilter("ignore")              # a task's name may have letters the font lacks
        figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight",
                       metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def new_axes(width, height, columns=1):
    """A new figure's axes, side by side in `columns`, without a frame above and on the right."""
    from matplotlib.figure import Figure

    row = Figure(figsize=(width, height)).subplots(1, columns, squeeze=False)[0]
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
    return list(row)


def styles(methods):
    """{method: how its points and lines are drawn}"""
    order = list(dict.fromkeys([*KNOWN, *methods]))
    by_method = {}
    for method in dict.fromkeys(methods):
        again, i = divmod(order.index(method), len(COLOURS))
        # The ninth has the first one's colour, but another marker.
        marker = MARKERS[(i + again) % len(MARKERS)]
        by_method[method] = {"color": COLOURS[i], "marker": marker}
    return by_method


def plain(text):
    """Text as it is: matplotlib would read a formula between two dollar signs."""
    return text.replace("$", r"\$")


def frontier(points, base, task):
    """Task accuracy against mean drop. A line joins a method's rates, the chosen one is filled.

    points: dicts of "method", "name", "rate", "chosen", "x" and "y". x is in points lost, y in %;
    both are (estimate, low, high). base: the base model's y.
    """
    style = styles([p["method"] for p in points])
    several_rates = len(points) > len(style)
    [axes] = new_axes(7.5, 6 if several_rates else 5)
    axes.margins(0.06)
    axes.axhline(base[0], color=BASE, lw=0.8, ls=":", zorder=1)
    axes.axvline(0, color=BASE, lw=0.8, ls=":", zorder=1)
    axes.plot(0, base[0], color=BASE, marker="*", ms=13, ls="none", label="base", zorder=4)
    axes.vlines(0, base[1], base[2], color=BASE, lw=1)
    for method, look in style.items():
        mine = [p for p in points if p["method"] == method]
        axes.plot([p["x"][0] for p in mine], [p["y"][0] for p in mine], color=look["color"], lw=0.8)
        # Labels of the known methods stand in four corners, so that fewer overlap.
        corner = KNOWN.index(method) if method in KNOWN else 3
        right = corner in (0, 3)
        offset = (9 if right else -9, 9 if corner > 1 else -9)
        for p in mine:
            x, low, high = p["x"]
            y, bottom, top = p["y"]
            axes.hlines(y, low, high, color=look["color"], lw=1, alpha=0.45)
            axes.vlines(x, bottom, top, color=look["color"], lw=1, alpha=0.45)
            axes.plot(x, y, **look, ms=8, mew=1.5, ls="none", zorder=5,
                      mfc=look["color"] if p["chosen"] else "white",
                      label=plain(p["name"]) if p["chosen"] else None)
            if len(mine) > 1:                        # else the legend says it all
                axes.annotate(p["rate"], (x, y), offset, textcoords="offset points",
                              color=look["color"], fontsize=8.5, va="center",
                              ha="left" if right else "right")
    axes.set_xlabel("mean drop over the multiple-choice benchmarks, points "
                    "(more forgetting: to the right)")
    axes.set_ylabel(plain(f"{task}, accuracy in %"))
    title = "filled: rate chosen\non validation" if several_rates else None
    axes.legend(**LEGEND, title=title, alignment="left")
    return axes.figure


def kl(points):
    """Mean drop against KL(base || tuned).

    points: (method, name, KL in nats per token, drop in points), one a trained model.
    """
    [axes] = new_axes(6.5, 4.2)
    axes.axhline(0, color=BASE, lw=0.8, ls=":")
    axes.plot(0, 0, color=BASE, marker="*", ms=12, ls="none", label="base", zorder=4, clip_on=False)
    for method, look in styles([point[0] for point in points]).items():
        _, names, xs, ys = zip(*[point for point in points if point[0] == method])
        axes.plot(xs, ys, **look, ms=7, mfc="none", mew=1.5, ls="none", label=plain(names[0]))
    axes.set_xlim(left=0)
    axes.set_xlabel("KL(base || tuned), nats per token of the base model's own answers")
    axes.set_ylabel("mean drop, points")
    axes.legend(**LEGEND)
    return axes.figure


def curves(lines):
    """Training loss by step.

    lines: (method, name, steps, losses in nats per target token), one a method.
    """
    [axes] = new_axes(7.5, 4.2)
    style = styles([line[0] for line in lines])
    for method, name, steps, losses in lines:
        # Smoothed: the mean of each point and its neighbours.
        smoothed = [np.mean(losses[max(0, i - 1):i + 2]) for i in range(len(losses))]
        axes.plot(steps, losses, color=style[method]["color"], lw=0.8, alpha=0.35)
        axes.plot(steps, smoothed, **style[method], lw=1.6, ms=5, mfc="white",
                  markevery=max(1, len(steps) // 8), label=plain(name))
    axes.set_xlim(left=0)
    axes.set_xlabel("step")
    axes.set_yscale("log")               # one method's losses may be a tenth of another's
    axes.set_ylabel("training loss, nats per target token (log scale)")
    axes.legend(**LEGEND)
    return axes.figure


def histograms(panels):
    """Figure 2 of the paper: histograms of the three sources, side by side.

    panels: (title, {source: log-probability of each item}), one a histogram. The lowest 2 % are put
    into the first bar, so that one odd text does not squeeze the rest.
    """
    row = new_axes(9.5, 3.8, columns=len(panels))
    for axes, (title, values) in zip(row, panels):
        of_all = np.concatenate(list(values.values()))
        low = np.quantile(of_all, 0.02)
        edges = np.linspace(low, max(of_all.max(), low + 1e-6), 31)
        for source, (name, colour) in SOURCES.items():
            clipped = np.maximum(values[source], low)
            axes.hist(clipped, edges, color=colour, alpha=0.3, label=name)
            axes.hist(clipped, edges, color=colour, histtype="step", lw=1.5)
            axes.axvline(np.mean(values[source]), color=colour, ls="--", lw=1)
        axes.set_xlabel(title)
    row[0].set_ylabel("items")
    row[-1].plot([], [], color=BASE, ls="--", lw=1, label="mean")
    row[-1].legend(**LEGEND)
    return row[-1].figure
