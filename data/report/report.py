"""report.py - the report on finished runs, a section for each task; `section` says what it has.

    python s3ft.py --report runs/RUN [runs/RUN ...]     # printed, and written to runs/RUN/report
    python s3ft.py --report FOLDER/gsm8k.jsonl          # the cells that --results FOLDER keeps

Numbers and pictures are made from results.json alone.
"""
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data import UserError, plural
from data.report import changed_items, class_table, figures, pictures
from data.report.conclusions import conclusions
from data.report.intervals import (
    accuracy, difference, drop_benchmarks, item_sets, kind_of_interval, mean_drop, skills,
    table_benchmarks, wilson,
)
from data.report.paper import three_tables
from data.report.pool import pool
from data.report.rates import chosen_rates, validation_accuracy
from data.report.read_runs import runs_by_task
from data.report.table import about_attempts, about_benchmarks, mean_kl, target_shares
from data.report.text import (
    fence, listed, markdown_table, md, method_title, points, with_interval,
)
from data.results.scores import measured


def report(paths, out=None):
    """Print the report, and write it with its pictures into a folder -> report.md's path."""
    first = Path(paths[0])
    folder = Path(out) if out else (first if first.is_dir() else first.parent) / "report"
    try:
        pooled = [pool(runs) for runs in runs_by_task(paths)]
        lines = [f"# S3FT: {md(', '.join(results['task'] for results in pooled))}"]
        if not figures.available():
            lines += ["", "Figures need matplotlib: `pip install matplotlib`."]
        folder.mkdir(parents=True, exist_ok=True)
        for number, results in enumerate(pooled, 1):
            prefix = f"{number}-" if len(pooled) > 1 else ""         # of the pictures' names
            lines += ["", *section(results, folder, prefix)]
        models = {str(results["identity"]["model"]) for results in pooled}
        if len(models) > 1:
            lines += ["", "The paper's tables are left out: these runs are of several models."]
        elif len(pooled) > 1:
            lines += ["", "## The paper's tables", "", *fence(three_tables(pooled).strip())]
        text = "\n".join(lines) + "\n"
        (folder / "report.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--report: {error.filename} cannot be read or written ({error.strerror}); "
                        "--out FOLDER writes elsewhere") from None
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError,
            ValueError) as error:            # a file that was edited by hand
        names = " ".join(str(path) for path in paths)
        raise UserError(f"--report {names}: results are damaged ({type(error).__name__}: {error}); "
                        "give the run's command again") from error
    encoding = sys.stdout.encoding or "utf-8"
    printed = f"{text}\nreport: {folder / 'report.md'}"
    print(printed.encode(encoding, "replace").decode(encoding))
    return folder / "report.md"


@dataclass
class Comparison:
    """Pooled runs of one task, and what several sections need of them."""
    results: dict                # in the shape of results.json, as `pool` returns it
    base: list                   # the base model's cells, one a seed
    groups: dict                 # {(method, rate): its cells, one a seed}, without base
    rates: dict                  # {method: the rate that validation chose}
    lost: dict                   # {(method, rate): (mean, low, high) of the mean drop, or None}
    row_starts: dict             # {(method, rate): [method, rate] as a table shows them}
    lack_seeds: bool             # have some groups fewer seeds than the base model?


def comparison(results):
    """Pooled runs -> Comparison."""
    groups = {}
    for cell in results["cells"]:
        groups.setdefault((cell["method"], cell["lr"]), []).append(cell)
    base = groups.pop(("base", None))
    rates = chosen_rates(results)
    lack_seeds = any(len(group) < len(base) for group in groups.values())
    methods = [method for method, _ in groups]
    lost = {}
    row_starts = {}
    for (method, lr), group in groups.items():
        lost[method, lr] = mean_drop(group, base)
        rate = f"{lr:g}"
        if methods.count(method) > 1 and rates[method] == lr:
            rate += ", chosen"
        if lack_seeds:
            rate += f", {len(group)} {plural('seed', len(group))}"
        row_starts[method, lr] = [method_title(method), rate]
    return Comparison(results, base, groups, rates, lost, row_starts, lack_seeds)


def section(results, folder, prefix):
    """All about one task: lines of Markdown. Its pictures are written into folder/prefix*."""
    c = comparison(results)
    seed = results["settings"]["seeds"][0]
    parts = [                                # (title, lines); without lines a part is left out
        (f"## {md(results['task'])} on {md(results['model'])}", what_was_compared(c)),
        ("### The class", class_table.the_class(c) if is_class(results) else []),
        ("### Gain and drop", gain_and_drop(c)),
        ("### Effect against chance", against_chance(c)),
        ("### Task against forgetting", pictures.frontier(c, folder, f"{prefix}frontier")),
        ("### What the base model finds likely (Figure 2 of the paper)",
         pictures.likelihoods(results["runs"], folder, f"{prefix}logprobs")),
        ("### KL and forgetting", pictures.kl_and_forgetting(c, folder, f"{prefix}kl")),
        ("### Targets and training",
         targets_and_training(c) + pictures.learning_curves(c, folder, f"{prefix}curves")),
        (f"### Items that changed (seed {seed}, each method at its chosen rate)",
         changed_items.changes(c, seed) if c.groups else []),
    ]
    lines = []
    for title, of_part in parts:
        if of_part:
            lines += ["", title, "", *of_part]
    return lines[1:]


def is_class(results):
    """Are these the files that a class handed in (hand_ins.py)?"""
    return "students_of" in results["runs"][0]


# ---------------------------------------------------------------- sections of numbers

def what_was_compared(c):
    """Runs, seeds, items, and what differs: lines."""
    seeds = c.results["settings"]["seeds"]
    labels = ", ".join(run["label"] for run in c.results["runs"])
    each = "each " if len(seeds) > 1 else ""
    items = [f"{each}{len(c.base[0]['test']['right'])} test items"]
    for name, scores in c.base[0]["benchmarks"].items():
        items.append(f"{len(scores['right'])} of {name}")
    lines = [f"{labels}: {listed('seed', seeds)}; {', '.join(items)}.", ""]
    lines += [f"- {md(remark)}" for remark in c.results["remarks"] + c.results["notes"]]
    return lines if len(lines) > 2 else lines[:1]


def gain_and_drop(c):
    """The first table, what its figures are, and those of each benchmark: lines."""
    rows = [
        ["method", "rate", f"{md(c.results['task'])}, %", "gain, points", "mean drop, points",
         "KL"],
        ["base", "-", with_interval(accuracy(c.base)), "-", "-", "-"],
    ]
    for key, group in c.groups.items():
        gain = points(difference(group, c.base), "")
        lost = points(c.lost[key], "")
        score = with_interval(accuracy(group))
        rows.append([*c.row_starts[key], score, gain, lost, mean_kl(group)])
    over = ", ".join(drop_benchmarks(c.base))
    over = over or "no benchmark of multiple choice, as none was measured"
    kind = ", Wilson for a figure; for a difference" if len(c.base) < 3 else ":"
    interval = kind_of_interval(c.base, c.results["settings"].get("new_items"))
    text = (f"Gain: over base. Mean drop: lost over {over}. KL(base || tuned): nats per token. "
            f"Brackets: 95 % intervals{kind} {interval}.")
    if c.lack_seeds:
        text += " Rows of fewer seeds: over those; below three, over items."
    lines = [*markdown_table(rows), "", text]
    lines += about_rates(c)
    lines += by_run(c.results["runs"], [about_judge(run) for run in c.results["runs"]])
    groups = {method: c.groups[method, lr] for method, lr in c.rates.items()}
    for line in conclusions({"base": c.base} | groups, c.results["settings"].get("new_items")):
        lines += ["", line]
    lines += each_benchmark(c, table_benchmarks(c.base), "Each benchmark: accuracy in %, and the "
                            "points lost.")
    lines += each_benchmark(c, skills(c.base), "Each skill: % of prompts answered exactly, and the "
                            "points lost (outside the mean drop).")
    chance = [f"{name} {100 * c.base[0]['benchmarks'][name]['chance']:.0f}"
              for name in table_benchmarks(c.base)]
    if chance:
        lines += ["", f"- Chance level, %: {', '.join(chance)}."]
        lines += [f"- {line}" for line in about_benchmarks(c.results, c.base)]
    return lines


def about_rates(c):
    """How each method did on validation at each rate, where there are several: lines."""
    parts = []
    for method in c.rates:
        by_rate, error = validation_accuracy(c.results, method)
        if error is not None:
            scores = ", ".join(f"{lr:g}: {100 * score:.1f}" for lr, score in by_rate.items())
            parts.append(f"{method_title(method)} {scores} "
                         f"(one standard error: {100 * error:.1f})")
    if not parts:
        return []
    return ["", "Rates are chosen on validation, the smallest within one standard error of the "
            f"method's best; accuracy there, %: {'; '.join(parts)}."]


def by_run(runs, lines_of_runs):
    """Lines on each run, with its name where there are several."""
    lines = []
    for run, of_run in zip(runs, lines_of_runs):
        label = f"{run['label']}: " if len(runs) > 1 else ""
        for line in of_run:
            lines += ["", label + line]
    return lines


def about_judge(run):
    """How often a run's judge was wrong, where the truth is known: a line, or none."""
    parts = []
    for source, row in (run.get("judge_errors") or {}).items():
        text = (f"{source} ({row['same']} by the world's steps, {row['other']} right by others, "
                f"{row['wrong']} wrong, {row['unfinished']} unfinished)")
        for judge, counts in (("the judge", row["steps"]),
                              ("one that looks at the number alone", row["number"])):
            wrong = 100 * counts["false_accept_share"]
            right = 100 * counts["false_reject_share"]
            text += (f"; {judge} accepts {counts['accepted']}, {counts['false_accepts']} of them "
                     f"wrong ({wrong:.1f} %), and refuses {counts['refused']}, "
                     f"{counts['false_rejects']} of them right ({right:.1f} %)")
        parts.append(text)
    return [f"judge against the world's own solutions: {'. '.join(parts)}"] if parts else []


def each_benchmark(c, names, title):
    """A table with a column for each of some benchmarks: lines, none where there are none."""
    if not names:
        return []
    rows = [["method", "rate", *names]]
    rows.append(["base", "-", *(with_interval(accuracy(c.base, name)) for name in names)])
    for key, group in c.groups.items():
        row = list(c.row_starts[key])
        for name in names:
            lost = points(difference(c.base, group, [name]), "")
            row.append(f"{100 * accuracy(group, name)[0]:.1f}, drop {lost}")
        rows.append(row)
    return ["", title, "", *markdown_table(rows)]


def against_chance(c):
    """Of what base has above chance, the share that every method lost: lines.

    It is taken where base is shown to lie above chance: its interval does.
    """
    names = table_benchmarks(c.base)
    if not names or not c.groups:
        return []
    lines = ["Of base's points above chance the share that is lost, in % (below 0: gained); "
             "the interval takes base's score as given."]
    above_chance = {}                        # {name: base's share right above chance}
    for name in names:
        scores = [measured(cell, name) for cell in c.base]
        right = np.concatenate(item_sets(scores))
        chance = scores[0]["chance"]
        low, high = wilson(right.sum(), len(right))
        if low > chance:
            above_chance[name] = right.mean() - chance
        else:
            where = "is below" if high < chance else "cannot be told from"
            score = f"{100 * right.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
            lines.append(f"{name}: base's {score} {where} chance, {100 * chance:.1f} %, "
                         "so there is no share to lose.")
    rows = [["method", "rate", *names]]
    for key, group in c.groups.items():
        row = list(c.row_starts[key])
        for name in names:
            if name in above_chance:
                lost = difference(c.base, group, [name])
                row.append(points([value / above_chance[name] for value in lost], ""))
            else:
                row.append("-")
        rows.append(row)
    return [*lines, "", *markdown_table(rows)]


def targets_and_training(c):
    """Where the targets came from, and what training took: lines."""
    if not c.groups:
        return []
    rows = [["method", "rate", "own/para/gold %", "target tokens", "test answers cut off, %",
             "minutes"]]
    for key, group in c.groups.items():
        tokens = np.mean([cell["target_tokens"] for cell in group])
        cut_off = np.mean([cell["test"]["cut_off"] for cell in group])
        minutes = np.mean([cell["times"]["minutes"] for cell in group])
        rows.append([*c.row_starts[key], target_shares(group), f"{tokens:,.0f}",
                     f"{100 * cut_off:.1f}", f"{minutes:.1f}"])
    lines = [*markdown_table(rows), "", "Tokens of the targets, seen once each epoch, and minutes "
             "(attempts, training, measuring): of one model, mean over seeds."]
    runs = c.results["runs"]
    return [*lines, *by_run(runs, [about_attempts(run) for run in runs]), ""]
