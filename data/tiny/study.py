"""study.py - the four tests of the comparison on tiny-gsm8k, in their fixed order.

    python data/tiny/study.py                # data/tiny/results/*.jsonl; no training, seconds

data/tiny/README.md has the protocol. Each difference is tested at 5 %, and only as long as all
before it were shown. Shown: the 95 % t interval over seeds, paired, lies above 0. Each method
stands at its own rate, and two are compared over the seeds that both have there, if these are
three or more. All else is described, not tested.
"""
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from data.report import gather
from data.report.intervals import drop_benchmarks, difference, group_of, mean_drop, paired
from data.report.paper import NOT_IN_PAPER, PAPER_FIGURES
from data.report.rates import chosen_rates
from data.report.table import count_sources, mean_kl
from data.report.text import method_title, points

TESTS = (                                   # what, of which method, against which, of the drop?
    ("mean drop, SFT - S3FT", "s3ft", "sft", True),
    ("task, S3FT - SFT", "s3ft", "sft", False),
    ("task, S3FT - SDFT", "s3ft", "sdft", False),
    ("task, S3FT - SSR", "s3ft", "ssr", False),
)


def study(results):
    """results.json of one task -> the tests, and what is described beside them: lines.

    [] below three seeds of SFT and S3FT.
    """
    rates = {"base": None} | chosen_rates(results)
    groups = {method: group_of(results, method, lr) for method, lr in rates.items()}
    sft, s3ft = paired(groups.get("sft", []), groups.get("s3ft", []))
    if len(sft) < 3:
        return []
    base = groups["base"]
    lines = four_tests(groups)
    lines.append(f"guard, task, SFT - base: {points(difference(sft, base))}")
    sft_lost = mean_drop(sft, base)
    s3ft_lost = mean_drop(s3ft, base)
    text = f"mean drop of SFT: {points(sft_lost)}; of S3FT: {points(s3ft_lost)}"
    if sft_lost[0] > 0:
        text += f", {100 * s3ft_lost[0] / sft_lost[0]:.0f} % of SFT's"
    lines.append(text)
    lines += on_fresh_seeds(results, rates, sft, s3ft)
    lines += at_other_rates(results, rates)
    for method, group in groups.items():
        if method in ("base", "sft", "s3ft"):
            continue
        for first, second in (("s3ft", method), (method, "sft")):
            mine, theirs = paired(groups[first], groups[second])
            if len(mine) >= 3:
                text = side_by_side(mine, theirs, method_title(first), method_title(second))
                lines.append(f"{len(mine)} seeds: {text}")
    parts = [f"{method_title(m)} {mean_kl(group)}" for m, group in groups.items() if m != "base"]
    lines.append("KL(base || tuned): " + ", ".join(parts))
    counts = count_sources(groups["s3ft"])
    shares = "/".join(f"{100 * n / sum(counts):.1f}" for n in counts)
    papers = PAPER_FIGURES.get(results["task_name"], NOT_IN_PAPER)["shares"]
    lines.append(f"S3FT's targets, own/paraphrase/gold: {shares} % "
                 f"(the paper's Table 3: {'/'.join(str(share) for share in papers)})")
    return lines


def four_tests(groups):
    """A line for each of TESTS: shown, not shown, or only described."""
    lines = []
    stopped = False                         # was one before it not shown?
    for letter, (what, method, against, of_drop) in zip("abcd", TESTS):
        mine, theirs = paired(groups.get(method, []), groups.get(against, []))
        is_shown = False
        numbers = "not measured on three seeds or more"
        if len(mine) >= 3:
            names = drop_benchmarks(groups["base"]) if of_drop else ("test",)
            gap = difference(mine, theirs, names)
            is_shown = gap[1] > 0
            numbers = f"{points(gap)}, {len(mine)} seeds"
        outcome = "shown" if is_shown else "not shown; the rest is descriptive"
        lines.append(f"{letter}. {what}: {numbers}: {'descriptive' if stopped else outcome}")
        stopped = stopped or not is_shown
    return lines


def side_by_side(group, other, name, other_name):
    """How far a group is ahead of another on the task and in what it keeps."""
    ahead = points(difference(group, other))
    keeps = points(difference(group, other, drop_benchmarks(group)))
    return f"task, {name} - {other_name}: {ahead}; mean drop, {other_name} - {name}: {keeps}"


def on_fresh_seeds(results, rates, sft, s3ft):
    """SFT against S3FT on the seeds that had no part in choosing a rate: a line, or none."""
    screened = set()                        # seeds that ran at several rates
    for cell in results["cells"]:
        if cell["method"] in ("sft", "s3ft") and cell["lr"] != rates[cell["method"]]:
            screened.add(cell["seed"])
    sft = [cell for cell in sft if cell["seed"] not in screened]
    s3ft = [cell for cell in s3ft if cell["seed"] not in screened]
    if not screened or len(s3ft) < 3:
        return []
    text = side_by_side(s3ft, sft, "S3FT", "SFT")
    return [f"a and b on the {len(s3ft)} seeds that had no part in choosing a rate: {text}"]


def at_other_rates(results, rates):
    """SFT and S3FT at rates that they share, and at equal task accuracy: lines.

    They are left out below three seeds that both have.
    """
    sft = {}                                # {rate: its cells}
    s3ft = {}
    for lr in results["settings"]["lr"]:
        sft[lr] = group_of(results, "sft", lr)
        s3ft[lr] = group_of(results, "s3ft", lr)
    shared = [lr for lr in sft if sft[lr] and s3ft[lr]]
    if len(shared) < 2:                     # nothing was compared on validation
        return []
    pairs = []                              # (what is compared, SFT's rate, S3FT's rate)
    for lr in shared:
        pairs.append((f"both at rate {lr:g}", lr, lr))
    for lr in shared:
        if lr < rates["sft"]:
            title = f"SFT at rate {lr:g}, S3FT at its own, {rates['s3ft']:g}"
            pairs.append((title, lr, rates["s3ft"]))
    learnt_by_sft = on_validation(sft[rates["sft"]])
    enough = [lr for lr in s3ft if s3ft[lr] and on_validation(s3ft[lr]) >= learnt_by_sft]
    if enough:
        title = (f"at equal task accuracy (S3FT's smallest rate that reaches SFT's accuracy on "
                 f"validation, {min(enough):g}; SFT's own, {rates['sft']:g})")
        pairs.append((title, rates["sft"], min(enough)))
    lines = []
    for title, sft_rate, s3ft_rate in pairs:
        theirs, mine = paired(sft[sft_rate], s3ft[s3ft_rate])
        if len(mine) >= 3:
            lines.append(f"{title}: {side_by_side(mine, theirs, 'S3FT', 'SFT')}")
    return lines


def on_validation(cells):
    """The mean accuracy of cells on validation."""
    return np.mean([cell["validation"]["accuracy"] for cell in cells])


def main():
    for path in sorted((ROOT / "data" / "tiny" / "results").glob("*.jsonl")):
        results = gather.gather_cells([path])
        print(f"{results['task']}: a to d are tested at 5 %, each only if all before it are shown; "
              "paired by seed, each method at its own rate")
        for line in study(results):
            print(f"- {line}")
        print()


if __name__ == "__main__":
    main()
