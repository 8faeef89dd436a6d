"""figures.py - the report's four pictures: for matplotlib where it is installed, as text where it is not.

Each is two functions over the same plain rows: NAME(..) -> a matplotlib Figure, NAME_text(..) -> the same in characters. The rows come
from data/report.py; nothing here knows of results.json. The colours are told apart by colour-blind readers (Okabe and Ito), and every
method has a marker of its own too. The same rows give the same bytes.
"""
import math
import warnings

import numpy as np

COLOURS = ("#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#8c510a", "#777777")
MARKERS = "os^DvPX<>p"
KNOWN = ("sft", "ssr", "sdft", "s3ft")           # look the same in every report
SOURCES = {"own": ("own answers", COLOURS[3]), "paraphrase": ("paraphrases", COLOURS[2]), "gold": ("golds", COLOURS[0])}
BASE = "#222222"
OUTSIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False}   # the legend, right of the axes


def there():
    """Can pictures be drawn?"""
    try:
        import matplotlib.figure                                             # noqa: F401 (no pyplot: no window, no state)
    except ImportError:
        return False
    return True


def save(draw, folder, name):
    """Draw a picture into folder/name.png and .svg."""
    import matplotlib
    with matplotlib.rc_context({"font.size": 10, "svg.hashsalt": "s3ft", "axes.spines.top": False, "axes.spines.right": False}), \
            warnings.catch_warnings():
        warnings.simplefilter("ignore")                                      # of a task's name in letters that the font lacks
        figure = draw()
        figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight", metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def styles(methods):
    """{method: (colour, marker)}"""
    order = [*KNOWN, *(m for m in methods if m not in KNOWN)]
    return {m: (COLOURS[order.index(m) % len(COLOURS)], MARKERS[order.index(m) % len(MARKERS)]) for m in methods}


def plain(text):
    return text.replace("$", r"\$")                                          # no formulas in names


# ---------------------------------------------------------------- the frontier, and KL against drop

def frontier(points, base, task):
    """Task accuracy against mean drop. points: {"method", "name", "rate", "chosen", "x", "y"} with x in points lost and y in %, both
    (estimate, low, high); base: its y. A method's rates hang together; filled: the rate that validation chose."""
    from matplotlib.figure import Figure
    style, around = styles(list(dict.fromkeys(p["method"] for p in points))), lambda i: [[max(0, i[0] - i[1])], [max(0, i[2] - i[0])]]
    rated, drawn = len(points) > len(style), [((0, base[1]), (0, base[2]))]     # and the lines, from point to point
    axes = Figure(figsize=(7.5, 6 if rated else 5)).add_subplot()
    axes.axhline(base[0], color=BASE, lw=0.8, ls=":", zorder=1)
    axes.axvline(0, color=BASE, lw=0.8, ls=":", zorder=1)
    axes.errorbar(0, base[0], yerr=around(base), color=BASE, marker="*", ms=13, capsize=3, lw=1, ls="none", label="base", zorder=4)
    for method, (colour, marker) in style.items():
        mine = [p for p in points if p["method"] == method]
        axes.plot([p["x"][0] for p in mine], [p["y"][0] for p in mine], color=colour, lw=0.8, zorder=2)
        drawn += [((a["x"][0], a["y"][0]), (b["x"][0], b["y"][0])) for a, b in zip(mine, mine[1:])]
        for p in mine:
            drawn += [((p["x"][1], p["y"][0]), (p["x"][2], p["y"][0])), ((p["x"][0], p["y"][1]), (p["x"][0], p["y"][2]))]
            axes.errorbar(p["x"][0], p["y"][0], xerr=around(p["x"]), yerr=around(p["y"]), color=colour, alpha=0.45, lw=1, capsize=2, zorder=2)
            axes.plot(p["x"][0], p["y"][0], color=colour, marker=marker, ms=8, mfc=colour if p["chosen"] else "white", mew=1.5, ls="none", zorder=5,
                      label=plain(p["name"]) if p["chosen"] else None)
    axes.set_xlabel("mean drop over the multiple-choice benchmarks, points (more forgetting: to the right)")
    axes.set_ylabel(plain(f"{task}, accuracy in %"))
    axes.legend(**OUTSIDE, title="filled: rate chosen\non validation" if rated else None, alignment="left")
    place(axes, [(p["x"][0], p["y"][0], plain(p["rate"] if rated else p["name"]), style[p["method"]][0]) for p in points], (0, base[0]), drawn)
    return axes.figure


def place(axes, labels, base, drawn):
    """Write each label (x, y, text, colour) near its point where it covers no point, no other label, and little of the lines drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox
    axes.margins(0.06)
    FigureCanvasAgg(axes.figure).draw()                                      # settles where things are
    renderer, radius, frame = axes.figure.canvas.get_renderer(), 6 * axes.figure.dpi / 72, axes.bbox
    taken = [Bbox([spot - radius, spot + radius]) for spot in axes.transData.transform([(x, y) for x, y, *_ in labels] + [base])]
    ends = [axes.transData.transform(line) for line in drawn]
    ink = np.concatenate([np.linspace(a, b, 2 + int(np.hypot(*(b - a)) / 4)) for a, b in ends])           # (N, 2): a dot every 4 pixels
    turns = [(math.cos(turn), math.sin(turn)) for turn in np.radians([45, 135, 315, 225, 0, 180, 90, 270])]
    for x, y, text, colour in labels:
        tried = []
        for dx, dy, far in [(far * cos, far * sin, far) for far in range(12, 84, 9) for cos, sin in turns]:
            note = axes.annotate(text, (x, y), (dx, dy), textcoords="offset points", color=colour, fontsize=8.5, va="center", zorder=6,
                                 ha="left" if dx > 1 else "right" if dx < -1 else "center",
                                 bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
                                 arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 4} if far > 12 else None)
            note.update_positions(renderer)
            box = Text.get_window_extent(note, renderer)                     # of the text alone, without the line to its point
            note.remove()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            covered = ((ink > (box.x0, box.y0)) & (ink < (box.x1, box.y1))).all(1).sum()
            tried.append((sum(box.overlaps(other) for other in taken) + 2 * (not inside), covered + far / 2, len(tried), note, box))
        *_, note, box = min(tried)
        axes.add_artist(note)
        taken.append(box)


def frontier_text(points, base, task):
    letters = [chr(ord("a") + i) if i < 26 else "#" for i in range(len(points))]
    lines = scatter_text([(0, base[0], "*")] + [(p["x"][0], p["y"][0], letter) for p, letter in zip(points, letters)],
                         "mean drop, points (more forgetting: to the right)", f"{task}, accuracy in %")
    interval = lambda of, sign: f"{of[0]:{sign}5.1f} [{of[1]:{sign}.1f}, {of[2]:{sign}.1f}]"
    wide, several = max(len(p["name"]) for p in points), len(points) > len({p["method"] for p in points})
    key = [f"{'*  base':{wide + 14}}  drop   0                     task {interval(base, '')}"]
    key += [f"{letter}  {p['name']:{wide}}  {p['rate']:9}  drop {interval(p['x'], '+'):22}  task {interval(p['y'], '')}"
            + "  chosen rate" * (several and p["chosen"]) for p, letter in zip(points, letters)]
    return "\n".join(lines + ["", *key])


def kl(cells):
    """Mean drop against KL(base || tuned). cells: (method, name, KL in nats per token, drop in points), one a trained model."""
    from matplotlib.figure import Figure
    axes = Figure(figsize=(6.5, 4.2)).add_subplot()
    axes.axhline(0, color=BASE, lw=0.8, ls=":")
    axes.plot(0, 0, color=BASE, marker="*", ms=12, ls="none", label="base", zorder=4, clip_on=False)
    for method, (colour, marker) in styles(list(dict.fromkeys(m for m, *_ in cells))).items():
        _, names, xs, ys = zip(*(c for c in cells if c[0] == method))
        axes.plot(xs, ys, color=colour, marker=marker, ms=7, mfc="none", mew=1.5, ls="none", label=plain(names[0]))
    axes.set_xlim(left=0)
    axes.set_xlabel("KL(base || tuned), nats per token of the base model's own answers")
    axes.set_ylabel("mean drop, points")
    axes.legend(**OUTSIDE)
    return axes.figure


def kl_text(cells):
    names = {m: name for m, name, *_ in cells}
    letters = {m: chr(ord("a") + i) if i < 26 else "#" for i, m in enumerate(names)}
    lines = scatter_text([(0, 0, "*")] + [(x, y, letters[m]) for m, _, x, y in cells], "KL(base || tuned), nats per token", "mean drop, points")
    return "\n".join(lines + ["", "*  base", *(f"{letters[m]}  {name}" for m, name in names.items())])


# ---------------------------------------------------------------- learning curves

def smooth(losses):
    """The mean of each point and its neighbours."""
    return [float(np.mean(losses[max(0, i - 1):i + 2])) for i in range(len(losses))]


def curves(lines):
    """Training loss by step. lines: (method, name, steps, losses in nats per target token), one a method."""
    from matplotlib.figure import Figure
    axes = Figure(figsize=(7.5, 4.2)).add_subplot()
    style = styles([m for m, *_ in lines])
    for method, name, steps, losses in lines:
        colour, marker = style[method]
        axes.plot(steps, losses, color=colour, lw=0.8, alpha=0.35)
        axes.plot(steps, smooth(losses), color=colour, lw=1.6, marker=marker, ms=5, mfc="white", markevery=max(1, len(steps) // 8), label=plain(name))
    axes.set_xlim(left=0)
    seen = [value for *_, losses in lines for value in smooth(losses)]
    apart = 0 < 10 * min(seen) < max(seen)                                   # likely targets and unlikely ones: a factor is an inch
    axes.set_yscale("log" if apart else "linear")
    axes.set_ylim(bottom=None if apart else 0)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss, nats per target token" + apart * " (log scale)")
    axes.legend(**OUTSIDE)
    return axes.figure


def curves_text(lines, most=18):
    letters = [chr(ord("a") + i) if i < 26 else "#" for i in range(len(lines))]
    spots = [(steps[i], smooth(losses)[i], letter) for (_, _, steps, losses), letter in zip(lines, letters)
             for i in sorted({round(k * (len(steps) - 1) / (most - 1)) for k in range(most)})]
    return "\n".join(scatter_text([(0, 0, " "), *spots], "step", "training loss, nats per target token")
                     + ["", *(f"{letter}  {name}: {losses[0]:.3f} -> {losses[-1]:.3f}" for letter, (_, name, _, losses) in zip(letters, lines))])


def ticks(values):
    """Five or so round numbers that span the values."""
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    size = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if (high - low) / (size * k) <= 4.5)
    return [round(i * step, 9) for i in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def scatter_text(points, x_label, y_label, width=72, height=20):
    """Points (x, y, letter) on a grid of characters. Where two letters would share a spot the later one stands beside it."""
    xs, ys = ticks([x for x, *_ in points]), ticks([y for _, y, _ in points])
    column = lambda x: round((x - xs[0]) / (xs[-1] - xs[0]) * (width - 1))
    row = lambda y: round((ys[-1] - y) / (ys[-1] - ys[0]) * (height - 1))
    cells = [[" "] * width for _ in range(height)]
    for x, y, letter in points:
        free = [c for c in range(width) if cells[row(y)][c] in (" ", letter)] or [column(x)]
        cells[row(y)][min(free, key=lambda c: abs(c - column(x)))] = letter
    names, rule, below = {row(y): f"{y:g}" for y in ys}, ["-"] * width, [" "] * (width + 9)
    margin = max(map(len, names.values()))
    for x in xs:
        rule[column(x)] = "+"
        start = max(0, column(x) - len(f"{x:g}") // 2)
        below[start:start + len(f"{x:g}")] = f"{x:g}"
    lines = [f"{names.get(i, ''):>{margin}} {'+' if i in names else '|'}{''.join(line)}" for i, line in enumerate(cells)]
    feet = [" " * margin + " +" + "".join(rule), " " * margin + "  " + "".join(below), f"{x_label:>{margin + width + 2}}"]
    return [line.rstrip() for line in [y_label, *lines, *feet]]


# ---------------------------------------------------------------- Figure 2 of the paper

def bins(values, n):
    """Edges of n bins; the lowest 2 % go into the first, so that one odd text does not squeeze the rest."""
    values = np.concatenate(list(values.values()))
    low, high = np.quantile(values, 0.02), values.max()
    return np.linspace(low, high if high > low else low + 1, n + 1)


def histograms(panels):
    """panels: [(title, {source: log-probability of each item}), ...]; every panel a histogram of the three sources."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9.5, 3.8))
    for axes, (title, values) in zip(figure.subplots(1, len(panels)), panels):
        edges = bins(values, 30)
        for source, (name, colour) in SOURCES.items():
            axes.hist(np.maximum(values[source], edges[0]), edges, color=colour, alpha=0.3)
            axes.hist(np.maximum(values[source], edges[0]), edges, color=colour, histtype="step", lw=1.5)
            axes.plot([], [], color=colour, lw=6, alpha=0.6, label=name)
            axes.axvline(np.mean(values[source]), color=colour, ls="--", lw=1)
        axes.set_xlabel(title)
    axes.plot([], [], color=BASE, ls="--", lw=1, label="mean")
    axes.legend(**OUTSIDE)
    figure.axes[0].set_ylabel("items")
    return figure


def histograms_text(panels, width=24, rows=14):
    lines = []
    for title, values in panels:
        edges = bins(values, rows)
        counts = {source: np.histogram(np.maximum(values[source], edges[0]), edges)[0] for source in SOURCES}
        most, digits = max(c.max() for c in counts.values()), 2 if edges[-1] - edges[0] < rows else 1
        lines += [title, " " * 19 + "".join(f"  {name:{width + 5}}" for name, _ in SOURCES.values())]
        for i in range(rows - 1, -1, -1):
            bars = ("#" * math.ceil(width * counts[s][i] / most) + f" {counts[s][i]}" * bool(counts[s][i]) for s in SOURCES)
            low = f"{edges[i]:.{digits}f}" if i else "below"
            lines.append(f"{low:>8} .. {edges[i + 1]:7.{digits}f}" + "".join(f" |{bar:{width + 5}}" for bar in bars))
        lines.append("")
    return "\n".join(line.rstrip() for line in lines[:-1])
