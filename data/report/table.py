"""table.py - the table that a run ends with, and the lines under it: a function of results.json.

`columns_of` makes one row of the table: a new column is one more entry there.
"""
import textwrap

import numpy as np

from data import plural
from data.report.conclusions import conclusions
from data.report.intervals import (
    accuracy, drop_benchmarks, group_of, mean_drop, skills, table_benchmarks,
)
from data.report.rates import chosen_rates
from data.report.text import method_title, percent, plain_table, with_interval

NUMBER_RULES = ("hash", "boxed", "answer is", "last number", "none")    # how judge.number read it
# The sources of a method's targets; golds of the controls (raw, voice) count as golds.
SOURCES = (("own",), ("paraphrase",), ("gold", "raw", "voice"))


WIDTH = 80                       # of the lines under the tables


def final_table(results):
    """results.json -> the text that a run ends with."""
    settings = results["settings"]
    rates = {"base": None} | chosen_rates(results)
    base = group_of(results, "base", None)
    rows = [("base", None)]
    rows += [(method, lr) for method in settings["methods"] for lr in settings["lr"]
             if group_of(results, method, lr)]
    cells = [columns_of(results, method, lr, rates) for method, lr in rows]
    head = [name for name, _ in cells[0]]
    lines = plain_table([head, *([text for _, text in row] for row in cells)])
    lines += benchmark_table(results, "benchmark, %", table_benchmarks(base), rows, rates)
    lines += benchmark_table(results, "skill, %", skills(base), rows, rates)
    lines.append("")

    groups = {method: group_of(results, method, lr) for method, lr in rates.items()}
    notes = ["brackets: 95 % intervals; drop: points lost, mean over the multiple-choice "
             "benchmarks; KL(base || tuned): nats per token; own/para/gold: where the targets come "
             "from, in %"]
    if len(settings["lr"]) > 1:
        notes.append("* the rate chosen on validation: the smallest within one standard error of "
                     "the method's best")
    if table_benchmarks(base):
        notes += about_benchmarks(results, base)
    notes += conclusions(groups, settings.get("new_items"))
    notes += about_answers(groups, settings)
    notes += about_samples(groups, settings)
    notes += about_attempts(results)
    notes += left_out(results, groups)
    if results.get("lab"):
        notes.append(results["lab"])
    speeds = results["times"]["tokens_per_second"]
    if speeds:
        parts = ", ".join(f"{kind} {speed:,}" for kind, speed in speeds.items())
        minutes = results["times"]["minutes"]
        notes.append(f"tokens per second: {parts} ({minutes:.1f} min in all)")
    for note in notes:
        lines += textwrap.wrap(note, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def columns_of(results, method, lr, rates):
    """One row of the table: [(column, text), ..]."""
    group = group_of(results, method, lr)
    base = group_of(results, "base", None)
    row = [("method", method_title(method))]
    if len(results["settings"]["lr"]) > 1:
        row.append(("rate", rate_title(method, lr, rates)))
    row.append((f"{results['task']}, %", with_interval(accuracy(group))))
    lost = None if method == "base" else mean_drop(group, base)
    row.append(("drop", f"{100 * lost[0]:+.1f}" if lost else "-"))
    row.append(("KL", "-" if method == "base" else mean_kl(group)))
    row.append(("own/para/gold", "-" if method == "base" else target_shares(group)))
    minutes = np.mean([cell["times"]["minutes"] for cell in group])
    row.append(("minutes", f"{minutes:.1f}"))
    return row


def rate_title(method, lr, rates):
    """"0.001*": a star marks the rate that validation chose."""
    if lr is None:
        return "-"
    return f"{lr:g}*" if rates[method] == lr else f"{lr:g} "


def benchmark_table(results, title, names, rows, rates):
    """The accuracy of every row of the table on some benchmarks, in %: lines, none without names.

    rows: [(method, rate), ..]. Multiple choice has a row for chance, the score of a guess.
    """
    if not names:
        return []
    lines = [[title, *names]]
    base = group_of(results, "base", None)[0]
    chance = [base["benchmarks"][name]["chance"] for name in names]
    if any(chance):
        lines.append(["chance", *(f"{100 * score:.1f}" if score else "-" for score in chance)])
    several = len(results["settings"]["lr"]) > 1
    for method, lr in rows:
        group = group_of(results, method, lr)
        label = method_title(method)
        if several and lr is not None:
            label = f"{label} {rate_title(method, lr, rates)}".rstrip()
        lines.append([label, *(f"{100 * accuracy(group, name)[0]:.1f}" for name in names)])
    return ["", *plain_table(lines)]


def mean_kl(group):
    """The mean KL of a group."""
    return f"{np.mean([cell['kl'] for cell in group]):.3f}"


def count_sources(group):
    """How many targets a group has of each of SOURCES: list of three."""
    counts = [0] * len(SOURCES)
    for cell in group:
        for source, n in cell["sources"].items():
            for i, beginnings in enumerate(SOURCES):
                if source.startswith(beginnings):
                    counts[i] += n
    return counts


def target_shares(group):
    """Where a group's targets come from: own/paraphrase/gold in %."""
    counts = count_sources(group)
    return "/".join(f"{100 * n / max(1, sum(counts)):.0f}" for n in counts)


# ---------------------------------------------------------------- the lines under it

def about_benchmarks(results, base):
    """What the benchmarks' scores are, where they are not the share of right answers: lines.

    base: the base model's cells, of which the first speaks for all.
    """
    scores = {name: base[0]["benchmarks"][name] for name in table_benchmarks(base)}
    inside = drop_benchmarks(base)
    outside = [name for name in scores if name not in inside]
    lines = []
    if inside and outside:
        lines.append(f"the drop leaves out {', '.join(outside)}")
    metrics = []                            # of benchmarks whose score is no plain accuracy
    for name, row in scores.items():
        if row.get("cut_off"):
            lines.append(f"{name}: {100 * row['cut_off']:.0f} % of base's answers were cut off by "
                         "the length limit")
        others = "".join(f", base's {metric} is {100 * value:.1f}"
                         for metric, value in row.get("also", {}).items())
        if others:
            metrics.append(f"{name} is {row['metric']}{others}")
    if metrics:
        lines.append("scores: " + "; ".join(metrics))
    for name, row in scores.items():
        if row.get("cut"):
            lines.append(f"{name}: {row['cut']} {plural('item', row['cut'])} longer than the "
                         "model's context lost tokens on the left")
    return lines + results["benchmark_notes"]


def about_answers(groups, settings):
    """What the column of the task does not say about the test answers: lines."""
    test = groups["base"][0]["test"]
    temperature = settings["test_temperature"]
    lines = []
    if "summary" in test:
        parts = [f"{method_title(m)} {reading_scores(group)}" for m, group in groups.items()]
        lines.append("reading: " + "; ".join(parts))
    if "pass_at" in test:
        ks = list(test["pass_at"])
        parts = []
        for method, group in groups.items():
            scores = [percent([cell["test"]["pass_at"][k] for cell in group]) for k in ks]
            parts.append(f"{method_title(method)} {' '.join(scores)}")
        lines.append(f"pass@k ({settings['test_samples']} answers each at temperature "
                     f"{temperature:g}, the column above is pass@1; unbiased), "
                     f"k = {', '.join(ks)}: {'; '.join(parts)}")
    elif temperature:
        lines.append(f"test answers were sampled at temperature {temperature:g}, one to each "
                     "question")
    return lines


def reading_scores(group):
    """EM, F1, recall and the two errors of abstaining of a group, over all seeds."""
    summaries = [cell["test"]["summary"] for cell in group]      # of data/tasks/reading.py
    mean = {name: 100 * np.mean([s[name] for s in summaries]) for name in ("em", "f1", "recall")}
    text = f"EM {mean['em']:.1f} F1 {mean['f1']:.1f} recall {mean['recall']:.1f}"
    unanswerable = sum(s["unanswerable"] for s in summaries)
    if unanswerable:
        answerable = sum(s["answerable"] for s in summaries)
        answered = sum(s["answered_unanswerable"] for s in summaries)
        abstained = sum(s["abstained_answerable"] for s in summaries)
        text += f", {answered} of {unanswerable} answers where the passage has none do not say so"
        text += f", {abstained} of {answerable} where it has one decline"
    return text


def about_samples(groups, settings):
    """Which rows had another number of attempts, or another temperature, than the others: a line.
    """
    others = (settings.get("samples"), settings.get("temperature"))
    parts = []
    for method, group in groups.items():
        own = (group[0].get("samples"), group[0].get("temperature"))
        if own[0] is not None and own != others:
            parts.append(f"{method_title(method)} {own[0]} at temperature {own[1]:g}")
    if not parts:
        return []
    return [f"attempts a question: {', '.join(parts)}; all others {others[0]} at {others[1]:g}"]


def about_attempts(results):
    """What was sampled to train on, why it was refused, and how many rewrites are copies: lines."""
    parts = []
    for source, rules in results["verdicts"].items():
        accepted = sum(good for good, _ in rules.values())
        tried = sum(total for _, total in rules.values())
        refused = {}                        # {reason: attempts}
        for rule, (good, total) in sorted(rules.items()):
            reason = "wrong number" if rule in NUMBER_RULES else rule
            reason = "other text" if rule == "exact" else reason
            refused[reason] = refused.get(reason, 0) + total - good
        reasons = ", ".join(f"{reason} {n}" for reason, n in refused.items() if n)
        why = f" (refused: {reasons})" if reasons else ""
        parts.append(f"{source}: {accepted} of {tried} accepted{why}")
    lines = ["attempts: " + "; ".join(parts)] if parts else []
    copies = results["copies"]
    if copies["accepted"]:
        equal = f": {100 * copies['equal']:.0f} %"
        if "renamed" in copies:             # programs
            equal = f" and comments{equal}, but for names too: {100 * copies['renamed']:.0f} %"
        lines.append(f"paraphrases accepted: {copies['accepted']}; equal to the gold but for white "
                     f"space{equal}; mean similarity to it {copies['similarity']:.2f}")
    return lines


def left_out(results, groups):
    """Answers that were cut off, and examples that nobody trained on: lines."""
    lines = []
    cut_off = {m: np.mean([cell["test"]["cut_off"] for cell in g]) for m, g in groups.items()}
    if any(cut_off.values()):
        parts = [f"{method_title(m)} {100 * share:.1f} %" for m, share in cut_off.items()]
        lines.append("test answers cut off by the length limit: " + ", ".join(parts))
    dropped = {m: sum(cell["dropped"] for cell in g) for m, g in groups.items() if m != "base"}
    if any(dropped.values()):
        parts = [f"{method_title(m)} {n}" for m, n in dropped.items() if n]
        lines.append("examples without an accepted source, left out: " + ", ".join(parts))
    if results["do_not_fit"]:
        lines.append("training examples that do not fit the model's context, left out for all "
                     f"methods: {results['do_not_fit']}")
    return lines
