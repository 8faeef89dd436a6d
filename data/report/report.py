"""report.py - the report on finished runs: gain and drop, the frontier, log-probabilities, KL, and
the answers that changed.

    python s3ft.py --report runs/RUN [runs/RUN ...]     # printed, and written to runs/RUN/report
    python s3ft.py --report FOLDER/gsm8k.jsonl          # of --results FOLDER (data/results/cells.py)

Numbers and intervals are those of data/report/tables.py, pictures those of data/report/figures.py. Both are pure
functions of results.json. The texts of examples are read from the files beside it (items.jsonl,
CELL/answers.jsonl, CELL/NAME.jsonl); without these files there are no examples.
"""
import json
import math
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data import UserError
from data.report import figures, gather
from data.files import read_jsonl
from data.report.tables import (
    about_attempts, about_benchmarks, about_judge, choices, chosen_rates, columns, difference, drop,
    flags, how, item_sets, mean_kl, measured, on_validation, paired, plural, points, scored, shown,
    skill_names, target_shares, tests, three_tables, verdict, wilson,
)

FORMAT = 2                       # of results.json: the one that can be read
AGAIN = "give the run's command again (finished cells are kept)"
APART = "they cannot be compared; report them one by one"


def unique(values):
    """The values in their order, each once."""
    return list(dict.fromkeys(values))


def listed(word, values):
    """seed, [0, 1] -> seeds 0, 1"""
    return f"{plural(word, len(values))} {', '.join(str(value) for value in values)}"


# ---------------------------------------------------------------- reading one run

DAMAGE = (ValueError, RecursionError, LookupError, TypeError, AttributeError)


def read_cells(paths):
    """Files of cells of one task (data/results/cells.py) -> one run, in the shape of `read_run`'s."""
    try:
        results = gather.gather(paths)
        check(results)
    except UserError:                        # a ValueError too
        raise
    except DAMAGE as error:
        names = " ".join(str(path) for path in paths)
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"--report {names}: a cell is damaged ({problem})") from None
    return results | {"folder": paths[0].parent}


def read_run(path):
    """A run's folder, or its results.json -> results.json and the cells of earlier commands.

    "folder" is added: where it was read. UserError where it is no finished run.
    """
    path = Path(path)
    name = f"--report {path}"
    if path.is_file() and path.name != "results.json":
        raise UserError(
            f"{name} is no results.json and no file of cells; "
            f"name the folder of a run, or of cells: {path.parent}"
        )
    folder = path.parent if path.is_file() else path
    lacking = None
    try:
        results = json.loads((folder / "results.json").read_bytes())
        version = results.get("format")
        if version == FORMAT:
            check(results)
            lacking = lacking_cell(results)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{name}{why_no_run(path)}") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read ({error.strerror})") from None
    except DAMAGE as error:
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{name}: results.json is damaged ({problem}); {AGAIN}") from None
    if version != FORMAT:
        raise UserError(
            f"{name}: results.json is of another version of this project "
            f"(format {version}, not {FORMAT}); {AGAIN}"
        )
    if lacking:
        raise UserError(
            f"{name}: the run is not finished, results.json lacks {lacking}; {AGAIN}"
        )
    return gather.with_earlier(results, folder / "cells.jsonl") | {"folder": folder}


def why_no_run(path):
    """Why a path without results.json is no run, and what to do."""
    if (path / "run.json").is_file():
        return f": the run is not finished, it has no results.json; {AGAIN}"
    if not path.exists():
        return " does not exist; name a run's folder, the last thing that a run prints"
    inside = {str(file.parent) for file in path.glob("*/results.json")}
    inside |= {str(folder) for folder in path.glob("*") if gather.files_in(folder)}
    if inside:
        return f" is no run folder; name one: {' '.join(sorted(inside))}"
    return " is no run folder; name one, the last thing that a run prints"


def check(results):
    """Raise ValueError, LookupError, TypeError or AttributeError where the report would fail."""
    settings = results["settings"]
    for cell in results["cells"]:
        check_score(cell["test"])
        for row in cell["benchmarks"].values():
            if row:
                check_benchmark(row)
        if cell["lr"] and len(settings["lr"]) > 1:
            check_score(cell["validation"])
        if cell.get("kl") is not None:
            check_number(cell["kl"])
        for step, loss in cell.get("curve") or []:
            check_number(step)
            check_number(loss)
    log_probabilities = results.get("logprobs") or {}
    for item in log_probabilities.get("items", []):
        for source in figures.SOURCES:
            if item.get(source):
                total, tokens = item[source]
                check_number(total)
                check_number(tokens)
    for ids in results.get("items", {}).values():
        if not isinstance(ids, list):
            raise ValueError("a list of items is not a list")
    if not settings["seeds"]:
        raise ValueError("there is no seed")
    names = (results["task"], results["model"], results["identity"]["task"], *results["notes"])
    for name in names:
        if not isinstance(name, str):
            raise ValueError("a name is not a text")


def check_score(row):
    """Raise where answers to a test or a benchmark have no score."""
    right = flags(row["right"])
    if len(right) == 0 or not 0 <= row["accuracy"] <= 1:
        raise ValueError("there are no answers, or the accuracy is outside 0 to 1")


def check_benchmark(row):
    """Raise where answers to a benchmark have no score, no chance level or no picks."""
    check_score(row)
    if not 0 <= row["chance"] <= 1:
        raise ValueError("a chance level is outside 0 to 1")
    picks = row.get("picks") or ""           # "0 3 1 .."
    for pick in picks.split():
        if not pick.isdecimal():
            raise ValueError("a pick is not a number")


def check_number(value):
    """Raise where a value is no number."""
    if not isinstance(value, (int, float)):
        raise ValueError("a value is not a number")


def lacking_cell(results):
    """The first cell that the settings promise and that is not there, in words; None if all are."""
    settings = results["settings"]
    there = {(cell["method"], cell["lr"], cell["seed"]) for cell in results["cells"]}
    for seed in settings["seeds"]:
        if ("base", None, seed) not in there:
            return f"base, seed {seed}"
        for method in settings["methods"]:
            for lr in settings["lr"]:
                if (method, lr, seed) not in there:
                    return f"{shown(method)} at rate {lr:g}, seed {seed}"
    return None


# ---------------------------------------------------------------- runs of one task as one

def pool(runs):
    """Runs of one task -> one in the shape of results.json.

    "said" is added: lines on what differs and what was left out for that. Seeds and benchmarks that
    only some runs have are left out. A method that several runs have bears its run's name.
    UserError where the runs cannot be compared: another model, other data, other items, no seed in
    common.
    """
    first = runs[0]
    seeds = sorted(in_all([run["settings"]["seeds"] for run in runs]))
    names = in_all([base_cell(run)["benchmarks"] for run in runs])     # of benchmarks
    remarks = [line for run in runs for line in run.get("said", [])]
    known_items = {}             # {(set, seed): the first cell's items}, see check_items
    groups = {}                  # {method: {label of a run: its cells}}
    for run in runs:
        check_model(first, run)
        if not seeds:
            labels = " and ".join(each["label"] for each in runs)
            raise UserError(
                f"--report: {labels} have no seed in common; run one again with more --seeds"
            )
        remarks += lacking_seeds(run, runs, seeds)
        by_method = {}
        for cell in cells_by_rate(run, seeds):
            for name in cell["benchmarks"]:
                if name not in names:
                    remarks.append(f"{name} is left out: not every run measured it")
            home = run["folder"] / str(cell.get("folder"))
            benchmarks = {name: cell["benchmarks"].get(name) for name in names}
            cell = cell | {"home": home, "benchmarks": benchmarks}
            check_items(cell, run["label"], known_items)
            by_method.setdefault(cell["method"], []).append(cell)
        check_data(first, run)
        for method, group in by_method.items():
            groups.setdefault(method, {})[run["label"]] = group
        remarks += other_settings(first, run)
        base = groups["base"][first["label"]]
        remarks += other_scores_of_base(first, base, run, by_method["base"])

    tuned = []
    for method, by_label in groups.items():
        if method == "base":
            continue
        for label, group in by_label.items():
            name = f"{method} ({label})" if len(by_label) > 1 else method
            tuned += [cell | {"method": name} for cell in group]
    items = {}
    for run in runs:
        items |= run.get("items", {})
    benchmark_notes = []
    for note in first.get("benchmark_notes") or []:
        name, _, _ = note.partition(":")
        if name in names:
            benchmark_notes.append(note)
    methods = unique(cell["method"] for cell in tuned)
    fills = unique(run["fill"] for run in runs if run.get("fill"))
    return first | {
        "cells": base + tuned,
        "runs": runs,
        "said": unique(remarks),
        "notes": unique(note for run in runs for note in run["notes"]),
        "settings": first["settings"] | {"methods": methods, "seeds": seeds},
        "benchmark_notes": benchmark_notes,
        "fill": "; ".join(fills),
        "items": items,
    }


def in_all(lists):
    """What all lists have, in the order of the first."""
    return [value for value in lists[0] if all(value in each for each in lists)]


def base_cell(run):
    """The first cell of the base model."""
    for cell in run["cells"]:
        if cell["method"] == "base":
            return cell


def cells_by_rate(run, seeds):
    """The cells of these seeds, by rate and then by seed."""
    some = [cell for cell in run["cells"] if cell["seed"] in seeds]
    return sorted(some, key=lambda cell: (cell["lr"] or 0, cell["seed"]))


def check_model(first, run):
    """UserError where two runs are of two models."""
    same_name = first["model"] == run["model"]
    same_weights = first["identity"].get("model") == run["identity"].get("model")
    if not same_name or not same_weights:
        raise UserError(
            f"--report: {first['label']} and {run['label']} are of one task but of two models "
            f"({first['model']}, {run['model']}): {APART}"
        )


def check_data(first, run):
    """UserError where two runs were made from other data files."""
    if first["identity"].get("data") != run["identity"].get("data"):
        raise UserError(
            f"--report: {first['label']} and {run['label']} were made from other data files, "
            f"so what bears one id may differ: {APART}"
        )


def check_items(cell, label, known_items):
    """UserError where a cell was measured on other items than the first cell of its seed.

    known_items: {(set, seed): (number of items, digest of their ids, label, folder)} of the first
    cells, to which this one is added.
    """
    for name in ("test", *cell["benchmarks"]):
        row = measured(cell, name)
        if not row:
            continue
        mine = (len(row["right"]), row.get("ids"), label, cell.get("folder"))
        first = known_items.setdefault((name, cell["seed"]), mine)
        n, ids, first_label, first_folder = first
        if (n, ids) == mine[:2]:
            continue
        if first_label != label:
            one, two = first_label, label
        else:                                # two cells of one run
            one, two = first_folder, cell.get("folder")
        what = "the test" if name == "test" else f"the benchmark {name}"
        raise UserError(
            f"--report: {one} and {two} were measured on other items of {what} "
            f"({n} and {len(row['right'])}; seed {cell['seed']}): {APART}, "
            "or run one again with the other's limits"
        )


def lacking_seeds(run, runs, seeds):
    """A line on the seeds that other runs have and this one lacks, or none."""
    lacking = set()
    for other in runs:
        lacking |= set(other["settings"]["seeds"]) - set(run["settings"]["seeds"])
    if not lacking:
        return []
    lacks = listed("seed", sorted(lacking))
    return [f"{run['label']} lacks {lacks}: compared over {listed('seed', seeds)}"]


def other_settings(first, run):
    """Lines on settings that differ between two runs."""
    lines = []
    for name, value in run["settings"].items():
        other = first["settings"].get(name)
        if name not in ("methods", "lr", "seeds") and value != other:
            lines.append(
                f"settings differ in {name}: {other} in {first['label']}, {value} in {run['label']}"
            )
    return lines


def other_scores_of_base(first, base, run, base_of_run):
    """A line where the base model itself scores otherwise in two runs, or none."""
    n = 0
    for one, two in zip(base, base_of_run):
        differ = flags(one["test"]["right"]) != flags(two["test"]["right"])
        n += int(differ.sum())
    if n == 0:
        return []
    return [f"base itself scores otherwise in {run['label']} than in {first['label']}, "
            f"on {n} test items; the latter's scores are taken"]


# ---------------------------------------------------------------- Markdown

def clean(text):
    """Text of a model or a data set without what could steer a terminal.

    A tab becomes spaces, any other invisible character a space.
    """
    text = str(text).replace("\r\n", "\n").expandtabs(4)
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)


def md(text):
    """A name or a note inside Markdown: on one line, its special characters as they are."""
    one_line = " ".join(clean(text).split())
    return re.sub(r"([\\`*<>\[\]~]|^[#+-])", r"\\\1", one_line)


def fence(text):
    """A block of plain text, as lines. Nothing in the text can end it.

    Its fence is longer than any row of backticks in it.
    """
    longest = max([len(row) for row in re.findall("`+", text)], default=0)
    ticks = "`" * max(3, longest + 1)
    return [f"{ticks}text", *clean(text).split("\n"), ticks]


def grid(rows):
    """Rows of texts as a Markdown table that is aligned on the terminal too."""
    rows = [[text.replace("|", "\\|") for text in row] for row in rows]
    widths = []
    for column in zip(*rows):
        widths.append(max(3, *(len(text) for text in column)))
    lines = []
    for first, *others in rows:
        texts = [first.ljust(widths[0])]
        for text, width in zip(others, widths[1:]):
            texts.append(text.rjust(width))
        lines.append(f"| {' | '.join(texts)} |")
    dashes = ["-" * (widths[0] + 2)]
    for width in widths[1:]:
        dashes.append("-" * (width + 1) + ":")
    rule = f"|{'|'.join(dashes)}|"
    return [lines[0], rule, *lines[1:]]


def entry(label, text, width, limit=700):
    """"label    text": long texts without their middle.

    Further lines stand under the text, so that none of them can pose as a label.
    """
    text = clean(text).strip("\n") or "(nothing)"
    if len(text) > limit:
        half = limit // 2
        start = text[:half].rstrip()
        end = text[-half:].lstrip()
        text = f"{start} [.. {len(text) - limit:,} characters ..] {end}"
    lines = []
    for line in text.split("\n"):
        for piece in textwrap.wrap(line, 120, drop_whitespace=False) or [""]:
            lines.append(f"{label:{width}} {piece}".rstrip())
            label = ""                       # of the first line alone
    return "\n".join(lines)


def picture(figure, folder, name, caption):
    """Write a figure -> the lines that show it."""
    figures.save(figure, folder, name)
    return [f"![{name}]({name}.png)", "", f"{caption} ([SVG]({name}.svg))."]


# ---------------------------------------------------------------- the report

def report(paths, out=None):
    """Print the report on runs, and write it with its pictures into a folder -> report.md's path.

    out: the folder, by default report/ in the first folder that is named.
    """
    pooled = [pool(runs) for runs in runs_by_task(paths)]
    first = Path(paths[0])
    if out:
        folder = Path(out)
    else:
        folder = (first if first.is_dir() else first.parent) / "report"
    tasks = ", ".join(results["task"] for results in pooled)
    lines = [f"# S3FT: {md(tasks)}"]
    if not figures.available():
        lines += ["", "Figures need matplotlib: `pip install matplotlib`."]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, results in enumerate(pooled, 1):
            prefix = ""                      # of the pictures' names
            if len(pooled) > 1:
                prefix = f"{i}-{re.sub('[^a-zA-Z0-9.-]+', '-', results['task'])}-"
            lines += ["", *section(results, folder, prefix)]
        if len(pooled) > 1:
            lines += ["", "## The paper's tables", "", *paper_tables(pooled)]
        text = "\n".join(lines) + "\n"
        (folder / "report.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--report: {folder} cannot be written ({error.strerror}); give --out FOLDER"
        ) from None
    encoding = sys.stdout.encoding or "utf-8"
    printed = f"{text}\nreport: {folder / 'report.md'}"
    print(printed.encode(encoding, "replace").decode(encoding))
    return folder / "report.md"


def runs_by_task(paths):
    """Read the runs -> lists of runs of one task each. Every run gets a "label"."""
    by_folder = {}                           # each run once, even if it is named twice
    files_by_task = {}                       # files of cells: those of one task are one run
    for path in paths:
        path = Path(path)
        files = gather.files_in(path)         # FOLDER stands for FOLDER/TASK.jsonl of all tasks
        for file in files:
            of_task = files_by_task.setdefault(gather.task_of(file), {})
            of_task[file.resolve()] = file
        if not files:
            run = read_run(path)
            by_folder[run["folder"].resolve()] = run
    names = [folder.name for folder in by_folder]
    runs = list(by_folder.values())
    for of_task in files_by_task.values():
        files = list(of_task.values())
        names.append("+".join(unique(file.stem for file in files)))
        runs.append(read_cells(files))
    by_task = {}
    for name, run in zip(names, runs):
        run["label"] = name if names.count(name) == 1 else str(run["folder"])
        task = (run["task"], run["identity"].get("task"))
        by_task.setdefault(task, []).append(run)
    return list(by_task.values())


def paper_tables(pooled):
    """The paper's three tables, if all tasks are of one model: lines."""
    models = {str(results["identity"].get("model")) for results in pooled}
    if len(models) > 1:
        return ["Left out: these runs are of several models."]
    return fence(three_tables(pooled).strip())


@dataclass
class Comparison:
    """Pooled runs of one task, and what several parts of the report need of them."""
    results: dict                # in the shape of results.json, as `pool` returns it
    base: list                   # the base model's cells, one a seed
    groups: dict                 # {(method, rate): its cells, one a seed}, without base
    rates: dict                  # {method: the rate that validation chose}
    names: list                  # benchmarks of the table: multiple choice, other tasks
    skills: list                 # small skills of the bundled model
    choice: list                 # benchmarks of multiple choice, over which the mean drop is taken
    gain: dict                   # {(method, rate): (mean, low, high) of task accuracy over base}
    lost: dict                   # {(method, rate): (mean, low, high) of the mean drop, or None}
    head: dict                   # {(method, rate): [method, rate] as a table shows them}
    ragged: bool                 # do some groups lack seeds?


def comparison(results):
    """Pooled runs -> Comparison."""
    groups = {}
    for cell in results["cells"]:
        groups.setdefault((cell["method"], cell["lr"]), []).append(cell)
    base = groups.pop(("base", None))
    rates = chosen_rates(results)
    choice = choices(base[0])
    seeds = results["settings"]["seeds"]
    ragged = any(len(group) < len(seeds) for group in groups.values())
    gain = {}
    lost = {}
    head = {}
    methods = [method for method, _ in groups]
    for (method, lr), group in groups.items():
        key = (method, lr)
        gain[key] = difference(group, base)
        lost[key] = difference(base, group, choice)
        rate = f"{lr:g}"
        if rates[method] == lr and methods.count(method) > 1:
            rate += ", chosen"
        if ragged:
            rate += f", {len(group)} {plural('seed', len(group))}"
        head[key] = [md(shown(method)), rate]
    return Comparison(
        results, base, groups, rates, columns(base[0]), skill_names(base[0]), choice, gain, lost,
        head, ragged,
    )


def section(results, folder, prefix):
    """All about one task: lines of Markdown. Its pictures are written into folder/prefix*."""
    c = comparison(results)
    lines = heading(c)
    lines += ["", "### Gain and drop", "", *gain_and_drop(c)]
    lines += about_rates(c)
    lines += about_judges(results["runs"])
    lines += s3ft_against_sft(c)
    title = "Each benchmark: accuracy in %, and the points lost."
    lines += each_benchmark(c, c.names, title)
    title = ("Each skill: % of prompts answered exactly, and the points lost "
             "(outside the mean drop).")
    lines += each_benchmark(c, c.skills, title)
    if c.names:
        lines.append("")
        lines += [f"- {md(line)}" for line in about_benchmarks(results, c.base)]
    if c.names and c.groups:
        lines += ["", "### Effect against chance", "", *against_chance(c)]
    tested = tests(results)
    if tested:
        lines += [
            "", "### Four tests in fixed order",
            "", "At 5 %, each only if all before it are shown; paired by seed, each method at its "
            "own rate.", "",
        ]
        lines += [f"- {line}" for line in tested]

    lines += ["", "### Task against forgetting", "", *frontier(c, folder, f"{prefix}frontier")]
    title = "### What the base model finds likely (Figure 2 of the paper)"
    lines += ["", title, "", *likelihoods(results["runs"], folder, f"{prefix}logprobs")]
    lines += ["", "### KL and forgetting", "", *kl_and_forgetting(c, folder, f"{prefix}kl")]
    if c.groups:
        lines += ["", "### Targets and training", "", *targets_and_training(c)]
    lines += ["", *learning_curves(c, folder, f"{prefix}curves")]
    if c.groups:
        seed = results["settings"]["seeds"][0]
        several_rates = len(c.groups) > len(c.rates)
        which = ", at the chosen rate" if several_rates else ""
        lines += ["", f"### Items that changed (seed {seed}{which})", "", *changes(c, seed)]
    return lines


# ---------------------------------------------------------------- tables of the report

def percent(score):
    """(0.61, 0.58, 0.64) -> 61.0 [58.0, 64.0]; None -> -"""
    if not score:
        return "-"
    mean, low, high = score
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def by_run(runs, lines_of):
    """Lines on each run, with its name where there are several. lines_of: a list of lines a run."""
    lines = []
    for run, about in zip(runs, lines_of):
        label = f"{md(run['label'])}: " if len(runs) > 1 else ""
        for line in about:
            lines += ["", label + md(line)]
    return lines


def heading(c):
    """What was compared, on what, and what differs."""
    results = c.results
    seeds = results["settings"]["seeds"]
    labels = ", ".join(run["label"] for run in results["runs"])
    each = "each " if len(seeds) > 1 else ""
    items = [f"{each}{len(c.base[0]['test']['right'])} test items"]
    for name in c.names + c.skills:
        row = measured(c.base[0], name)
        if row:
            items.append(f"{len(row['right'])} of {md(name)}")
    lines = [
        f"## {md(results['task'])} on {md(results['model'])}", "",
        f"{md(labels)}: {listed('seed', seeds)}; {', '.join(items)}.",
    ]
    remarks = results["said"] + results["notes"]
    if remarks:
        lines.append("")
        lines += [f"- {md(remark)}" for remark in remarks]
    return lines


def gain_and_drop(c):
    """The report's first table, and what its figures are."""
    task = md(c.results["task"])
    rows = [
        ["method", "rate", f"{task}, %", "gain, points", "mean drop, points", "KL"],
        ["base", "-", percent(scored(c.base)), "-", "-", "-"],
    ]
    for key, group in c.groups.items():
        gain = points(c.gain[key], "")
        lost = points(c.lost[key], "")
        rows.append([*c.head[key], percent(scored(group)), gain, lost, mean_kl(group)])
    over = ", ".join(md(name) for name in c.choice)
    if not over:
        over = "no benchmark of multiple choice, as none was measured"
    settings = c.results["settings"]
    few = len(settings["seeds"]) < 3
    kind = ", Wilson for a figure; for a difference" if few else ":"
    interval = how(c.base, settings.get("new_items"))
    text = (f"Gain: over base. Mean drop: lost over {over}. KL(base || tuned): nats per token. "
            f"Brackets: 95 % intervals{kind} {interval}.")
    if c.ragged:
        text += " Rows of fewer seeds: over those; below three, over items."
    return [*grid(rows), "", text]


def about_rates(c):
    """How each method did on validation at each rate, where there are several."""
    parts = []
    for method, (accuracy, error) in on_validation(c.results).items():
        if error is None:
            continue
        scores = ", ".join(f"{lr:g}: {100 * score:.1f}" for lr, score in accuracy.items())
        parts.append(f"{md(shown(method))} {scores} (one standard error: {100 * error:.1f})")
    if not parts:
        return []
    return ["", "Rates are chosen on validation, the smallest within one standard error of the "
            f"method's best; accuracy there, %: {'; '.join(parts)}."]


def about_judges(runs):
    """How often each run's judge was wrong, where the truth is known."""
    lines_of = []
    for run in runs:
        line = about_judge(run.get("judge_errors") or {})
        lines_of.append([line] if line else [])
    return by_run(runs, lines_of)


def s3ft_against_sft(c):
    """Their paired differences, each at its own rate, and what they show."""
    lines = []
    for s3ft in [method for method in c.rates if method.partition(" ")[0] == "s3ft"]:
        for sft in [method for method in c.rates if method.partition(" ")[0] == "sft"]:
            a, b = paired(c.groups[s3ft, c.rates[s3ft]], c.groups[sft, c.rates[sft]])
            if not a:
                continue
            gain = difference(a, b)
            kept = difference(a, b, c.choice)
            lost = difference(b, a, c.choice)
            text = f"{md(shown(s3ft))} - {md(shown(sft))}, task: {points(gain)}; "
            if lost:
                text += f"mean drop: {points(lost)} (below 0: S3FT forgets less). "
            lines += ["", f"{text}So here S3FT {verdict(gain, kept)}."]
    return lines


def each_benchmark(c, names, title):
    """A table with a column for each of some benchmarks; nothing where there are none."""
    if not names:
        return []
    rows = [["method", "rate", *(md(name) for name in names)]]
    rows.append(["base", "-", *(percent(scored(c.base, name)) for name in names)])
    for key, group in c.groups.items():
        row = list(c.head[key])
        for name in names:
            score = scored(group, name)
            if score:
                lost = points(difference(c.base, group, [name]), "")
                row.append(f"{100 * score[0]:.1f}, drop {lost}")
            else:
                row.append("-")
        rows.append(row)
    return ["", title, "", *grid(rows)]


def against_chance(c):
    """Of what base has above chance, the share that every method lost.

    It is taken where base is shown to lie above chance: its interval does.
    """
    lines = ["Of base's points above chance the share that is lost, in % (below 0: gained); "
             "the interval takes base's score as given."]
    above_chance = {}                        # {name: base's share right above chance}
    for name in c.names:
        rows = [measured(cell, name) for cell in c.base]
        if not all(rows):
            continue
        right = np.concatenate(item_sets(rows))
        chance = rows[0]["chance"]
        low, high = wilson(right.sum(), len(right))
        if low > chance:
            above_chance[name] = right.mean() - chance
        else:
            where = "is below" if high < chance else "cannot be told from"
            score = f"{100 * right.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
            lines.append(f"{md(name)}: base's {score} {where} chance, {100 * chance:.1f} %, "
                         "so there is no share to lose.")
    table = [["method", "rate", *(md(name) for name in c.names)]]
    for key, group in c.groups.items():
        row = list(c.head[key])
        for name in c.names:
            lost = difference(c.base, group, [name])
            if lost and name in above_chance:
                row.append(points([value / above_chance[name] for value in lost], ""))
            else:
                row.append("-")
        table.append(row)
    return [*lines, "", *grid(table)]


def targets_and_training(c):
    """Where the targets came from, and what training took."""
    rows = [[
        "method", "rate", "own/para/gold %", "target tokens", "test answers cut off, %", "minutes",
    ]]
    for key, group in c.groups.items():
        tokens = np.mean([cell.get("target_tokens") or 0 for cell in group])
        cut_off = np.mean([cell["test"]["cut_off"] for cell in group])
        minutes = np.mean([cell["times"]["minutes"] for cell in group])
        numbers = [f"{tokens:,.0f}", f"{100 * cut_off:.1f}", f"{minutes:.1f}"]
        rows.append([*c.head[key], target_shares(group), *numbers])
    lines = grid(rows)
    lines += ["", "Tokens of the targets, seen once each epoch, and minutes (attempts, training, "
              "measuring): of one model, mean over seeds."]
    runs = c.results["runs"]
    return lines + by_run(runs, [about_attempts(run) for run in runs])


# ---------------------------------------------------------------- figures of the report

def in_percent(interval):
    return [100 * value for value in interval]


def frontier(c, folder, name):
    """Accuracy on the task against the mean drop."""
    spots = []
    for (method, lr), group in c.groups.items():
        lost = c.lost[method, lr]
        if lost:
            spots.append({
                "method": method, "name": shown(method), "rate": f"{lr:g}",
                "chosen": c.rates[method] == lr,
                "x": in_percent(lost), "y": in_percent(scored(group)),
            })
    if not spots:
        return ["No tuned model was measured on every multiple-choice benchmark, so there is "
                "nothing to draw."]
    caption = ("Accuracy on the task against the mean drop, with 95 % intervals; up and to the "
               "left is better")
    if not figures.available():
        return [f"{caption}. Not drawn; the numbers stand under Gain and drop."]
    base = in_percent(scored(c.base))
    figure = figures.frontier(spots, base, clean(c.results["task"]))
    return picture(figure, folder, name, caption)


def log_probabilities(run):
    """(items, 3, 2) sum and tokens of the own answer, the paraphrase and the gold of an item.

    They are of the training items that have all three. And a note on which items these are.
    """
    kept = run.get("logprobs") or {}
    rows = []
    for item in kept.get("items", []):
        pairs = [item.get(source) or [0, 0] for source in figures.SOURCES]
        if all(tokens for _, tokens in pairs):
            rows.append(pairs)
    return np.array(rows, dtype=float).reshape(-1, 3, 2), str(kept.get("note") or "")


def likelihoods(runs, folder, name):
    """Figure 2 of arXiv 2502.08130: log-probabilities of own answers, paraphrases and golds."""
    for run in runs:                         # all are of one model: the first run that has them
        rows, note = log_probabilities(run)
        if len(rows) > 0:
            return three_sources(rows, note, folder, name)
    text = f"No training item has all three texts with their log-probabilities. {md(note)}"
    return [text.rstrip()]


def three_sources(rows, note, folder, name):
    """The same, of one run's `log_probabilities`."""
    total = {}                               # {source: (items,) log-probability}
    per_token = {}
    means = []
    for i, source in enumerate(figures.SOURCES):
        total[source] = rows[:, i, 0]
        per_token[source] = rows[:, i, 0] / rows[:, i, 1]
        mean = per_token[source].mean()
        means.append(f"{source} {total[source].mean():.1f}, per token {mean:.2f}, "
                     f"so perplexity {math.exp(-mean):.2f}")
    caption = (f"Log-probabilities under the base model, {len(rows)} training items "
               f"({md(note) or 'of seed 0'})")
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
    dots = []
    for (method, _), group in c.groups.items():
        for cell, base in zip(*paired(group, c.base)):
            lost = drop(cell, base)
            if cell.get("kl") is not None and lost is not None:
                dots.append((method, shown(method), cell["kl"], 100 * lost))
    if not dots:
        return ["No trained model has both figures."]
    caption = "Mean drop against KL(base || tuned), one point a trained model"
    if not figures.available():
        return [f"{caption}. Not drawn; the means over seeds stand under Gain and drop."]
    return picture(figures.kl(dots), folder, name, caption)


def learning_curves(c, folder, name):
    """Training loss by step, a curve a method."""
    curves = []
    for method, lr in c.rates.items():
        curve = mean_curve(c.groups[method, lr])
        if curve:
            steps, losses = curve
            curves.append((method, f"{shown(method)}, rate {lr:g}", steps, losses))
    if not curves:
        return ["results.json holds no training curve."]
    caption = ("Loss by step, the mean over seeds at each method's chosen rate, lightly smoothed. "
               "Every method has targets of its own, so a lower curve means likelier targets, "
               "not a better model")
    if figures.available():
        return picture(figures.curves(curves), folder, name, caption)
    lines = ["Loss at the start and at the end, the mean over seeds at each method's chosen rate. "
             "Every method has targets of its own, so a lower loss means likelier targets, not a "
             "better model.", ""]
    for _, title, _, losses in curves:
        lines.append(f"- {md(title)}: {losses[0]:.3f} -> {losses[-1]:.3f}")
    return lines


def mean_curve(group):
    """(steps, losses): the mean of a group's curves, at the steps of the shortest.

    None where a cell has no curve.
    """
    curves = []                              # (points, 2) each: step, loss
    for cell in group:
        curves.append(np.array(cell.get("curve") or [], dtype=float))
    if not all(len(curve) for curve in curves):
        return None
    shortest = min(curves, key=lambda curve: curve[-1, 0])
    steps = shortest[:, 0]
    losses = [np.interp(steps, curve[:, 0], curve[:, 1]) for curve in curves]
    return steps.tolist(), np.mean(losses, axis=0).tolist()


# ---------------------------------------------------------------- items that changed

MOST = 3                         # examples of a kind


def changes(c, seed):
    """How many items went from right to wrong and back, with examples.

    Of one seed: each method's cell at its chosen rate against the base model's.
    """
    base = c.base[0]
    tuned = []                               # of this seed, each method at its chosen rate
    for method, lr in c.rates.items():
        tuned += [cell for cell in c.groups[method, lr] if cell["seed"] == seed]
    names = ["test", *base["benchmarks"]]
    rows = [["method", "set", "items", "right to wrong", "wrong to right", "p"]]
    worse = {}                               # {(method, set): places of items, right to wrong}
    better = {}
    for cell in tuned:
        for name in names:
            set_name = c.results["task"] if name == "test" else name
            row = [md(shown(cell["method"])), md(set_name)]
            before = measured(base, name)
            after = measured(cell, name)
            if not before or not after:
                rows.append(row + ["-"] * 4)
                continue
            was_right = flags(before["right"]) > 0.5
            is_right = flags(after["right"]) > 0.5
            key = (cell["method"], name)
            worse[key] = np.flatnonzero(was_right & ~is_right)
            better[key] = np.flatnonzero(~was_right & is_right)
            numbers = [len(was_right), len(worse[key]), len(better[key])]
            p = mcnemar(len(worse[key]), len(better[key]))
            row += [str(number) for number in numbers]
            rows.append([*row, "<0.001" if p < 0.001 else f"{p:.3f}"])
    lines = grid(rows)
    lines += ["", "p: McNemar's exact test, how often chance alone would split the changed items "
              "as unevenly. An item with a share as its score counts as right above one half."]

    texts = item_texts(c.results["runs"])
    answers = answer_texts(base, tuned)
    both_ways = ((worse, "right before, wrong now"), (better, "wrong before, right now"))
    examples = []
    for cell in tuned:
        for some, what in ((["test"], "the task"), (names[1:], "benchmarks")):
            for moved, way in both_ways:
                blocks = []
                for name, i in first_of_each(moved, cell["method"], some):
                    block = example(c.results, name, i, base, cell, texts, answers)
                    if block:
                        blocks += ["", *fence(block)]
                if blocks:
                    examples += ["", f"#### {md(shown(cell['method']))}, {what}: {way}", *blocks]
    any_moved = any(len(places) for places in [*worse.values(), *better.values()])
    if any_moved and not examples:
        examples = ["", "The items' texts are not there (items.jsonl beside results.json), so no "
                    "examples are shown."]
    return lines + examples


def mcnemar(worse, better):
    """p of McNemar's exact test: two numbers of changed items, split by chance alone."""
    n = worse + better
    fewer = min(worse, better)
    ways = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * ways / 2 ** n)


def first_of_each(moved, method, names):
    """(set, place) of MOST items that changed, one of each set in turn.

    moved: {(method, set): places of the items that changed}
    """
    turns = []
    for name in names:
        for turn, i in enumerate(moved.get((method, name), [])[:MOST]):
            turns.append((turn, name, i))
    return [(name, i) for _, name, i in sorted(turns)[:MOST]]


def item_texts(runs):
    """{(set, id): the item's row of items.jsonl}"""
    texts = {}
    for run in runs:
        for row in read_jsonl(run["folder"] / "items.jsonl", ("set", "id", "text", "answer")):
            texts[str(row["set"]), str(row["id"])] = row
    return texts


def answer_texts(base, tuned):
    """{(cell's folder, set, id): a cell's first answer}"""
    texts = {}
    for cell in [base, *tuned]:
        for row in read_jsonl(cell["home"] / "answers.jsonl", ("split", "id", "text")):
            texts.setdefault((cell["home"], str(row["split"]), str(row["id"])), row["text"])
        for name, benchmark in base["benchmarks"].items():
            if benchmark and benchmark.get("kind") in ("task", "skill"):
                for row in read_jsonl(cell["home"] / f"{name}.jsonl", ("id", "text")):
                    texts.setdefault((cell["home"], name, str(row["id"])), row["text"])
    return texts


def example(results, name, i, base, cell, texts, answers):
    """One item with what base and the tuned model made of it; None where its text is not there."""
    ids = results["items"].get(measured(base, name).get("ids"), [])
    if i >= len(ids):
        return None
    item = texts.get((name, ids[i]))
    if not item:
        return None
    models = {"base": base, shown(cell["method"]): cell}
    if isinstance(item.get("options"), list) and item["options"]:
        parts = picked(item, name, i, models)
    else:
        parts = [("question", item["text"]), ("gold", item["answer"])]
        for label, model in models.items():
            text = answers.get((model["home"], name, ids[i]), "(not kept)")
            right = measured(model, name)["right"]
            if not isinstance(right, str):   # several answers to an item
                text += f"\n[the first answer; {100 * right[i]:.0f} % of all are right]"
            parts.append((label, text))
    width = max(8, *(len(label) for label in models))
    parts.insert(0, ("item", f"{name} {ids[i]}"))
    return "\n".join(entry(label, text, width) for label, text in parts)


def picked(item, name, i, models):
    """(label, text) of a multiple-choice item: its options, the right ones, each model's pick."""
    options = item["options"]
    all_options = "\n".join(lettered(options, k) for k in range(len(options)))
    true_options = "\n".join(lettered(options, k) for k in item.get("true") or [item["answer"]])
    parts = [("options", all_options), ("right", true_options)]
    if item["text"]:
        parts.insert(0, ("context", item["text"]))
    for label, model in models.items():
        row = measured(model, name)
        picks = str(row.get("picks") or "").split()
        text = lettered(options, int(picks[i])) if i < len(picks) else lettered(options, None)
        if item.get("true"):
            share = 100 * float(row["right"][i])
            text += f"   ({share:.0f} % of the probability on true answers)"
        parts.append((label, text))
    return parts


def lettered(options, k):
    """0 -> "A  the first option"; "(not kept)" where k is no option."""
    if not isinstance(k, int) or not 0 <= k < len(options):
        return "(not kept)"
    return f"{chr(ord('A') + k)}  {options[k]}"
