"""tables.py - the table that a run ends with and the paper's three, with their intervals: pure functions of results.json.

Intervals: with one or two seeds Wilson's for a share and a paired bootstrap over items for a difference (what differs from seed
to seed is then left out, and the line says so); from three seeds on a t interval over seeds. Items that two seeds share count once.
"""
import math

import numpy as np

from data import UserError

NUMBER_RULES = ("hash", "boxed", "answer is", "last number", "none")       # how judge.number found what it compared
NAMES = {"sft": "SFT", "ssr": "SSR", "sdft": "SDFT", "s3ft": "S3FT"}
# 97.5 % point of Student's t for 2, 3, .. 20 degrees of freedom
T975 = [4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]


def wilson(right, n, z=1.96):
    """95 % interval of a share, right of n (Wilson 1927)."""
    p, centre = right / n, right / n + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def t_interval(values):
    """Mean and half width of the 95 % t interval over seeds."""
    n = len(values)
    t = T975[n - 3] if n - 3 < len(T975) else 1.96 + 2.37 / (n - 1) + 2.8 / (n - 1) ** 2           # beyond: the first terms of its series
    return float(np.mean(values)), t * float(np.std(values, ddof=1)) / math.sqrt(n)


def bootstrap(differences, rounds=10_000):
    """95 % interval of the mean of paired differences, by resampling items within each row: one row an item set, all weighing alike.

    differences: list of arrays; the statistic is the mean of the rows' means.
    """
    rng = np.random.default_rng(0)
    means = np.zeros(rounds)
    for d in differences:
        d = np.asarray(d, dtype=float)
        values, counts = np.unique(d, return_counts=True)                    # few values: a multinomial draw is the resampling
        means += rng.multinomial(len(d), counts / len(d), size=rounds) @ values / len(d) / len(differences)
    return tuple(np.quantile(means, [0.025, 0.975]))


def split_row(ids, right):
    """What results.json says of one cell's answers to a split: right by item ("1101.."), accuracy; with several answers to an item
    the share that is right, and pass@k by the unbiased estimator 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374)."""
    by_item = {}
    for id, ok in zip(ids, right):
        by_item.setdefault(id, []).append(bool(ok))
    n = max(map(len, by_item.values()))
    if n == 1:
        return {"right": "".join("01"[ok] for [ok] in by_item.values()), "accuracy": sum(right) / len(right)}
    counts = [sum(oks) for oks in by_item.values()]
    ks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200) if k < n] + [n]
    pass_at = {str(k): sum(1 - math.comb(n - c, k) / math.comb(n, k) for c in counts) / len(counts) for k in ks}
    return {"right": [c / n for c in counts], "accuracy": pass_at["1"], "pass_at": pass_at}


def flags(right):
    """Right by item as an array of 0 and 1, or of shares where items had several answers."""
    return np.array([float(b) for b in right])


def measured(cell, name):
    """A cell's answers to the task's test or to a benchmark; None where it was not measured (its checkpoint was not kept)."""
    return cell["test"] if name == "test" else cell["benchmarks"].get(name)


def choices(base):
    """The multiple-choice benchmarks, over which the mean drop is taken. Another task measured beside them stands outside it."""
    return [n for n, b in base["benchmarks"].items() if not b or b.get("kind", "choice") == "choice"]


def columns(base):
    """The sets that stand in the table: all but the small skills of the bundled model, which have a line of their own."""
    return [n for n, b in base["benchmarks"].items() if not b or b.get("kind") != "skill"]


def skill_names(base):
    return [n for n in base["benchmarks"] if n not in columns(base)]


def drop(cell, base):
    """Mean loss of accuracy over the multiple-choice benchmarks, 0.04 for four points; None where there are none or one is missing."""
    pairs = [(measured(base, n), measured(cell, n)) for n in choices(base)]
    return float(np.mean([b["accuracy"] - c["accuracy"] for b, c in pairs])) if pairs and all(b and c for b, c in pairs) else None


def paired(group, other):
    """The cells of both whose seed both have, in one order."""
    mine, theirs = ({c["seed"]: c for c in cells} for cells in (group, other))
    return [mine[s] for s in mine if s in theirs], [theirs[s] for s in mine if s in theirs]


def mean_drop(group, base):
    """The same over the cells of several seeds, those that both have."""
    lost = difference(base, group, choices(base[0]))
    return lost and lost[0]


def item_sets(rows):
    """Right by item, one array for each item set: seeds that share their items are averaged item by item."""
    sets = {}
    for row in rows:
        sets.setdefault((row.get("ids"), len(row["right"])), []).append(flags(row["right"]))
    return [np.mean(same, axis=0) for same in sets.values()]


def scored(group, name="test"):
    """(accuracy, low, high) of a method's cells, one a seed, on the test or a benchmark; None where it was not measured in each."""
    rows = [measured(c, name) for c in group]
    if not all(rows):
        return None
    accuracy = [row["accuracy"] for row in rows]
    if len(rows) >= 3 and len({str(row["right"]) for row in rows}) > 1:          # (the base model on shared items is one measurement)
        mean, half = t_interval(accuracy)
        return mean, max(0.0, mean - half), min(1.0, mean + half)
    right = np.concatenate(item_sets(rows))
    return (float(np.mean(accuracy)), *wilson(right.sum(), len(right)))


def difference(group, other, names=("test",)):
    """(mean, low, high) of group minus other over the seeds that both have, over the mean of the named sets; None where one was not
    measured."""
    group, other = paired(group, other)
    pairs = [[(measured(a, n), measured(b, n)) for a, b in zip(group, other)] for n in names]
    if not group or not pairs or not all(a and b for rows in pairs for a, b in rows):
        return None
    gaps = [[{"ids": a.get("ids"), "right": flags(a["right"]) - flags(b["right"])} for a, b in rows] for rows in pairs]   # set by seed
    means = [np.mean([rows[i]["right"].mean() for rows in gaps]) for i in range(len(group))]
    if len(group) >= 3:
        mean, half = t_interval(means)
        return mean, mean - half, mean + half
    return (float(np.mean(means)), *bootstrap([d for rows in gaps for d in item_sets(rows)]))


def how(base, new_items=False):
    """What an interval of `difference` is, and what it leaves out. new_items: the world drew them anew for every seed."""
    if len(base) < 3:
        return "paired bootstrap over items; what differs from seed to seed is left out: --seeds 3 shows it"
    same = [n for n in ("test", *base[0]["benchmarks"]) if len({(row.get("ids"), len(row["right"])) for c in base if (row := measured(c, n))}) == 1]
    aside = [n for n in same if n != "test"]
    items = ("all are measured on the same items" if "test" in same else "each has training and test items of its own, drawn anew" if new_items else
             "each draws its items from the same files, so they share some")
    return f"t interval over {len(base)} seeds; {items}" + f" (for all the same: {', '.join(aside)})" * bool(aside and "test" not in same)


def shown(method):
    """sft -> SFT; sft (RUN) -> SFT (RUN), where several runs have the method."""
    name, space, run = method.partition(" ")
    return NAMES.get(name, name) + space + run


def missing(cells):
    """"facts, myths of SFT 0.0003 (seeds 0, 1)": the benchmarks that cells lack; "" where none is missing."""
    lacking = {}
    for c in cells:
        rate = "" if c["lr"] is None else f" {c['lr']:g}"
        if names := ", ".join(n for n, b in c["benchmarks"].items() if not b):
            lacking.setdefault((names, shown(c["method"]) + rate), []).append(str(c["seed"]))
    return "; ".join(f"{names} of {cell} (seed{'s' * (len(seeds) > 1)} {', '.join(seeds)})" for (names, cell), seeds in lacking.items())


def on_validation(results):
    """{method: ({rate: validation accuracy}, one standard error of the best, over items)}, over the seeds that have all of the method's
    rates; of a method with one rate ({rate: None}, None)."""
    found = {}
    for method in results["settings"]["methods"]:
        by_rate = {}
        for c in results["cells"]:
            if c["method"] == method:
                by_rate.setdefault(c["lr"], []).append(c)
        if len(by_rate) == 1:
            found[method] = dict.fromkeys(by_rate), None
            continue
        whole = set.intersection(*({c["seed"] for c in cs} for cs in by_rate.values()))
        if not whole:
            raise UserError(f"no seed has all rates of {shown(method)} ({', '.join(f'{lr:g}' for lr in sorted(by_rate))}), so none can be chosen; "
                            f"run --methods {method} with all of them for one seed")
        by_rate = {lr: [c["validation"] for c in by_rate[lr] if c["seed"] in whole] for lr in sorted(by_rate)}
        score = {lr: float(np.mean([v["accuracy"] for v in rows])) for lr, rows in by_rate.items()}
        right = np.concatenate(item_sets(by_rate[max(score, key=score.get)]))        # by item, the mean of the seeds that share it
        found[method] = score, float(right.std()) / math.sqrt(len(right))
    return found


def chosen_rates(results):
    """{method: rate}: the smallest whose validation accuracy lies within one standard error of the method's best."""
    return {method: min(lr for lr, s in score.items() if error is None or s >= max(score.values()) - error)
            for method, (score, error) in on_validation(results).items()}


def table(results):
    """results.json -> the text that a run ends with."""
    rates, seeds = chosen_rates(results), results["settings"]["seeds"]
    cells = {(c["method"], c["lr"], c["seed"]): c for c in results["cells"]}
    base = [cells["base", None, s] for s in seeds]
    names = columns(base[0])
    several = len(results["settings"]["lr"]) > 1
    head = ["method"] + ["rate"] * several + [results["task"], "95 % interval"] + names + ["mean drop", "KL", "own/para/gold %", "minutes"]
    rows = [head]
    for method, lr in [("base", None)] + [(m, lr) for m in results["settings"]["methods"] for lr in results["settings"]["lr"]]:
        group = [cells[method, lr, s] for s in seeds]
        row = [NAMES.get(method, method)]
        if several:
            row.append("-" if lr is None else f"{lr:g}" + ("*" if rates[method] == lr else " "))
        mean, low, high = scored(group)
        row += [f"{100 * mean:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]"]
        row += [f"{100 * of[0]:.1f}" if (of := scored(group, n)) else "-" for n in names]
        if method == "base":
            row += ["-", "-", "-"]
        else:
            lost = mean_drop(group, base)
            row += ["-" if lost is None else f"{100 * lost:+.1f}", mean_kl(group), target_shares(group)]
        row.append(f"{np.mean([c['times']['minutes'] for c in group]):.1f}")
        rows.append(row)
    lines = aligned(rows)
    lines.append("")
    if names:
        lines += about_benchmarks(results, base)
    if several:
        lines.append("* the rate chosen on validation: the smallest within one standard error of the method's best")
    if skills := about_skills(base, {NAMES.get(m, m): [cells[m, lr, s] for s in seeds] for m, lr in rates.items()}):
        lines.append(skills)
    lines += notes(results, cells, base, rates, seeds)
    return "\n".join(lines)


def target_shares(group):
    """Of a method's targets over all seeds: own/paraphrase/gold in %, the golds' variants with the golds."""
    total = {s: sum(c["sources"].get(s, 0) for c in group) for c in group for s in c["sources"]}
    n = max(1, sum(total.values()))
    return "/".join(f"{100 * sum(v for s, v in total.items() if s.startswith(part)) / n:.0f}" for part in ("own", "paraphrase", ("gold", "raw", "voice")))


def mean_kl(group):
    return "-" if any(c.get("kl") is None for c in group) else f"{np.mean([c['kl'] for c in group]):.3f}"


def about_benchmarks(results, base):
    """Lines on the benchmarks' columns: chance, what the mean drop is over, other scores than the plain share of right picks, gaps."""
    found = {n: b for n in columns(base[0]) if (b := base[0]["benchmarks"][n])}
    chance = ", ".join(f"{n} {100 * b['chance']:.0f}" for n, b in found.items())
    choice, other = choices(base[0]), [n for n in found if n not in choices(base[0])]
    aside = f" of multiple choice, {', '.join(other)} stand{'s' * (len(other) == 1)} outside it" if other else ""
    over = f"mean drop: points lost over the {len(choice)} benchmark{'s' * (len(choice) != 1)}{aside}; " if choice else ""
    lines = [f"accuracies in %; chance level: {chance}; {over}KL(base || tuned): nats per token"]
    lines += [f"{n}: {100 * b['cut_off']:.0f} % of base's answers were cut off by the length limit" for n, b in found.items() if b.get("cut_off")]
    scores = [f"{n} is {b['metric']}" + "".join(f", base's {k} is {100 * v:.1f}" for k, v in b.get("also", {}).items())
              for n, b in found.items() if b.get("metric", "acc") not in ("acc", "judge") or b.get("also")]
    if scores:
        lines.append("scores: " + "; ".join(scores))
    lines += [f"{n}: {b['cut']} item{'s are' if b['cut'] > 1 else ' is'} longer than the model's context and lost tokens on the left"
              for n, b in found.items() if b.get("cut")]
    lines += results.get("benchmark_notes") or []
    if gaps := missing(results["cells"]):
        fill = f"; this fills them: {results['fill']}" if results.get("fill") else ""
        lines.append(f"not measured, as the checkpoint was not kept: {gaps}{fill}")
    return lines


def about_skills(base, groups):
    """"skills: sorting 98 -> 95 (SFT) / 97 (S3FT), reversing ..": what each leaves of them; "" where none was measured.
    groups: {method as it is shown: its cells, one a seed}."""
    percent = lambda group, n: f"{100 * of[0]:.0f}" if (of := scored(group, n)) else "-"
    parts = [f"{n} {percent(base, n)}" + " ->" * bool(groups) + " /".join(f" {percent(group, n)} ({m})" for m, group in groups.items())
             for n in skill_names(base[0])]
    return f"skills, % of prompts answered exactly: {', '.join(parts)}" if parts else ""


def verdict(task, kept):
    """What two differences S3FT - SFT show, task accuracy and accuracy on the benchmarks (or None)."""
    parts = ["learns the task better than SFT" if task[1] > 0 else "learns the task worse than SFT" if task[2] < 0 else
             "is not shown to learn the task better or worse than SFT"]
    if kept:
        parts.append("forgets less" if kept[1] > 0 else "forgets more" if kept[2] < 0 else "is not shown to forget more or less")
    return " and ".join(parts)


def about_judge(errors):
    """results.json's "judge_errors" as a line; "" where the truth is not known."""
    parts = []
    for stage, row in errors.items():
        judges = [f"{name} accepts {of['accepted']}, {of['false_accepts']} of them wrong ({100 * of['false_accept_share']:.1f} %), and refuses "
                  f"{of['refused']}, {of['false_rejects']} of them right ({100 * of['false_reject_share']:.1f} %)"
                  for name, of in (("the judge", row["steps"]), ("one that looks at the number alone", row["number"]))]
        parts.append(f"{stage} ({row['same']} by the world's steps, {row['other']} right by others, {row['wrong']} wrong"
                     + f", {row['unfinished']} unfinished" * bool(row["unfinished"]) + f"): {'; '.join(judges)}")
    return "judge against the world's own solutions: " + ". ".join(parts) if parts else ""


def points(gap, unit=" points"):
    """+11.2 points [+6.2, +16.2]"""
    return f"{100 * gap[0]:+.1f}{unit} [{100 * gap[1]:+.1f}, {100 * gap[2]:+.1f}]" if gap else "-"


def notes(results, cells, base, rates, seeds):
    """The lines under the table: the paired difference, what is and is not shown, targets, and where things are."""
    lines = []
    if "sft" in rates and "s3ft" in rates:
        sft, s3ft = ([cells[m, rates[m], s] for s in seeds] for m in ("sft", "s3ft"))
        gain, kept = difference(s3ft, sft), difference(s3ft, sft, choices(base[0]))
        lines.append(f"S3FT - SFT, task: {points(gain)} ({how(base, results['settings'].get('new_items'))})")
        if kept:
            lines.append(f"S3FT - SFT, mean of the benchmarks: {points(kept)}")
        lines.append(f"So in this run S3FT {verdict(gain, kept)}.")
    if "summary" in base[0]["test"]:
        lines.append("reading: " + "; ".join(f"{NAMES.get(m, m)} {reading([cells[m, lr, s]['test']['summary'] for s in seeds])}"
                                             for m, lr in [("base", None), *rates.items()]))
    of = results["settings"]
    if of["test_temperature"] and "pass_at" not in base[0]["test"]:
        lines.append(f"test answers were sampled at temperature {of['test_temperature']:g}, one to each question")
    if "pass_at" in base[0]["test"]:
        lines.append(f"pass@k ({of['test_samples']} answers each at temperature {of['test_temperature']:g}, the column above is pass@1; unbiased), "
                     f"k = {', '.join(base[0]['test']['pass_at'])}: "
                     + "; ".join(f"{NAMES.get(m, m)} " + " ".join(f"{100 * np.mean([cells[m, lr, s]['test']['pass_at'][k] for s in seeds]):.1f}"
                                                                 for k in base[0]["test"]["pass_at"]) for m, lr in [("base", None), *rates.items()]))
    lines += about_attempts(results)
    cut = {NAMES.get(m, m): np.mean([cells[m, lr, s]["test"]["cut_off"] for s in seeds]) for m, lr in [("base", None), *rates.items()]}
    if any(v > 0 for v in cut.values()):
        lines.append("test answers cut off by the length limit: " + ", ".join(f"{m} {100 * v:.1f} %" for m, v in cut.items()))
    left_out = {m: sum(cells[m, lr, s]["dropped"] for s in seeds) for m, lr in rates.items()}
    if any(left_out.values()):
        lines.append("examples without an accepted source, left out: " + ", ".join(f"{NAMES.get(m, m)} {n}" for m, n in left_out.items() if n))
    if results["do_not_fit"]:
        lines.append(f"training examples that do not fit the model's context, left out for all methods: {results['do_not_fit']}")
    if speeds := results["times"]["tokens_per_second"]:
        lines.append("tokens per second: " + ", ".join(f"{k} {v:,}" for k, v in speeds.items()) + f"   ({results['times']['minutes']:.1f} min in all)")
    return lines


def about_attempts(results):
    """Lines on what was sampled to train on: accepted, refused by which rule, copies of the gold among the rewrites."""
    lines = []
    if results["verdicts"]:
        parts = []
        for source, rules in results["verdicts"].items():
            ok, n = sum(v[0] for v in rules.values()), sum(v[1] for v in rules.values())
            refused = {}
            for rule, (good, total) in sorted(rules.items()):
                why = {"exact": "other text"}.get(rule, "wrong number" if rule in NUMBER_RULES else rule)
                refused[why] = refused.get(why, 0) + total - good
            why = ", ".join(f"{rule} {count}" for rule, count in refused.items() if count)
            parts.append(f"{source}: {ok} of {n} accepted" + (f" (refused: {why})" if why else ""))
        lines.append("attempts: " + "; ".join(parts))
    if results["copies"]["accepted"]:
        c = results["copies"]
        aside = f" and comments: {100 * c['equal']:.0f} %, but for names too: {100 * c['renamed']:.0f} %" if "renamed" in c else f": {100 * c['equal']:.0f} %"
        lines.append(f"paraphrases accepted: {c['accepted']}; equal to the gold but for white space{aside}; mean similarity to it {c['similarity']:.2f}")
    if (back := results["encode_back"])["sampled"]:
        lines.append(f"sampled targets whose text encodes back to the very ids that were trained on: {100 * back['same']:.1f} % of {back['sampled']}")
    return lines


TESTS = (("mean drop, SFT - S3FT", "s3ft", "sft", True), ("task, S3FT - SFT", "s3ft", "sft", False),
         ("task, S3FT - SDFT", "s3ft", "sdft", False), ("task, S3FT - SSR", "s3ft", "ssr", False))


def tests(results):
    """The comparison's four tests in their fixed order, each at 5 % and only as long as all before it were shown: lines.

    results["cells"] may have other seeds for every method and rate; each method stands at its own rate, and two are compared over the
    seeds that both have there. Shown: the 95 % t interval over seeds, paired, lies above 0. [] below three seeds of SFT and S3FT.
    """
    rates = {"base": None} | chosen_rates(results)
    groups = {m: [c for c in results["cells"] if (c["method"], c["lr"]) == (m, lr)] for m, lr in rates.items()}
    if not {"sft", "s3ft"} <= set(groups) or len(paired(groups["sft"], groups["s3ft"])[0]) < 3:
        return []
    choice, lines, stopped = choices(groups["base"][0]), [], False
    for letter, (what, a, b, kept) in zip("abcd", TESTS):
        common = len(paired(groups.get(a, []), groups.get(b, []))[0])
        gap = difference(groups[a], groups[b], choice if kept else ("test",)) if common >= 3 else None
        if gap is None:
            said, fails = "not measured on three seeds or more", True
        else:
            said, fails = f"{points(gap)}, {common} seeds", gap[1] <= 0
        lines.append(f"{letter}. {what}: {said}: " + ("descriptive" if stopped else "not shown; the rest is descriptive" if fails else "shown"))
        stopped = stopped or fails
    sft, s3ft = paired(groups["sft"], groups["s3ft"])
    lines.append(f"guard, task, SFT - base: {points(difference(sft, groups['base']))}")
    lost, less = mean_drop(sft, groups["base"]), mean_drop(s3ft, groups["base"])
    if lost is not None and less is not None:
        lines.append(f"mean drop of SFT: {points(difference(groups['base'], sft, choice))}; of S3FT: {points(difference(groups['base'], s3ft, choice))}"
                     + (f", {100 * less / lost:.0f} % of SFT's" if lost > 0 else ""))
    beside = lambda a, b, x, y: f"task, {x} - {y}: {points(difference(a, b))}; mean drop, {y} - {x}: {points(difference(a, b, choice))}"
    screened = {c["seed"] for c in results["cells"] if c["method"] in ("sft", "s3ft") and c["lr"] != rates[c["method"]]}
    fresh = [[c for c in group if c["seed"] not in screened] for group in (s3ft, sft)]
    if screened and len(fresh[0]) >= 3:
        lines.append(f"a and b on the {len(fresh[0])} seeds that had no part in choosing a rate: {beside(*fresh, 'S3FT', 'SFT')}")
    lines += at_other_rates(results, rates, choice)
    for m in [m for m in groups if m not in ("base", "sft", "s3ft")]:
        for other in ("s3ft", "sft"):
            a, b = paired(groups[other], groups[m])
            if len(a) >= 3:
                lines.append(f"{len(a)} seeds: " + (beside(a, b, "S3FT", shown(m)) if other == "s3ft" else beside(b, a, shown(m), "SFT")))
    lines.append("KL(base || tuned): " + ", ".join(f"{shown(m)} {mean_kl(g)}" for m, g in groups.items() if m != "base"))
    from_where = {part: sum(n for c in groups["s3ft"] for s, n in c["sources"].items() if s.startswith(part)) for part in ("own", "paraphrase", "gold")}
    paper = PAPER.get(results.get("task_name"), ({}, None))[1]
    lines.append("S3FT's targets, own/paraphrase/gold: " + "/".join(f"{100 * n / max(1, sum(from_where.values())):.1f}" for n in from_where.values()) + " %"
                 + (f" (the paper's Table 3: {'/'.join(map(str, paper))})" if paper else ""))
    return lines


def at_other_rates(results, rates, choice):
    """SFT and S3FT at rates that they share, and at equal task accuracy: lines; all descriptive, over the seeds that both have."""
    by_rate = {}
    for c in results["cells"]:
        if c["method"] in ("sft", "s3ft"):
            by_rate.setdefault((c["method"], c["lr"]), []).append(c)
    shared = [lr for lr in results["settings"]["lr"] if ("sft", lr) in by_rate and ("s3ft", lr) in by_rate]
    if len(shared) < 2:          # nothing was compared on validation
        return []

    def compared(sft, s3ft):     # learning rates
        a, b = paired(by_rate["sft", sft], by_rate["s3ft", s3ft])
        return f"task, S3FT - SFT: {points(difference(b, a))}; mean drop, SFT - S3FT: {points(difference(b, a, choice))}" if len(a) >= 3 else None
    lines = [f"both at rate {lr:g}: {said}" for lr in shared if (said := compared(lr, lr))]
    lines += [f"SFT at rate {lr:g}, S3FT at its own, {rates['s3ft']:g}: {said}" for lr in shared
              if lr < rates["sft"] and (said := compared(lr, rates["s3ft"]))]
    learnt = {key: np.mean([c["validation"]["accuracy"] for c in cells]) for key, cells in by_rate.items()}
    reaching = [lr for (m, lr) in by_rate if m == "s3ft" and learnt[m, lr] >= learnt["sft", rates["sft"]]]
    if reaching and (said := compared(rates["sft"], min(reaching))):
        lines.append(f"at equal task accuracy (S3FT's smallest rate that reaches SFT's accuracy on validation, {min(reaching):g}; "
                     f"SFT's own, {rates['sft']:g}): {said}")
    return lines


def reading(summaries):
    """EM, F1, recall and the two errors of abstaining, over the seeds' summaries (data/squad.py)."""
    mean = lambda name: 100 * np.mean([s[name] for s in summaries])
    total = lambda name: sum(s[name] for s in summaries)
    text = f"EM {mean('em'):.1f} F1 {mean('f1'):.1f} recall {mean('recall'):.1f}"
    if total("unanswerable"):
        text += (f", {total('answered_unanswerable')} of {total('unanswerable')} answers where the passage has none do not say so, "
                 f"{total('abstained_answerable')} of {total('answerable')} where it has one decline")
    return text


# ---------------------------------------------------------------- the paper's three tables, from the runs of several tasks

PAPER = {                        # arXiv 2502.08130, Mistral-7B-Instruct-v0.2 on the official sets: Table 2, accuracy; Table 3, shares
    "gsm8k": ({"base": 40.3, "sft": 53.4, "sdft": 54.8, "s3ft": 56.9}, (49.5, 42.1, 8.4)),
    "mbpp": ({"base": 22.2, "sft": 32.8, "sdft": 35.8, "s3ft": 39.4}, (30.2, 32.4, 37.4)),
    "nq": ({"base": 64.7, "sft": 60.0, "sdft": 67.1, "s3ft": 67.1}, (66.0, 25.6, 8.1))}


def three_tables(runs):
    """results.json of several tasks -> the paper's Tables 2, 3 and 4 in our figures, the paper's beside them."""
    tasks, methods = [r["task"] for r in runs], list(dict.fromkeys(m for r in runs for m in ("base", *r["settings"]["methods"])))
    groups = []                  # for every run {method: its cells at the chosen rate, one a seed}
    for r in runs:
        rates = {"base": None} | chosen_rates(r)
        groups.append({m: [c for c in r["cells"] if c["method"] == m and c["lr"] == lr] for m, lr in rates.items()})
    paper = [PAPER.get(r.get("task_name"), ({}, None)) for r in runs]
    names = list(dict.fromkeys(n for g in groups for n in columns(g["base"][0])))
    percent = lambda values: f"{100 * np.mean(values):.1f}" if values else "-"
    two = [["method"] + [x for task in tasks for x in (task, "paper")]]
    for m in methods:
        two.append([shown(m)] + [x for g, (theirs, _) in zip(groups, paper)
                                        for x in (percent([c["test"]["accuracy"] for c in g.get(m, [])]), str(theirs.get(m, "-")))])
    three = [["task", "method", "own", "paraphrase", "gold", "paper's S3FT"]]
    four = [["trained on", "method"] + names + ["mean drop"]]
    for task, g, (_, shares) in zip(tasks, groups, paper):
        for m in [m for m in methods if m in g]:
            total = {part: sum(n for c in g[m] for s, n in c.get("sources", {}).items() if s.startswith(part)) for part in ("own", "paraphrase", "gold")}
            if m.partition(" ")[0] == "s3ft":
                three.append([task, shown(m)] + [percent([v / max(1, sum(total.values()))]) for v in total.values()]
                             + [" / ".join(map(str, shares)) if shares else "-"])
            lost = mean_drop(g[m], g["base"])
            four.append(["nothing" if m == "base" else task, shown(m)]
                        + [f"{100 * of[0]:.1f}" if (of := scored(g[m], n)) else "-" for n in names]
                        + ["-" if m == "base" or lost is None else f"{100 * lost:+.1f}"])
    four = four[:1] + [row for i, row in enumerate(four[1:]) if row not in four[1:i + 1]]    # the base model stands there once
    lines = ["", "The paper's tables in our figures, in %. The paper's own (arXiv 2502.08130) are for Mistral-7B-Instruct-v0.2 on the official sets."]
    for name, rows in (("Table 2: accuracy on the task, method by task", two), ("Table 3: where S3FT's targets come from", three),
                       ("Table 4: what is left of other abilities, by task trained on and method (paper: mean drop up to 4.4 for SFT, 2.5 for S3FT)", four)):
        if rows is four and not names:
            lines += ["", name, "no benchmarks were measured"]
        elif len(rows) > 1:
            lines += ["", name, *aligned(rows)]
        if rows is two:
            for r, g in zip(runs, groups):
                n, seeds = len(g["base"][0]["test"]["right"]), r["settings"]["seeds"]
                lines.append(f"{r['task']}: {r['model']}, {n} test items, {len(seeds)} seed{'s' * (len(seeds) > 1)}; intervals stand in its own table"
                             + "".join(f"; {note}" for note in r["notes"]))
    return "\n".join(lines)


def aligned(rows):
    """Rows of texts as lines under a rule, columns to the right but for the first."""
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(r, width))).rstrip() for r in rows]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]
