"""tables.py - the table that a run ends with, the paper's three tables, and their intervals.

All are pure functions of results.json. There "cells" is a list of trained and measured models. A
cell has a method, a learning rate (None for the base model) and a seed. A group is a list of cells
of one method at one rate, one a seed.

Intervals are of 95 %:
- One or two seeds: Wilson's for a share, a paired bootstrap over items for a difference. What
  differs from seed to seed is left out, and the line says so.
- Three seeds or more: a t interval over seeds.
Items that two seeds share count once.
"""
import math

import numpy as np

from data import UserError, plural
from data.results.scores import flags, measured

NUMBER_RULES = ("hash", "boxed", "answer is", "last number", "none")    # how judge.number read it
NAMES = {"sft": "SFT", "ssr": "SSR", "sdft": "SDFT", "s3ft": "S3FT"}
PARTS = ("own", "paraphrase", "gold")       # of a method's targets
# 97.5 % point of Student's t for 2, 3, .. 20 degrees of freedom
T975 = [
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
    2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
]


# ---------------------------------------------------------------- intervals

def wilson(right, n, z=1.96):
    """95 % interval (low, high) of a share, right of n (Wilson 1927)."""
    p = right / n
    scale = 1 + z * z / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / scale, (centre + half) / scale


def t_interval(values):
    """Mean and half width of the 95 % t interval over seeds."""
    n = len(values)
    if n - 3 < len(T975):
        t = T975[n - 3]
    else:                                   # the first terms of its series
        t = 1.96 + 2.37 / (n - 1) + 2.8 / (n - 1) ** 2
    deviation = float(np.std(values, ddof=1))
    return float(np.mean(values)), t * deviation / math.sqrt(n)


def bootstrap(differences, rounds=10_000):
    """95 % interval (low, high) of the mean of paired differences, by resampling items.

    differences: list of arrays, one an item set. Items are drawn within their set. The statistic is
    the mean of the sets' means, so all sets weigh alike.
    """
    rng = np.random.default_rng(0)
    means = np.zeros(rounds)
    for row in differences:
        row = np.asarray(row, dtype=float)
        # There are few different values, so a multinomial draw of their counts is the resampling.
        values, counts = np.unique(row, return_counts=True)
        drawn = rng.multinomial(len(row), counts / len(row), size=rounds)    # (rounds, values)
        means += drawn @ values / len(row) / len(differences)
    low, high = np.quantile(means, [0.025, 0.975])
    return low, high


# ---------------------------------------------------------------- one cell

def choices(base):
    """Names of the multiple-choice benchmarks, over which the mean drop is taken.

    Another task that is measured beside them stands outside it.
    """
    names = []
    for name, row in base["benchmarks"].items():
        if not row or row.get("kind", "choice") == "choice":
            names.append(name)
    return names


def columns(base):
    """The sets that stand in the table: all but the small skills of the bundled model."""
    names = []
    for name, row in base["benchmarks"].items():
        if not row or row.get("kind") != "skill":
            names.append(name)
    return names


def skill_names(base):
    """The small skills, which have a line of their own under the table."""
    in_table = columns(base)
    return [name for name in base["benchmarks"] if name not in in_table]


def drop(cell, base):
    """Mean loss of accuracy over the multiple-choice benchmarks, 0.04 for four points.

    None where there is no such benchmark or one was not measured.
    """
    losses = []
    for name in choices(base):
        before = measured(base, name)
        after = measured(cell, name)
        if not before or not after:
            return None
        losses.append(before["accuracy"] - after["accuracy"])
    return float(np.mean(losses)) if losses else None


# ---------------------------------------------------------------- groups of cells, one a seed

def cells_at(results, method, lr):
    """The cells of a method at a rate."""
    group = []
    for cell in results["cells"]:
        if cell["method"] == method and cell["lr"] == lr:
            group.append(cell)
    return group


def paired(group, other):
    """The cells of both whose seed both have, in one order: two lists."""
    mine = {cell["seed"]: cell for cell in group}
    theirs = {cell["seed"]: cell for cell in other}
    common = [seed for seed in mine if seed in theirs]
    return [mine[seed] for seed in common], [theirs[seed] for seed in common]


def mean_drop(group, base):
    """The mean loss of a group against the base model's cells, over the seeds that both have."""
    lost = difference(base, group, choices(base[0]))
    return lost[0] if lost else None


def item_sets(rows):
    """Right by item, one array for each item set.

    Seeds that were measured on the same items are averaged, item by item.
    """
    sets = {}
    for row in rows:
        same_items = (row.get("ids"), len(row["right"]))
        sets.setdefault(same_items, []).append(flags(row["right"]))
    return [np.mean(same, axis=0) for same in sets.values()]


def scored(group, name="test"):
    """(accuracy, low, high) of a group on the test or a benchmark; None if a cell lacks it."""
    rows = [measured(cell, name) for cell in group]
    if not all(rows):
        return None
    accuracy = [row["accuracy"] for row in rows]
    # The base model answers shared items alike for every seed: that is one measurement, not three.
    differ = len({str(row["right"]) for row in rows}) > 1
    if len(rows) >= 3 and differ:
        mean, half = t_interval(accuracy)
        return mean, max(0.0, mean - half), min(1.0, mean + half)
    right = np.concatenate(item_sets(rows))
    low, high = wilson(right.sum(), len(right))
    return float(np.mean(accuracy)), low, high


def difference(group, other, names=("test",)):
    """(mean, low, high) of group minus other, over the seeds that both have.

    It is the mean over the named sets. None where one of them was not measured.
    """
    group, other = paired(group, other)
    if not group or not names:
        return None
    gaps = []                               # of each set a list, one an entry a seed
    for name in names:
        by_seed = []
        for mine, theirs in zip(group, other):
            a = measured(mine, name)
            b = measured(theirs, name)
            if not a or not b:
                return None
            gap = flags(a["right"]) - flags(b["right"])
            by_seed.append({"ids": a.get("ids"), "right": gap})
        gaps.append(by_seed)

    means = []                              # one a seed
    for i in range(len(group)):
        means.append(np.mean([by_seed[i]["right"].mean() for by_seed in gaps]))
    if len(group) >= 3:
        mean, half = t_interval(means)
        return mean, mean - half, mean + half
    rows = [row for by_seed in gaps for row in item_sets(by_seed)]
    low, high = bootstrap(rows)
    return float(np.mean(means)), low, high


def how(base, new_items=False):
    """What an interval of `difference` is, and what it leaves out.

    base: the base model's cells. new_items: every seed drew its own items from the bundled world.
    """
    if len(base) < 3:
        return ("paired bootstrap over items; what differs from seed to seed is left out: "
                "--seeds 3 shows it")
    same = []                               # the sets that have the same items for every seed
    for name in ("test", *base[0]["benchmarks"]):
        rows = [measured(cell, name) for cell in base]
        item_lists = {(row.get("ids"), len(row["right"])) for row in rows if row}
        if len(item_lists) == 1:
            same.append(name)
    if "test" in same:
        items = "all are measured on the same items"
    elif new_items:
        items = "each has training and test items of its own, drawn anew"
    else:
        items = "each draws its items from the same files, so they share some"
    text = f"t interval over {len(base)} seeds; {items}"
    if same and "test" not in same:
        text += f" (for all the same: {', '.join(same)})"
    return text


# ---------------------------------------------------------------- words for numbers

def percent(values):
    """The mean of shares in %: "61.0"; "-" where there are none."""
    return f"{100 * np.mean(values):.1f}" if values else "-"


def points(gap, unit=" points"):
    """(0.112, 0.062, 0.162) -> +11.2 points [+6.2, +16.2]; None -> -"""
    if not gap:
        return "-"
    mean, low, high = gap
    return f"{100 * mean:+.1f}{unit} [{100 * low:+.1f}, {100 * high:+.1f}]"


def shown(method):
    """sft -> SFT; sft (RUN) -> SFT (RUN), where several runs have the method."""
    name, space, run = method.partition(" ")
    return NAMES.get(name, name) + space + run


def mean_kl(group):
    """The mean KL of a group; "-" where a cell has none."""
    found = [cell.get("kl") for cell in group]
    if None in found:
        return "-"
    return f"{np.mean(found):.3f}"


def count_sources(group, parts=PARTS):
    """How many targets a group has of each part: a source, or all whose name begins with it.

    A part may be a tuple of such beginnings.
    """
    counts = []
    for part in parts:
        count = 0
        for cell in group:
            for source, n in cell.get("sources", {}).items():
                if source.startswith(part):
                    count += n
        counts.append(count)
    return counts


def target_shares(group):
    """Of a method's targets over all seeds: own/paraphrase/gold in %.

    The golds of the controls, as they stand in the file or in the model's voice, count as golds.
    """
    total = sum(n for cell in group for n in cell["sources"].values())
    counts = count_sources(group, ("own", "paraphrase", ("gold", "raw", "voice")))
    return "/".join(f"{100 * n / max(1, total):.0f}" for n in counts)


def missing(cells):
    """The benchmarks that cells lack: "facts, myths of SFT 0.0003 (seeds 0, 1)"; "" if none."""
    seeds_of = {}                           # {(names, cell): seeds}
    for cell in cells:
        names = ", ".join(name for name, row in cell["benchmarks"].items() if not row)
        if names:
            rate = "" if cell["lr"] is None else f" {cell['lr']:g}"
            key = (names, shown(cell["method"]) + rate)
            seeds_of.setdefault(key, []).append(str(cell["seed"]))
    parts = []
    for (names, cell), seeds in seeds_of.items():
        parts.append(f"{names} of {cell} ({plural('seed', len(seeds))} {', '.join(seeds)})")
    return "; ".join(parts)


# ---------------------------------------------------------------- the rate that validation chooses

def on_validation(results):
    """{method: ({rate: validation accuracy}, standard error)}

    The accuracy is the mean over the seeds that have all of the method's rates. The standard error
    is over items, of the best rate. Of a method with one rate there is nothing to compare:
    ({rate: None}, None). UserError where no seed has all rates.
    """
    by_method = {}
    for method in results["settings"]["methods"]:
        by_rate = {}
        for cell in results["cells"]:
            if cell["method"] == method:
                by_rate.setdefault(cell["lr"], []).append(cell)
        if len(by_rate) == 1:
            by_method[method] = (dict.fromkeys(by_rate), None)
            continue

        seeds_of_rates = [{cell["seed"] for cell in cells} for cells in by_rate.values()]
        seeds = set.intersection(*seeds_of_rates)
        if not seeds:
            rates = ", ".join(f"{lr:g}" for lr in sorted(by_rate))
            raise UserError(
                f"no seed has all rates of {shown(method)} ({rates}), so none can be chosen; "
                f"run --methods {method} with all of them for one seed"
            )
        rows_of = {}                        # {rate: validation of each seed}
        accuracy = {}
        for lr in sorted(by_rate):
            rows_of[lr] = [cell["validation"] for cell in by_rate[lr] if cell["seed"] in seeds]
            accuracy[lr] = float(np.mean([row["accuracy"] for row in rows_of[lr]]))
        best = max(accuracy, key=accuracy.get)
        right = np.concatenate(item_sets(rows_of[best]))    # seeds that share an item: their mean
        by_method[method] = (accuracy, float(right.std()) / math.sqrt(len(right)))
    return by_method


def chosen_rates(results):
    """{method: rate}: the smallest within one standard error of the method's best on validation."""
    rates = {}
    for method, (accuracy, error) in on_validation(results).items():
        if error is None:                   # one rate
            rates[method] = min(accuracy)
        else:
            best = max(accuracy.values())
            rates[method] = min(lr for lr, score in accuracy.items() if score >= best - error)
    return rates


# ---------------------------------------------------------------- the table that a run ends with

def table(results):
    """results.json -> the text that a run ends with."""
    settings = results["settings"]
    seeds = settings["seeds"]
    rates = {"base": None} | chosen_rates(results)
    cells = {(cell["method"], cell["lr"], cell["seed"]): cell for cell in results["cells"]}
    base = [cells["base", None, seed] for seed in seeds]
    names = columns(base[0])
    several_rates = len(settings["lr"]) > 1

    head = ["method"]
    if several_rates:
        head.append("rate")
    head += [results["task"], "95 % interval", *names]
    head += ["mean drop", "KL", "own/para/gold %", "minutes"]
    rows = [head]
    row_keys = [("base", None)]
    row_keys += [(method, lr) for method in settings["methods"] for lr in settings["lr"]]
    for method, lr in row_keys:
        group = [cells[method, lr, seed] for seed in seeds]
        rows.append(table_row(method, lr, group, base, names, rates, several_rates))

    lines = [*aligned(rows), ""]
    if names:
        lines += about_benchmarks(results, base)
    if several_rates:
        lines.append("* the rate chosen on validation: the smallest within one standard error of "
                     "the method's best")
    chosen = {}                             # {method: its cells at the chosen rate, one a seed}
    for method, lr in rates.items():
        chosen[method] = [cells[method, lr, seed] for seed in seeds]
    skills = about_skills(base, {shown(m): group for m, group in chosen.items() if m != "base"})
    if skills:
        lines.append(skills)
    lines += notes(results, chosen)
    return "\n".join(lines)


def table_row(method, lr, group, base, names, rates, several_rates):
    """One row of the table: texts."""
    row = [NAMES.get(method, method)]
    if several_rates:
        mark = "*" if rates[method] == lr else " "
        row.append("-" if lr is None else f"{lr:g}{mark}")
    mean, low, high = scored(group)
    row += [f"{100 * mean:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]"]
    for name in names:
        score = scored(group, name)
        row.append(f"{100 * score[0]:.1f}" if score else "-")
    if method == "base":
        row += ["-", "-", "-"]
    else:
        lost = mean_drop(group, base)
        row.append("-" if lost is None else f"{100 * lost:+.1f}")
        row += [mean_kl(group), target_shares(group)]
    minutes = np.mean([cell["times"]["minutes"] for cell in group])
    return [*row, f"{minutes:.1f}"]


def aligned(rows):
    """Rows of texts as lines under a rule. Columns stand to the right, but for the first."""
    widths = [max(len(text) for text in column) for column in zip(*rows)]
    lines = []
    for first, *others in rows:
        texts = [first.ljust(widths[0])]
        for text, width in zip(others, widths[1:]):
            texts.append(text.rjust(width))
        lines.append("  ".join(texts).rstrip())
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def about_benchmarks(results, base):
    """Lines on the benchmarks' columns.

    They tell chance, what the mean drop is over, scores that are not the plain share of right
    picks, and what was not measured.
    """
    rows = {}                               # {name: the base model's row}
    for name in columns(base[0]):
        if base[0]["benchmarks"][name]:
            rows[name] = base[0]["benchmarks"][name]
    choice = choices(base[0])
    outside = [name for name in rows if name not in choice]

    chance = ", ".join(f"{name} {100 * row['chance']:.0f}" for name, row in rows.items())
    first = f"accuracies in %; chance level: {chance}; "
    if choice:
        first += f"mean drop: points lost over the {len(choice)} {plural('benchmark', len(choice))}"
        if outside:
            verb = "stands" if len(outside) == 1 else "stand"
            first += f" of multiple choice, {', '.join(outside)} {verb} outside it"
        first += "; "
    lines = [first + "KL(base || tuned): nats per token"]

    for name, row in rows.items():
        if row.get("cut_off"):
            lines.append(f"{name}: {100 * row['cut_off']:.0f} % of base's answers were cut off by "
                         "the length limit")
    scores = []
    for name, row in rows.items():
        others = row.get("also", {})
        if row.get("metric", "acc") not in ("acc", "judge") or others:
            text = f"{name} is {row['metric']}"
            for metric, value in others.items():
                text += f", base's {metric} is {100 * value:.1f}"
            scores.append(text)
    if scores:
        lines.append("scores: " + "; ".join(scores))
    for name, row in rows.items():
        if row.get("cut"):
            verb = "is" if row["cut"] == 1 else "are"
            lines.append(f"{name}: {row['cut']} {plural('item', row['cut'])} {verb} longer than "
                         "the model's context and lost tokens on the left")
    lines += results.get("benchmark_notes") or []
    gaps = missing(results["cells"])
    if gaps:
        fill = f"; this fills them: {results['fill']}" if results.get("fill") else ""
        lines.append(f"not measured, as the checkpoint was not kept: {gaps}{fill}")
    return lines


def about_skills(base, groups):
    """What each method leaves of the small skills; "" where none was measured.

    "skills, ..: sorting 98 -> 95 (SFT) / 97 (S3FT), reversing .."
    groups: {method as it is shown: its cells, one a seed}
    """
    parts = []
    for name in skill_names(base[0]):
        after = [f" {whole_percent(group, name)} ({method})" for method, group in groups.items()]
        arrow = " ->" if groups else ""
        parts.append(f"{name} {whole_percent(base, name)}{arrow}{' /'.join(after)}")
    if not parts:
        return ""
    return f"skills, % of prompts answered exactly: {', '.join(parts)}"


def whole_percent(group, name):
    """The accuracy of a group on a benchmark: "98"; "-" where it was not measured."""
    score = scored(group, name)
    return f"{100 * score[0]:.0f}" if score else "-"


def verdict(task, kept):
    """What two differences S3FT - SFT show: of task accuracy, and of the benchmarks (or None)."""
    _, low, high = task
    if low > 0:
        text = "learns the task better than SFT"
    elif high < 0:
        text = "learns the task worse than SFT"
    else:
        text = "is not shown to learn the task better or worse than SFT"
    if not kept:
        return text
    _, low, high = kept
    if low > 0:
        return f"{text} and forgets less"
    if high < 0:
        return f"{text} and forgets more"
    return f"{text} and is not shown to forget more or less"


def about_judge(errors):
    """"judge_errors" of results.json as a line; "" where the truth is not known."""
    parts = []
    for stage, row in errors.items():
        judges = []
        for name, of in (("the judge", row["steps"]),
                         ("one that looks at the number alone", row["number"])):
            judges.append(
                f"{name} accepts {of['accepted']}, {of['false_accepts']} of them wrong "
                f"({100 * of['false_accept_share']:.1f} %), and refuses {of['refused']}, "
                f"{of['false_rejects']} of them right ({100 * of['false_reject_share']:.1f} %)"
            )
        truth = (f"{row['same']} by the world's steps, {row['other']} right by others, "
                 f"{row['wrong']} wrong")
        if row["unfinished"]:
            truth += f", {row['unfinished']} unfinished"
        parts.append(f"{stage} ({truth}): {'; '.join(judges)}")
    if not parts:
        return ""
    return "judge against the world's own solutions: " + ". ".join(parts)


def notes(results, groups):
    """The lines under the table: the paired difference, what it shows, targets and speed.

    groups: {method: its cells at the chosen rate, one a seed}, the base model's among them
    """
    settings = results["settings"]
    base = groups["base"]
    test = base[0]["test"]
    tuned = {method: group for method, group in groups.items() if method != "base"}
    lines = []
    if "sft" in groups and "s3ft" in groups:
        gain = difference(groups["s3ft"], groups["sft"])
        kept = difference(groups["s3ft"], groups["sft"], choices(base[0]))
        interval = how(base, settings.get("new_items"))
        lines.append(f"S3FT - SFT, task: {points(gain)} ({interval})")
        if kept:
            lines.append(f"S3FT - SFT, mean of the benchmarks: {points(kept)}")
        lines.append(f"So in this run S3FT {verdict(gain, kept)}.")
    if "summary" in test:
        parts = []
        for method, group in groups.items():
            summaries = [cell["test"]["summary"] for cell in group]
            parts.append(f"{NAMES.get(method, method)} {reading(summaries)}")
        lines.append("reading: " + "; ".join(parts))
    if settings["test_temperature"] and "pass_at" not in test:
        lines.append(f"test answers were sampled at temperature {settings['test_temperature']:g}, "
                     "one to each question")
    if "pass_at" in test:
        lines.append(about_pass_at(settings, groups))
    lines += about_attempts(results)
    cut_off = {}                            # {method: share of answers}
    for method, group in groups.items():
        cut_off[method] = np.mean([cell["test"]["cut_off"] for cell in group])
    if any(share > 0 for share in cut_off.values()):
        parts = [f"{NAMES.get(m, m)} {100 * share:.1f} %" for m, share in cut_off.items()]
        lines.append("test answers cut off by the length limit: " + ", ".join(parts))
    dropped = {}                            # {method: examples of all seeds}
    for method, group in tuned.items():
        dropped[method] = sum(cell["dropped"] for cell in group)
    if any(dropped.values()):
        parts = [f"{NAMES.get(m, m)} {n}" for m, n in dropped.items() if n]
        lines.append("examples without an accepted source, left out: " + ", ".join(parts))
    if results["do_not_fit"]:
        lines.append("training examples that do not fit the model's context, left out for all "
                     f"methods: {results['do_not_fit']}")
    speeds = results["times"]["tokens_per_second"]
    if speeds:
        parts = ", ".join(f"{kind} {speed:,}" for kind, speed in speeds.items())
        minutes = results["times"]["minutes"]
        lines.append(f"tokens per second: {parts}   ({minutes:.1f} min in all)")
    return lines


def about_pass_at(settings, groups):
    """A line with pass@k of each method."""
    ks = list(groups["base"][0]["test"]["pass_at"])
    parts = []
    for method, group in groups.items():
        scores = [percent([cell["test"]["pass_at"][k] for cell in group]) for k in ks]
        parts.append(f"{NAMES.get(method, method)} {' '.join(scores)}")
    samples = settings["test_samples"]
    temperature = settings["test_temperature"]
    return (f"pass@k ({samples} answers each at temperature {temperature:g}, the column above is "
            f"pass@1; unbiased), k = {', '.join(ks)}: {'; '.join(parts)}")


def about_attempts(results):
    """Lines on what was sampled to train on.

    How much was accepted, by which rule the rest was refused, and how many rewrites copy the gold.
    """
    lines = []
    parts = []
    for source, rules in results["verdicts"].items():
        accepted = sum(good for good, _ in rules.values())
        tried = sum(total for _, total in rules.values())
        refused = {}                        # {reason: attempts}
        for rule, (good, total) in sorted(rules.items()):
            if rule == "exact":
                reason = "other text"
            elif rule in NUMBER_RULES:
                reason = "wrong number"
            else:
                reason = rule
            refused[reason] = refused.get(reason, 0) + total - good
        reasons = ", ".join(f"{reason} {n}" for reason, n in refused.items() if n)
        text = f"{source}: {accepted} of {tried} accepted"
        if reasons:
            text += f" (refused: {reasons})"
        parts.append(text)
    if parts:
        lines.append("attempts: " + "; ".join(parts))
    copies = results["copies"]
    if copies["accepted"]:
        equal = f"{100 * copies['equal']:.0f} %"
        if "renamed" in copies:             # programs
            equal = f" and comments: {equal}, but for names too: {100 * copies['renamed']:.0f} %"
        else:
            equal = f": {equal}"
        lines.append(f"paraphrases accepted: {copies['accepted']}; equal to the gold but for white "
                     f"space{equal}; mean similarity to it {copies['similarity']:.2f}")
    return lines


def reading(summaries):
    """EM, F1, recall and the two errors of abstaining, over all seeds.

    summaries: as data/tasks/reading.py makes them, one a seed
    """
    em = 100 * np.mean([s["em"] for s in summaries])
    f1 = 100 * np.mean([s["f1"] for s in summaries])
    recall = 100 * np.mean([s["recall"] for s in summaries])
    text = f"EM {em:.1f} F1 {f1:.1f} recall {recall:.1f}"
    unanswerable = sum(s["unanswerable"] for s in summaries)
    if unanswerable:
        answerable = sum(s["answerable"] for s in summaries)
        answered = sum(s["answered_unanswerable"] for s in summaries)
        abstained = sum(s["abstained_answerable"] for s in summaries)
        text += f", {answered} of {unanswerable} answers where the passage has none do not say so"
        text += f", {abstained} of {answerable} where it has one decline"
    return text


# ---------------------------------------------------------------- the comparison's four tests

TESTS = (                                   # what, of which method, against which, of the drop?
    ("mean drop, SFT - S3FT", "s3ft", "sft", True),
    ("task, S3FT - SFT", "s3ft", "sft", False),
    ("task, S3FT - SDFT", "s3ft", "sdft", False),
    ("task, S3FT - SSR", "s3ft", "ssr", False),
)


def tests(results):
    """The comparison's four tests in their fixed order, and what is described beside them: lines.

    Each is tested at 5 %, and only as long as all before it were shown. Shown: the 95 % t interval
    over seeds, paired, lies above 0. The cells may have other seeds for every method and rate. A
    method stands at its own rate, and two are compared over the seeds that both have there.
    [] below three seeds of SFT and S3FT.
    """
    rates = {"base": None} | chosen_rates(results)
    groups = {}                             # {method: its cells at its own rate}
    for method, lr in rates.items():
        groups[method] = cells_at(results, method, lr)
    if "sft" not in groups or "s3ft" not in groups:
        return []
    sft, s3ft = paired(groups["sft"], groups["s3ft"])
    if len(sft) < 3:
        return []
    base = groups["base"]
    choice = choices(base[0])

    lines = four_tests(groups, choice)
    lines.append(f"guard, task, SFT - base: {points(difference(sft, base))}")
    sft_lost = difference(base, sft, choice)
    s3ft_lost = difference(base, s3ft, choice)
    if sft_lost and s3ft_lost:
        text = f"mean drop of SFT: {points(sft_lost)}; of S3FT: {points(s3ft_lost)}"
        if sft_lost[0] > 0:
            text += f", {100 * s3ft_lost[0] / sft_lost[0]:.0f} % of SFT's"
        lines.append(text)
    lines += on_fresh_seeds(results, rates, sft, s3ft, choice)
    lines += at_other_rates(results, rates, choice)
    for method, group in groups.items():
        if method in ("base", "sft", "s3ft"):
            continue
        best, mine = paired(groups["s3ft"], group)
        if len(mine) >= 3:
            text = side_by_side(best, mine, "S3FT", shown(method), choice)
            lines.append(f"{len(mine)} seeds: {text}")
        plain, mine = paired(groups["sft"], group)
        if len(mine) >= 3:
            text = side_by_side(mine, plain, shown(method), "SFT", choice)
            lines.append(f"{len(mine)} seeds: {text}")
    parts = [f"{shown(m)} {mean_kl(group)}" for m, group in groups.items() if m != "base"]
    lines.append("KL(base || tuned): " + ", ".join(parts))
    counts = count_sources(groups["s3ft"])
    shares = "/".join(f"{100 * n / max(1, sum(counts)):.1f}" for n in counts)
    text = f"S3FT's targets, own/paraphrase/gold: {shares} %"
    paper_shares = PAPER.get(results.get("task_name"), NOT_IN_PAPER)["shares"]
    if paper_shares:
        text += f" (the paper's Table 3: {'/'.join(str(share) for share in paper_shares)})"
    lines.append(text)
    return lines


def four_tests(groups, choice):
    """A line for each of TESTS: shown, not shown, or only described."""
    lines = []
    stopped = False                         # was one before it not shown?
    for letter, (what, method, against, of_drop) in zip("abcd", TESTS):
        mine, theirs = paired(groups.get(method, []), groups.get(against, []))
        gap = None
        if len(mine) >= 3:
            gap = difference(mine, theirs, choice if of_drop else ("test",))
        if gap is None:
            numbers = "not measured on three seeds or more"
            is_shown = False
        else:
            numbers = f"{points(gap)}, {len(mine)} seeds"
            is_shown = gap[1] > 0
        if stopped:
            outcome = "descriptive"
        elif is_shown:
            outcome = "shown"
        else:
            outcome = "not shown; the rest is descriptive"
        lines.append(f"{letter}. {what}: {numbers}: {outcome}")
        stopped = stopped or not is_shown
    return lines


def side_by_side(group, other, name, other_name, choice):
    """How far a group is ahead of another on the task and in what it keeps."""
    ahead = points(difference(group, other))
    keeps = points(difference(group, other, choice))
    return f"task, {name} - {other_name}: {ahead}; mean drop, {other_name} - {name}: {keeps}"


def on_fresh_seeds(results, rates, sft, s3ft, choice):
    """SFT against S3FT on the seeds that had no part in choosing a rate: a line, or none."""
    screened = set()                        # seeds that ran at several rates
    for cell in results["cells"]:
        if cell["method"] in ("sft", "s3ft") and cell["lr"] != rates[cell["method"]]:
            screened.add(cell["seed"])
    sft = [cell for cell in sft if cell["seed"] not in screened]
    s3ft = [cell for cell in s3ft if cell["seed"] not in screened]
    if not screened or len(s3ft) < 3:
        return []
    text = side_by_side(s3ft, sft, "S3FT", "SFT", choice)
    return [f"a and b on the {len(s3ft)} seeds that had no part in choosing a rate: {text}"]


def at_other_rates(results, rates, choice):
    """SFT and S3FT at rates that they share, and at equal task accuracy: lines.

    All are descriptive, over the seeds that both have, and left out below three of them.
    """
    by_rate = {"sft": {}, "s3ft": {}}       # {method: {rate: its cells}}
    for cell in results["cells"]:
        if cell["method"] in by_rate:
            by_rate[cell["method"]].setdefault(cell["lr"], []).append(cell)
    shared = []
    for lr in results["settings"]["lr"]:
        if lr in by_rate["sft"] and lr in by_rate["s3ft"]:
            shared.append(lr)
    if len(shared) < 2:                     # nothing was compared on validation
        return []

    pairs = []                              # (what is compared, SFT's rate, S3FT's rate)
    for lr in shared:
        pairs.append((f"both at rate {lr:g}", lr, lr))
    for lr in shared:
        if lr < rates["sft"]:
            title = f"SFT at rate {lr:g}, S3FT at its own, {rates['s3ft']:g}"
            pairs.append((title, lr, rates["s3ft"]))
    sft_learnt = on_validation_mean(by_rate["sft"][rates["sft"]])
    reaching = []                           # the rates of S3FT that learn as much as SFT's own
    for lr, cells in by_rate["s3ft"].items():
        if on_validation_mean(cells) >= sft_learnt:
            reaching.append(lr)
    if reaching:
        lr = min(reaching)
        title = (f"at equal task accuracy (S3FT's smallest rate that reaches SFT's accuracy on "
                 f"validation, {lr:g}; SFT's own, {rates['sft']:g})")
        pairs.append((title, rates["sft"], lr))

    lines = []
    for title, sft_rate, s3ft_rate in pairs:
        sft, s3ft = paired(by_rate["sft"][sft_rate], by_rate["s3ft"][s3ft_rate])
        if len(sft) >= 3:
            ahead = points(difference(s3ft, sft))
            keeps = points(difference(s3ft, sft, choice))
            lines.append(f"{title}: task, S3FT - SFT: {ahead}; mean drop, SFT - S3FT: {keeps}")
    return lines


def on_validation_mean(cells):
    """The mean accuracy of cells on validation."""
    return np.mean([cell["validation"]["accuracy"] for cell in cells])


# ---------------------------------------------------------------- the paper's three tables

# arXiv 2502.08130, Mistral-7B-Instruct-v0.2 on the official sets: Table 2, accuracy in %, and
# Table 3, the shares of own answers, paraphrases and golds among S3FT's targets in %.
PAPER = {
    "gsm8k": {
        "accuracy": {"base": 40.3, "sft": 53.4, "sdft": 54.8, "s3ft": 56.9},
        "shares": (49.5, 42.1, 8.4),
    },
    "mbpp": {
        "accuracy": {"base": 22.2, "sft": 32.8, "sdft": 35.8, "s3ft": 39.4},
        "shares": (30.2, 32.4, 37.4),
    },
    "nq": {
        "accuracy": {"base": 64.7, "sft": 60.0, "sdft": 67.1, "s3ft": 67.1},
        "shares": (66.0, 25.6, 8.1),
    },
}
NOT_IN_PAPER = {"accuracy": {}, "shares": None}


def three_tables(runs):
    """The paper's Tables 2, 3 and 4 in our figures, with the paper's beside them: a text.

    runs: results.json of several tasks
    """
    methods = []                            # of all runs
    for run in runs:
        for method in ("base", *run["settings"]["methods"]):
            if method not in methods:
                methods.append(method)
    groups = []                             # of each run {method: its cells at the chosen rate}
    for run in runs:
        rates = {"base": None} | chosen_rates(run)
        mine = {}
        for method, lr in rates.items():
            mine[method] = cells_at(run, method, lr)
        groups.append(mine)
    paper = [PAPER.get(run.get("task_name"), NOT_IN_PAPER) for run in runs]

    lines = [
        "",
        "The paper's tables in our figures, in %. The paper's own (arXiv 2502.08130) are for "
        "Mistral-7B-Instruct-v0.2 on the official sets.",
        "",
        "Table 2: accuracy on the task, method by task",
        *aligned(table_2(runs, groups, paper, methods)),
    ]
    for run, mine in zip(runs, groups):
        items = len(mine["base"][0]["test"]["right"])
        seeds = len(run["settings"]["seeds"])
        text = (f"{run['task']}: {run['model']}, {items} test items, {seeds} "
                f"{plural('seed', seeds)}; intervals stand in its own table")
        lines.append("; ".join([text, *run["notes"]]))
    three = table_3(runs, groups, paper, methods)
    if len(three) > 1:
        lines += ["", "Table 3: where S3FT's targets come from", *aligned(three)]
    four = table_4(runs, groups, methods)
    lines += [
        "",
        "Table 4: what is left of other abilities, by task trained on and method (paper: mean drop "
        "up to 4.4 for SFT, 2.5 for S3FT)",
    ]
    lines += aligned(four) if four else ["no benchmarks were measured"]
    return "\n".join(lines)


def table_2(runs, groups, paper, methods):
    """Rows: task accuracy of each method, ours and the paper's side by side."""
    head = ["method"]
    for run in runs:
        head += [run["task"], "paper"]
    rows = [head]
    for method in methods:
        row = [shown(method)]
        for mine, theirs in zip(groups, paper):
            row.append(percent([cell["test"]["accuracy"] for cell in mine.get(method, [])]))
            row.append(str(theirs["accuracy"].get(method, "-")))
        rows.append(row)
    return rows


def table_3(runs, groups, paper, methods):
    """Rows: where the targets of S3FT come from."""
    rows = [["task", "method", *PARTS, "paper's S3FT"]]
    for run, mine, theirs in zip(runs, groups, paper):
        for method in methods:
            if method not in mine or method.partition(" ")[0] != "s3ft":
                continue
            counts = count_sources(mine[method])
            ours = [percent([n / max(1, sum(counts))]) for n in counts]
            shares = theirs["shares"]
            paper_cell = " / ".join(str(share) for share in shares) if shares else "-"
            rows.append([run["task"], shown(method), *ours, paper_cell])
    return rows


def table_4(runs, groups, methods):
    """Rows: what is left of each benchmark; [] where none was measured."""
    names = []                              # of all runs
    for mine in groups:
        for name in columns(mine["base"][0]):
            if name not in names:
                names.append(name)
    if not names:
        return []
    rows = [["trained on", "method", *names, "mean drop"]]
    for run, mine in zip(runs, groups):
        for method in methods:
            if method not in mine:
                continue
            row = ["nothing" if method == "base" else run["task"], shown(method)]
            for name in names:
                score = scored(mine[method], name)
                row.append(f"{100 * score[0]:.1f}" if score else "-")
            lost = mean_drop(mine[method], mine["base"])
            row.append("-" if method == "base" or lost is None else f"{100 * lost:+.1f}")
            if row not in rows:             # the base model stands there once
                rows.append(row)
    return rows
