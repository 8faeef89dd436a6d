"""report.py - the report on runs that are there: gain and drop, the frontier, log-probabilities, KL, what changed.

    python s3ft.py --report runs/RUN [runs/RUN ...]      # printed, and written with figures to runs/RUN/report/report.md
    python -m data.report runs/RUN/results.json          # a run's table again; of several runs the paper's three tables

Numbers and intervals are those of data/tables.py, pictures those of data/figures.py, all pure functions of results.json. Texts are
read from the files beside it (items.jsonl, CELL/answers.jsonl, CELL/NAME.jsonl); without them there are no examples.
"""
import json
import math
import re
import sys
import textwrap
from pathlib import Path

import numpy as np

from data import UserError, cells, figures
from data.files import read_jsonl
from data.tables import (about_attempts, about_benchmarks, about_judge, choices, chosen_rates, columns, difference, drop, flags, how, item_sets,
                         mean_kl, measured, on_validation, paired, points, scored, shown, skill_names, table, target_shares, tests, three_tables,
                         verdict, wilson)

FORMAT = 2                       # of results.json: the one that is read


# ---------------------------------------------------------------- python s3ft.py --report: which runs

AGAIN = "give the run's command again (finished cells are kept)"


def read_run(path):
    """A run's folder, or the results.json in it, or a folder of cells (data/cells.py) -> what that file holds, and "folder". UserError
    where it is no whole run."""
    path, name = Path(path), f"--report {path}"
    whole = not cells.is_folder(path)
    if path.is_file() and path.name != "results.json":
        raise UserError(f"{name} is no results.json; name the folder of a run, or of cells: {path.parent}")
    try:
        results = json.loads((path if path.is_file() else path / "results.json").read_bytes()) if whole else cells.gather(path)
        version = results.get("format")
        lacking = version == FORMAT and unfinished(results)
    except UserError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        if (path / "run.json").is_file():
            raise UserError(f"{name}: the run is not finished, it has no results.json; {AGAIN}") from None
        if not path.exists():
            raise UserError(f"{name} does not exist; name a run's folder, the last thing that a run prints") from None
        inside = " ".join(sorted({str(p.parent) for p in path.glob("*/results.json")} | {str(p) for p in path.glob("*/*") if cells.is_folder(p)}))
        raise UserError(f"{name} is no run folder; name one{f': {inside}' if inside else ', the last thing that a run prints'}") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: results.json is damaged ({type(error).__name__}: {error}); {AGAIN}") from None
    if version != FORMAT:
        raise UserError(f"{name}: results.json is of another version of this project (format {version}, not {FORMAT}); {AGAIN}")
    if lacking and whole:
        raise UserError(f"{name}: the run is not finished, results.json lacks {lacking}; {AGAIN}")
    return results | {"folder": path.parent if path.is_file() else path}


def unfinished(results):
    """The first cell that the settings promise and results.json lacks. Some error where it lacks what the report needs."""
    of, cells = results["settings"], {(c["method"], c["lr"], c["seed"]): c for c in results["cells"]}
    for c in cells.values():
        sets = [b | {"chance": b["chance"], "picks": [int(k) for k in (b.get("picks") or "").split()]} for b in c["benchmarks"].values() if b]
        for row in (c["test"], *sets, *([c["validation"]] if c["lr"] and len(of["lr"]) > 1 else [])):
            if not len(flags(row["right"])) or not 0 <= row["accuracy"] <= 1 or not 0 <= row.get("chance", 0) <= 1:
                raise ValueError("a score that is none")
        float(0 if c.get("kl") is None else c["kl"]), [(float(step), float(loss)) for step, loss in c.get("curve") or []]
    log_probabilities(results), [list(ids) for ids in results.get("items", {}).values()]
    if not of["seeds"] or not all(isinstance(x, str) for x in (results["task"], results["model"], results["identity"]["task"], *results["notes"])):
        raise ValueError("no seed, or a name that is none")
    for method, lr, seed in [x for s in of["seeds"] for x in [("base", None, s)] + [(m, lr, s) for m in of["methods"] for lr in of["lr"]]]:
        if (method, lr, seed) not in cells:
            return f"{shown(method)}{'' if lr is None else f' at rate {lr:g}'}, seed {seed}"


def pool(runs):
    """Runs of one task -> one in the shape of results.json, and "said": lines on what differs and what was left out for that.

    Seeds and benchmarks that only some runs have are left out by name; a method that several have bears its run's name.
    UserError where the runs cannot be compared: another model, other data, other items, no seed in common.
    """
    first, said, items, groups, apart = runs[0], [line for r in runs for line in r.get("said", [])], {}, {}, "they cannot be compared; report them one by one"
    in_all = lambda sets: [x for x in sets[0] if all(x in s for s in sets)]
    seeds = sorted(in_all([r["settings"]["seeds"] for r in runs]))
    names = in_all([next(c for c in r["cells"] if c["method"] == "base")["benchmarks"] for r in runs])
    listed = lambda word, of: f"{word}{'s' * (len(of) > 1)} {', '.join(map(str, of))}"
    for r in runs:
        pair = f"--report: {first['label']} and {r['label']}"
        if first["model"] != r["model"] or first["identity"].get("model") != r["identity"].get("model"):
            raise UserError(f"{pair} are of one task but of two models ({first['model']}, {r['model']}): {apart}")
        if not seeds:
            raise UserError(f"--report: {' and '.join(x['label'] for x in runs)} have no seed in common; run one again with more --seeds")
        if lacks := [s for x in runs for s in x["settings"]["seeds"] if s not in r["settings"]["seeds"]]:
            said.append(f"{r['label']} lacks {listed('seed', sorted(set(lacks)))}: compared over {listed('seed', seeds)}")
        mine = {}
        for c in sorted((c for c in r["cells"] if c["seed"] in seeds), key=lambda c: (c["lr"] or 0, c["seed"])):
            said += [f"{n} is left out: not every run measured it" for n in c["benchmarks"] if n not in names]
            c = c | {"home": r["folder"] / str(c.get("folder")), "benchmarks": {n: c["benchmarks"].get(n) for n in names}}
            for name in ("test", *names):
                if row := measured(c, name):
                    n, ids, label, other = items.setdefault((name, c["seed"]), (len(row["right"]), row.get("ids"), r["label"], c.get("folder")))
                    if (n, ids) != (len(row["right"]), row.get("ids")):
                        one, two = (label, r["label"]) if label != r["label"] else (other, c.get("folder"))      # two runs, or two cells of one
                        what = "the test" if name == "test" else f"the benchmark {name}"
                        raise UserError(f"--report: {one} and {two} were measured on other items of {what} ({n} and {len(row['right'])}; "
                                        f"seed {c['seed']}): {apart}, or run one again with the other's limits")
            mine.setdefault(c["method"], []).append(c)
        if first["identity"].get("data") != r["identity"].get("data"):
            raise UserError(f"{pair} were made from other data files, so what bears one id may differ: {apart}")
        for method, group in mine.items():
            groups.setdefault(method, {})[r["label"]] = group
        said += [f"settings differ in {k}: {first['settings'].get(k)} in {first['label']}, {v} in {r['label']}"
                 for k, v in r["settings"].items() if k not in ("methods", "lr", "seeds") and v != first["settings"].get(k)]
        base = groups["base"][first["label"]]
        if n := sum(int((flags(a["test"]["right"]) != flags(b["test"]["right"])).sum()) for a, b in zip(mine["base"], base)):
            said.append(f"base itself scores otherwise in {r['label']} than in {first['label']}, on {n} test items; the latter's scores are taken")
    cells = base + [c | {"method": f"{method} ({label})" if len(by_run) > 1 else method}
                    for method, by_run in groups.items() if method != "base" for label, group in by_run.items() for c in group]
    return first | {"cells": cells, "runs": runs, "said": list(dict.fromkeys(said)),
                    "notes": list(dict.fromkeys(n for r in runs for n in r["notes"])),
                    "settings": first["settings"] | {"methods": list(dict.fromkeys(c["method"] for c in cells[len(base):])), "seeds": seeds},
                    "benchmark_notes": [n for n in first.get("benchmark_notes") or [] if n.partition(":")[0] in names],
                    "fill": "; ".join(dict.fromkeys(r["fill"] for r in runs if r.get("fill"))),
                    "items": {k: ids for r in runs for k, ids in r.get("items", {}).items()}}


# ---------------------------------------------------------------- Markdown

def clean(text):
    """Text of a model or a data set without what could steer a terminal: tabs as spaces, other invisible characters gone."""
    return "".join(c if c == "\n" or c.isprintable() else " " for c in str(text).replace("\r\n", "\n").expandtabs(4))


def md(text):
    """A name or a note inside Markdown: on one line, its special characters as they are."""
    return re.sub(r"([\\`*<>\[\]~]|^[#+-])", r"\\\1", " ".join(clean(text).split()))


def fence(text):
    """A block of plain text that nothing in the text can end: its fence is longer than any row of backticks in it."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return [f"{ticks}text", *clean(text).split("\n"), ticks]


def grid(rows):
    """Rows of texts as a Markdown table that is aligned on the terminal too."""
    rows = [[x.replace("|", "\\|") for x in r] for r in rows]
    width = [max(3, *(len(r[i]) for r in rows)) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(r, width))) + " |" for r in rows]
    return [lines[0], "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(width)) + "|", *lines[1:]]


def picture(folder, name, caption, draw, text):
    """Lines with a figure: a file where matplotlib is there, else characters."""
    if figures.there():
        figures.save(draw, folder, name)
        return [f"![{name}]({name}.png)", "", f"{caption} ([SVG]({name}.svg))."]
    return [f"{caption}.", "", *fence(text())]


def say(label, text, width, limit=700):
    """"label    text": long texts without their middle; further lines stand under the text, so that none can pose as a label."""
    text = clean(text).strip("\n") or "(nothing)"
    if len(text) > limit:
        text = f"{text[:limit // 2].rstrip()} [.. {len(text) - limit:,} characters ..] {text[-(limit // 2):].lstrip()}"
    lines = [piece for line in text.split("\n") for piece in textwrap.wrap(line, 120, drop_whitespace=False) or [""]]
    return "\n".join(f"{'' if i else label:{width}} {line}".rstrip() for i, line in enumerate(lines))


# ---------------------------------------------------------------- the report

def report(paths, out=None):
    """Print the report on these runs and write it with its pictures into `out` (default report/ in the first folder that is named)
    -> report.md's path."""
    first, tasks = Path(paths[0]), lambda folder: sorted(p for p in folder.glob("*") if cells.is_folder(p))
    paths = [inner for path in map(Path, paths) for inner in tasks(path) or [path]]              # FOLDER stands for its FOLDER/TASKs
    runs, by_task = list({r["folder"].resolve(): r for r in map(read_run, paths)}.values()), {}
    names = [r["folder"].resolve().name for r in runs]
    for r, name in zip(runs, names):
        r["label"] = name if names.count(name) == 1 else str(r["folder"])
        by_task.setdefault((r["task"], r["identity"].get("task")), []).append(r)
    pooled = [pool(group) for group in by_task.values()]
    folder = Path(out) if out else (first if first.is_dir() else first.parent) / "report"
    lines = [f"# S3FT: {md(', '.join(p['task'] for p in pooled))}"]
    if not figures.there():
        lines += ["", "Figures are drawn in characters; `pip install matplotlib` gives pictures."]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, p in enumerate(pooled, 1):
            lines += ["", *section(p, folder, f"{i}-{re.sub('[^a-zA-Z0-9.-]+', '-', p['task'])}-" if len(pooled) > 1 else "")]
        if len(pooled) > 1:
            several = len({str(p["identity"].get("model")) for p in pooled}) > 1
            lines += ["", "## The paper's tables", "", *(["Left out: these runs are of several models."] if several else fence(three_tables(pooled).strip()))]
        text = "\n".join(lines) + "\n"
        (folder / "report.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--report: {folder} cannot be written ({error.strerror}); give --out FOLDER") from None
    encoding = sys.stdout.encoding or "utf-8"
    print(f"{text}\nreport: {folder / 'report.md'}".encode(encoding, "replace").decode(encoding))
    return folder / "report.md"


def section(r, folder, prefix):
    """All about one task: pooled runs -> lines of Markdown; its pictures go into folder/prefix*."""
    rates, seeds, groups = chosen_rates(r), r["settings"]["seeds"], {}
    for c in r["cells"]:         # (method, rate): its cells, one a seed
        groups.setdefault((c["method"], c["lr"]), []).append(c)
    base = groups.pop(("base", None))
    ragged = any(len(g) < len(seeds) for g in groups.values())       # a folder of cells: some rates have fewer seeds
    names, skills, choice, several = columns(base[0]), skill_names(base[0]), choices(base[0]), len(groups) > len(rates)
    gain = {key: difference(group, base) for key, group in groups.items()}
    lost = {key: difference(base, group, choice) for key, group in groups.items()}
    head = {(m, lr): [md(shown(m)), f"{lr:g}" + ", chosen" * (rates[m] == lr and sum(other == m for other, _ in groups) > 1)
                      + f", {len(g)} seed{'s' * (len(g) > 1)}" * ragged] for (m, lr), g in groups.items()}
    percent = lambda found: f"{100 * found[0]:.1f} [{100 * found[1]:.1f}, {100 * found[2]:.1f}]" if found else "-"
    lines = [f"## {md(r['task'])} on {md(r['model'])}", "", f"{md(', '.join(x['label'] for x in r['runs']))}: seed{'s' * (len(seeds) > 1)} "
             f"{', '.join(map(str, seeds))}; {'each ' * (len(seeds) > 1)}{len(base[0]['test']['right'])} test items"
             + "".join(f", {len(b['right'])} of {md(n)}" for n in names + skills if (b := measured(base[0], n))) + "."]
    if remarks := r["said"] + r["notes"]:
        lines += ["", *(f"- {md(note)}" for note in remarks)]
    lines += ["", "### Gain and drop", ""]
    lines += grid([["method", "rate", f"{md(r['task'])}, %", "gain, points", "mean drop, points", "KL"],
                   ["base", "-", percent(scored(base)), "-", "-", "-"]]
                  + [[*head[key], percent(scored(g)), points(gain[key], ""), points(lost[key], ""), mean_kl(g)] for key, g in groups.items()])
    over = ", ".join(map(md, choice)) or "no benchmark of multiple choice, as none was measured"
    lines += ["", f"Gain: over base. Mean drop: lost over {over}. KL(base || tuned): "
              f"nats per token. Brackets: 95 % intervals{', Wilson for a figure; for a difference' if len(seeds) < 3 else ':'} "
              + f"{how(base, r['settings'].get('new_items'))}."
              + " Rows of fewer seeds: over those; below three, over items." * ragged]
    if chose := [f"{md(shown(m))} " + ", ".join(f"{lr:g}: {100 * s:.1f}" for lr, s in score.items()) + f" (one standard error: {100 * error:.1f})"
                 for m, (score, error) in on_validation(r).items() if error is not None]:
        lines += ["", f"Rates are chosen on validation, the smallest within one standard error of the method's best; accuracy there, %: {'; '.join(chose)}."]
    lines += [x for each in r["runs"] if (line := about_judge(each.get("judge_errors") or {}))
              for x in ("", (f"{md(each['label'])}: " if len(r["runs"]) > 1 else "") + md(line))]
    for s3ft, sft in [(a, b) for a in rates for b in rates if (a.partition(" ")[0], b.partition(" ")[0]) == ("s3ft", "sft")]:
        a, b = groups[s3ft, rates[s3ft]], groups[sft, rates[sft]]
        lost_less = difference(b, a, choice)
        lines += ["", f"{md(shown(s3ft))} - {md(shown(sft))}, task: {points(difference(a, b))}; "
                  + (f"mean drop: {points(lost_less)} (below 0: S3FT forgets less). " if lost_less else "")
                  + f"So here S3FT {verdict(difference(a, b), difference(a, b, choice))}."] if paired(a, b)[0] else []
    for some, title in ((names, "Each benchmark: accuracy in %, and the points lost."),
                        (skills, "Each skill: % of prompts answered exactly, and the points lost (outside the mean drop).")):
        if some:
            lines += ["", title, ""] + grid(
                [["method", "rate", *map(md, some)], ["base", "-", *(percent(scored(base, n)) for n in some)]]
                + [head[key] + [f"{100 * x[0]:.1f}, drop {points(difference(base, g, [n]), '')}" if (x := scored(g, n)) else "-" for n in some]
                   for key, g in groups.items()])
    if names:
        lines += ["", *(f"- {md(line)}" for line in about_benchmarks(r, base))]
        lines += ["", "### Effect against chance", "", *against_chance(base, groups, names, head)] if groups else []

    if found := tests(r):
        lines += ["", "### Four tests in fixed order", "", "At 5 %, each only if all before it are shown; paired by seed, each method at its own rate.", "",
                  *(f"- {line}" for line in found)]
    in_percent = lambda found: [100 * x for x in found]
    spots = [{"method": m, "name": shown(m), "rate": f"{lr:g}", "chosen": rates[m] == lr, "x": in_percent(lost[m, lr]), "y": in_percent(scored(g))}
             for (m, lr), g in groups.items() if lost[m, lr]]
    of = spots, in_percent(scored(base)), clean(r["task"])
    lines += ["", "### Task against forgetting", ""] + (picture(
        folder, f"{prefix}frontier", "Accuracy on the task against the mean drop, with 95 % intervals; up and to the left is better",
        lambda: figures.frontier(*of), lambda: figures.frontier_text(*of)) if spots else
        ["No tuned model was measured on every multiple-choice benchmark, so there is nothing to draw."])
    lines += ["", "### What the base model finds likely (Figure 2 of the paper)", "", *likelihoods(r["runs"], folder, f"{prefix}logprobs")]
    dots = [(m, shown(m), c["kl"], 100 * drop(c, b)) for (m, _), g in groups.items() for c, b in zip(*paired(g, base))
            if c.get("kl") is not None and drop(c, b) is not None]
    lines += ["", "### KL and forgetting", ""] + (picture(
        folder, f"{prefix}kl", "Mean drop against KL(base || tuned), one point a trained model",
        lambda: figures.kl(dots), lambda: figures.kl_text(dots)) if dots else ["No trained model has both figures."])
    drawn = [(m, f"{shown(m)}, rate {lr:g}", *curve) for m, lr in rates.items() if (curve := mean_curve(groups[m, lr]))]
    if groups:
        lines += ["", "### Targets and training", ""] + grid(
            [["method", "rate", "own/para/gold %", "target tokens", "test answers cut off, %", "minutes"]]
            + [[*head[key], target_shares(g), f"{np.mean([c.get('target_tokens') or 0 for c in g]):,.0f}",
                f"{100 * np.mean([c['test']['cut_off'] for c in g]):.1f}", f"{np.mean([c['times']['minutes'] for c in g]):.1f}"] for key, g in groups.items()])
        lines += ["", "Tokens of the targets, seen once each epoch, and minutes (attempts, training, measuring): of one model, mean over seeds."]
        lines += [x for each in r["runs"] for line in about_attempts(each) for x in ("", (f"{md(each['label'])}: " if len(r["runs"]) > 1 else "") + md(line))]
    lines += [""] + (picture(
        folder, f"{prefix}curves", "Loss by step, the mean over seeds at each method's chosen rate, lightly smoothed. Every method has targets "
        "of its own, so a lower curve means likelier targets, not a better model",
        lambda: figures.curves(drawn), lambda: figures.curves_text(drawn)) if drawn else ["results.json holds no training curve."])
    if groups:
        lines += ["", f"### Items that changed (seed {seeds[0]}{', at the chosen rate' * several})", "",
                  *changes(r, base[0], [c for m, lr in rates.items() for c in groups[m, lr] if c["seed"] == seeds[0]])]
    return lines


def mean_curve(group):
    """(steps, losses): the mean of a method's cells, one a seed, at the steps of the shortest; None where one has no curve."""
    found = [np.array(c.get("curve") or [], dtype=float) for c in group]
    if not all(map(len, found)):
        return None
    steps = min(found, key=lambda f: f[-1, 0])[:, 0]
    return steps.tolist(), np.mean([np.interp(steps, *f.T) for f in found], axis=0).tolist()


def against_chance(base, groups, names, head):
    """Of what base has above chance, the share that every method lost, where base has anything above chance."""
    lines, above = ["Of base's points above chance the share that is lost, in % (below 0: gained); the interval takes base's score as given."], {}
    for n in names:
        if all(rows := [measured(c, n) for c in base]):
            right, chance = np.concatenate(item_sets(rows)), rows[0]["chance"]
            low, high = wilson(right.sum(), len(right))
            above[n] = right.mean() - chance if low > chance else None
            if low <= chance:
                lines.append(f"{md(n)}: base's {100 * right.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
                             f"{'is below' if high < chance else 'cannot be told from'} chance, {100 * chance:.1f} %, so there is no share to lose.")
    part = lambda gap, n: points([x / above[n] for x in gap], "") if gap and above.get(n) else "-"
    return lines + [""] + grid([["method", "rate", *map(md, names)]]
                               + [head[key] + [part(difference(base, g, [n]), n) for n in names] for key, g in groups.items()])


def log_probabilities(r):
    """(items, source, 2): sum and tokens of the training items that have all three texts; and which items these are."""
    found = r.get("logprobs") or {}
    rows = [[i[s] for s in figures.SOURCES] for i in found.get("items", []) if all((i.get(s) or [0, 0])[1] for s in figures.SOURCES)]
    return np.array(rows, dtype=float).reshape(-1, 3, 2), str(found.get("note") or "")


def likelihoods(runs, folder, name):
    """Figure 2 of arXiv 2502.08130: the log-probability of own answers, paraphrases and golds of the same training items."""
    for rows, note in map(log_probabilities, runs):              # all are of one model: the first that has them
        if len(rows):
            total, tokens = rows.transpose(2, 1, 0)              # (source, item) each
            panels = [("log-probability, nats", dict(zip(figures.SOURCES, total))),
                      ("log-probability per token, nats", dict(zip(figures.SOURCES, total / tokens)))]
            means = "; ".join(f"{s} {x.mean():.1f}, per token {(x / n).mean():.2f}, so perplexity {math.exp(-(x / n).mean()):.2f}"
                              for s, x, n in zip(figures.SOURCES, total, tokens))
            return picture(folder, name, f"Log-probabilities under the base model, {len(rows)} training items ({md(note) or 'of seed 0'}); "
                           f"the lowest 2 % are in the first bar. Means: {means}",
                           lambda: figures.histograms(panels), lambda: figures.histograms_text(panels))
    return [f"No training item has all three texts with their log-probabilities. {md(note)}".rstrip()]


# ---------------------------------------------------------------- items that changed

def changes(r, base, cells, most=3):
    """Counts of items that went from right to wrong or back between base and each cell, then `most` of each with their texts."""
    rows, moved, names = [["method", "set", "items", "right to wrong", "wrong to right", "p"]], {}, ["test", *base["benchmarks"]]
    for c, name in [(c, name) for c in cells for name in names]:
        row, a, b = [md(shown(c["method"])), md(r["task"] if name == "test" else name)], measured(base, name), measured(c, name)
        if a and b:
            before, after = flags(a["right"]) > 0.5, flags(b["right"]) > 0.5
            moved[c["method"], name] = np.flatnonzero(before & ~after), np.flatnonzero(after & ~before)
            fewer, n = sorted(counts := [len(x) for x in moved[c["method"], name]])[0], sum(counts)
            p = min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2 ** n)
            rows.append([*row, str(len(before)), *map(str, counts), "<0.001" if p < 0.001 else f"{p:.3f}"])
        else:
            rows.append(row + ["-"] * 4)
    lines = grid(rows) + ["", "p: McNemar's exact test, how often chance alone would split the changed items as unevenly. An item with a share as "
                          "its score counts as right above one half."]
    texts = {(str(t["set"]), str(t["id"])): t for x in r["runs"] for t in read_jsonl(x["folder"] / "items.jsonl", ("set", "id", "text", "answer"))}
    said, counted = {}, len(lines)                               # (cell's folder, set, id): the first answer
    for c in [base, *cells]:
        for a in read_jsonl(c["home"] / "answers.jsonl", ("split", "id", "text")):
            said.setdefault((c["home"], str(a["split"]), str(a["id"])), a["text"])
        for name in [n for n, b in base["benchmarks"].items() if b and b.get("kind") in ("task", "skill")]:
            for a in read_jsonl(c["home"] / f"{name}.jsonl", ("id", "text")):
                said.setdefault((c["home"], name, str(a["id"])), a["text"])
    for c in cells:
        for some, what in ((["test"], "the task"), (names[1:], "benchmarks")):
            for way, title in enumerate(("right before, wrong now", "wrong before, right now")):
                turns = [(k, name, i) for name in some for k, i in enumerate(moved.get((c["method"], name), ([], []))[way][:most])]
                blocks = [example(r, name, i, base, c, texts, said) for _, name, i in sorted(turns)[:most]]      # one of each set in turn
                if any(blocks):
                    lines += ["", f"#### {md(shown(c['method']))}, {what}: {title}"] + [line for b in blocks if b for line in ("", *fence(b))]
    if len(lines) == counted and any(len(way) for ways in moved.values() for way in ways):
        lines += ["", "The items' texts are not there (items.jsonl beside results.json), so no examples are shown."]
    return lines


def example(r, name, i, base, cell, texts, said):
    """One item with what base and the tuned model made of it; None where its text is not there."""
    ids = r["items"].get(measured(base, name).get("ids"), [])
    text = texts.get((name, ids[i])) if i < len(ids) else None
    if not text:
        return None
    options, who = isinstance(text.get("options"), list) and text["options"], {"base": base, shown(cell["method"]): cell}
    if options:
        letter = lambda k: f"{chr(ord('A') + k)}  {options[k]}" if isinstance(k, int) and 0 <= k < len(options) else "(not kept)"
        pick = lambda c: letter(([int(k) for k in str(measured(c, name).get("picks") or "").split()[i:i + 1]] or [None])[0])
        true = text.get("true") or [text["answer"]]
        share = lambda c: f"   ({100 * measured(c, name)['right'][i]:.0f} % of the probability on true answers)" if text.get("true") else ""
        parts = [("context", text["text"])] * bool(text["text"]) + [("options", "\n".join(map(letter, range(len(options)))))]
        parts += [("right", "\n".join(map(letter, true)))] + [(label, pick(c) + share(c)) for label, c in who.items()]
    else:
        parts = [("question", text["text"]), ("gold", text["answer"])]
        share = lambda c: f"\n[the first answer; {100 * measured(c, name)['right'][i]:.0f} % of all are right]"
        rate = lambda c: "" if isinstance(measured(c, name)["right"], str) else share(c)
        parts += [(label, said.get((c["home"], name, ids[i]), "(not kept)") + rate(c)) for label, c in who.items()]
    return "\n".join(say(label, what, max(8, *map(len, who))) for label, what in [("item", f"{name} {ids[i]}"), *parts])


if __name__ == "__main__":
    try:
        read = [json.load(open(path, encoding="utf-8")) for path in sys.argv[1:]]
        print(table(read[0]) if len(read) == 1 else three_tables(read))
    except (IndexError, OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"usage: python -m data.report results.json [results.json ..], runs' files ({type(error).__name__}: {error})")
