"""study.py - what the two studies say (README.md), from the cells that stand in results/.

    python -m data.methods.study             # seconds; nothing is trained, figures need matplotlib

The first study has one test, and nobody looks at it before its thirty seeds are there. The second
describes: a table and a picture, results/family.png, of every row at its own rate.
"""
from pathlib import Path

import numpy as np

from data.report import figures, gather
from data.report.intervals import accuracy, difference, drop_benchmarks, mean_drop, paired
from data.report.rates import chosen_rates
from data.report.table import mean_kl, target_shares
from data.report.text import markdown_table, method_title, points, with_interval

RESULTS = Path(__file__).parent / "results"
SEEDS = 30                       # of the first study
FAMILY_SEEDS = 3                 # of the second

# Rows by the seam at which they differ, each with its control, or with the row that it changes.
SEAMS = {
    "source": {"sft": None, "sdft": "sft", "s3ft": "sft", "ssd": "own_only"},
    "choice": {"rft": "rft_repeat", "rft_repeat": "sft", "grape": "grape_random",
               "shortest": "grape_random", "grape_random": "sft",
               "s3ft_more": "s3ft_more_random", "s3ft_more_random": "s3ft"},
    "weight and loss": {"mask": "mask_random", "mask_random": "sft", "ual": "ual_even",
                        "ual_even": "sft", "dft": "sft", "s3ft_dft": "s3ft"},
    "parameters": {"bitfit": "sft", "ia3": "sft", "adapter": "sft", "promot": "sft"},
    "examples": {"delift": "delift_random", "delift_random": "sft"},
}


def groups_of(results):
    """{method: its cells, one a seed}, with base. A study compares every method at one rate."""
    groups = {}
    for cell in results["cells"]:
        group = groups.setdefault(cell["method"], [])
        group.append(cell)
        assert cell["lr"] == group[0]["lr"], f"{cell['method']} has cells at several rates"
    return groups


# ---------------------------------------------------------------- does selecting add to rewriting?

def selecting(results):
    """The test S3FT - SDFT, and what is described beside it: lines."""
    groups = groups_of(results)
    base = groups["base"]
    s3ft, sdft = paired(groups.get("s3ft", []), groups.get("sdft", []))
    if len(s3ft) < SEEDS:
        return [f"{len(s3ft)} of {SEEDS} seeds are there; the test waits for all of them"]
    gap = difference(s3ft, sdft)
    is_shown = gap[1] > 0 or gap[2] < 0
    lines = [f"primary, task, S3FT - SDFT: {points(gap)}, {len(s3ft)} seeds: "
             + ("shown" if is_shown else "not shown")]
    names = drop_benchmarks(base)
    lost_more = difference(sdft, s3ft, names)        # above 0: S3FT has lost more
    outcome = "described"
    if is_shown:
        outcome = "shown" if lost_more[1] > 0 or lost_more[2] < 0 else "not shown"
    lines.append(f"mean drop, S3FT - SDFT: {points(lost_more)}: {outcome}")
    lines.append("all that follows is described")
    for name in results["cells"][0]["benchmarks"]:
        lines.append(f"{name}, S3FT - SDFT: {points(difference(s3ft, sdft, [name]))}")
    for group, title in ((base, "base"), (sdft, "SDFT"), (s3ft, "S3FT")):
        lines.append(f"{title}, task: {with_interval(accuracy(group))}")
    for group, title in ((sdft, "SDFT"), (s3ft, "S3FT")):
        lines.append(f"{title}: gain over base {points(difference(group, base))}; mean drop "
                     f"{points(mean_drop(group, base))}; KL {mean_kl(group)}; "
                     f"own/para/gold {target_shares(group)} %")
    return lines


# ---------------------------------------------------------------- the family

def family(results):
    """The table of the rows that are there: lines of Markdown."""
    groups = groups_of(results)
    base = groups["base"]
    rows = [["row", "rate", "right, %", "gain over base", "drop", "KL", "minutes",
             "control", "task, row - control", "drop, control - row"]]
    rows.append(["base", "-", with_interval(accuracy(base)), *["-"] * 7])
    unfinished = []
    for controls in SEAMS.values():
        for method, control in controls.items():
            group = groups.get(method, [])
            if len(group) < FAMILY_SEEDS:
                unfinished.append(method)
            if not group:
                continue
            minutes = np.mean([cell["times"]["minutes"] for cell in group])
            row = [method_title(method), f"{group[0]['lr']:g}", with_interval(accuracy(group)),
                   points(difference(group, base), ""), points(mean_drop(group, base), ""),
                   mean_kl(group), f"{minutes:.1f}"]
            if control in groups:
                ahead = difference(group, groups[control])
                keeps = difference(group, groups[control], drop_benchmarks(base))
                row += [method_title(control), points(ahead, ""), points(keeps, "")]
            else:
                row += ["-"] * 3
            rows.append(row)
    lines = markdown_table(rows)
    if unfinished:
        lines += ["", f"fewer than {FAMILY_SEEDS} seeds are there of: {', '.join(unfinished)}"]
    return lines


def draw(results):
    """A panel for each seam: its rows against the mean drop. SFT and S3FT stand in each."""
    groups = groups_of(results)
    base = groups["base"]
    panels = figures.new_axes(17, 4.2, columns=len(SEAMS))
    for axes in panels[1:]:
        axes.sharex(panels[0])
        axes.sharey(panels[0])
    for axes, (seam, controls) in zip(panels, SEAMS.items()):
        methods = list(dict.fromkeys(["sft", "s3ft", *controls]))
        style = figures.styles(methods)
        axes.set_title(seam, fontsize=11)
        axes.axvline(0, color=figures.BASE, lw=0.8, ls=":")
        axes.plot(0, 100 * accuracy(base)[0], color=figures.BASE, marker="*", ms=12, ls="none",
                  label="base")
        for method in methods:
            if method not in groups:
                continue
            x, left, right = 100 * np.array(mean_drop(groups[method], base))
            y, low, high = 100 * np.array(accuracy(groups[method]))
            colour = style[method]["color"]
            axes.hlines(y, left, right, color=colour, lw=1, alpha=0.45)
            axes.vlines(x, low, high, color=colour, lw=1, alpha=0.45)
            is_control = method in controls.values() and method not in ("sft", "s3ft")
            axes.plot(x, y, **style[method], ms=8, mew=1.5, ls="none", label=method_title(method),
                      mfc="white" if is_control else colour)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False, fontsize=9)
    panels[0].set_ylabel("task, accuracy in %")
    panels[len(panels) // 2].set_xlabel("mean drop over the multiple-choice benchmarks, points "
                                        "(more forgetting: to the right; hollow: controls)")
    return panels[0].figure


# ---------------------------------------------------------------- all that is there

def main():
    print("Does selecting add to rewriting?\n")
    print("\n".join(selecting(cells_of("selecting"))))
    rates = chosen_rates(cells_of("family-rates"))
    chosen = ", ".join(f"{method} {rate:g}" for method, rate in rates.items())
    print(f"\nThe family: of the rates that are there validation chooses {chosen}")
    if (RESULTS / "family" / "gsm8k.jsonl").is_file():
        results = cells_of("family")
        print("\n" + "\n".join(family(results)))
        if figures.available():
            figures.save(draw(results), RESULTS, "family")


def cells_of(name):
    """The cells of one part of the studies, as results.json would hold them."""
    return gather.gather_cells([RESULTS / name / "gsm8k.jsonl"])


if __name__ == "__main__":
    main()
