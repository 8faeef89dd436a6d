"""pictures.py - numbers and captions of the report's pictures, and words where none is drawn."""
import math

import numpy as np

from data.report import figures
from data.report.intervals import accuracy, drop_benchmarks, paired
from data.report.text import clean, md, method_title


def picture(figure, folder, name, caption):
    """Write a figure -> the lines that show it."""
    figures.save(figure, folder, name)
    return [f"![{name}]({name}.png)", "", f"{caption} ([SVG]({name}.svg))."]


def frontier(c, folder, name):
    """Accuracy on the task against the mean drop. c: data.report.report.Comparison"""
    points = []
    for (method, lr), group in c.groups.items():
        if c.lost[method, lr]:
            points.append({
                "method": method, "name": method_title(method), "rate": f"{lr:g}",
                "chosen": c.rates[method] == lr,
                "x": 100 * np.array(c.lost[method, lr]), "y": 100 * np.array(accuracy(group)),
            })
    if not points:
        return ["No tuned model was measured on multiple choice, so there is nothing to draw."]
    caption = ("Accuracy on the task against the mean drop, with 95 % intervals; up and to the "
               "left is better")
    if not figures.available():
        return [f"{caption}. Not drawn; the numbers stand under Gain and drop."]
    base = 100 * np.array(accuracy(c.base))
    figure = figures.frontier(points, base, clean(c.results["task"]))
    return picture(figure, folder, name, caption)


def likelihoods(runs, folder, name):
    """Figure 2 of arXiv 2502.08130: log-probabilities of own answers, paraphrases and golds.

    runs: all are of one model, so the first one speaks that has items with all three texts.
    """
    for run in runs:
        items = []                           # (3, 2) each: sum and tokens by source
        for item in run["logprobs"]["items"]:
            pairs = [item.get(source) or [0, 0] for source in figures.SOURCES]
            if all(tokens for _, tokens in pairs):
                items.append(pairs)
        if items:
            break
    note = md(run["logprobs"].get("note", ""))
    if not items:
        return [f"No training item has all three texts with their log-probabilities. {note}"]
    table = np.array(items, dtype=float)     # (items, 3, 2)
    total = dict(zip(figures.SOURCES, table[:, :, 0].T))         # {source: (items,)}
    per_token = dict(zip(figures.SOURCES, (table[:, :, 0] / table[:, :, 1]).T))
    means = []
    for source in figures.SOURCES:
        mean = per_token[source].mean()
        means.append(f"{source} {total[source].mean():.1f}, per token {mean:.2f}, "
                     f"so perplexity {math.exp(-mean):.2f}")
    caption = (f"Log-probabilities under the base model, {len(items)} training items "
               f"({note or 'of seed 0'})")
    means = f"Means: {'; '.join(means)}"
    if not figures.available():
        return [f"{caption}. {means}."]
    figure = figures.histograms([
        ("log-probability, nats", total),
        ("log-probability per token, nats", per_token),
    ])
    caption += f"; the lowest 2 % are in the first bar. {means}"
    return picture(figure, folder, name, caption)


def kl_and_forgetting(c, folder, name):
    """Mean drop against KL, one point a trained model."""
    names = drop_benchmarks(c.base)
    if not names or not c.groups:
        return ["No trained model has both figures."]
    points = []
    for (method, _), group in c.groups.items():
        for cell, base in zip(*paired(group, c.base)):
            lost = np.mean([base["benchmarks"][n]["accuracy"] - cell["benchmarks"][n]["accuracy"]
                            for n in names])
            points.append((method, method_title(method), cell["kl"], 100 * lost))
    caption = "Mean drop against KL(base || tuned), one point a trained model"
    if not figures.available():
        return [f"{caption}. Not drawn; the means over seeds stand under Gain and drop."]
    return picture(figures.kl(points), folder, name, caption)


def learning_curves(c, folder, name):
    """Training loss by step, a curve a method; no lines where nothing was trained."""
    if not c.rates:
        return []
    curves = []
    for method, lr in c.rates.items():
        curve = mean_curve(c.groups[method, lr])
        if curve:
            curves.append((method, f"{method_title(method)}, rate {lr:g}", *curve))
    if not curves:
        return ["results.json holds no training curve."]
    caption = ("the mean over seeds at each method's chosen rate. Every method has targets of its "
               "own, so a lower loss means likelier targets, not a better model")
    if figures.available():
        caption = f"Loss by step, lightly smoothed, {caption}"
        return picture(figures.curves(curves), folder, name, caption)
    lines = [f"Loss at the start and at the end, {caption}.", ""]
    for _, title, _, losses in curves:
        lines.append(f"- {title}: {losses[0]:.3f} -> {losses[-1]:.3f}")
    return lines


def mean_curve(group):
    """(steps, losses): the mean of a group's curves, at the steps of the shortest.

    None where a cell has no target, so no curve.
    """
    if not all(cell["curve"] for cell in group):
        return None
    curves = [np.array(cell["curve"], dtype=float) for cell in group]     # (points, 2) each
    shortest = min(curves, key=lambda curve: curve[-1, 0])
    steps = shortest[:, 0]
    losses = [np.interp(steps, curve[:, 0], curve[:, 1]) for curve in curves]
    return steps.tolist(), np.mean(losses, axis=0).tolist()
