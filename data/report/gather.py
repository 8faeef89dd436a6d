"""gather.py - finished cells of one file or several as one run, in the shape of results.json.

data/results/cells.py says what a line of such a file is. Cells that cannot be compared are refused
by name. "remarks" are lines on what is damaged or lacking, and on what differs.
"""
import itertools

from data import UserError, plural
from data.report.rates import chosen_rates
from data.report.text import NAMES, listed, method_title
from data.results.attempts import add_seeds, with_more_attempts
from data.results.cells import different, latest, read


def files_in(path):
    """The files of cells that a path stands for: itself, or those in a folder that is no run's."""
    if path.is_file():
        files = [path] if path.suffix == ".jsonl" else []
    elif (path / "results.json").is_file() or (path / "run.json").is_file():
        files = []
    else:
        files = sorted(path.glob("*.jsonl"))
    return [file for file in files if read(file)[0]]


def task_of(path):
    """What tells the task of a file of cells: names; None where it has no cell."""
    for record in read(path)[0]:
        if "about" in record:
            return record["about"]["task"], record["about"]["identity"].get("task")
    return None


def gather_cells(paths):
    """The cells of one task, in one file or several, as results.json would hold them.

    Methods may have other rates and seeds each. UserError where two cells cannot be compared, or
    where there is no base model's.
    """
    remarks = []
    attempts = {}                    # {seed: its statistics}
    records = {}                     # {name: the cell's record}
    for path in paths:
        lines, damaged = read(path)
        remarks += damaged
        for name, record in latest(lines).items():
            if "attempts" in record:
                seed = int(name.rpartition("-s")[2])
                attempts[seed] = with_more_attempts(attempts.get(seed), record["attempts"])
                continue
            before = records.get(name, record)
            check_pair(before, record)
            if before["cell"] != record["cell"]:
                remarks.append(f"several files have {name}: the last file's is taken")
            records[name] = record
    results = as_results(list(records.values()), ", ".join(str(path) for path in paths))
    seeds = [seed for seed in sorted(attempts) if seed in results["settings"]["seeds"]]
    logprobs = {"items": []}         # of the first seed that has them
    for seed in sorted(attempts, reverse=True):
        if attempts[seed]["logprobs"]["items"]:
            logprobs = attempts[seed]["logprobs"]
    minutes = sum(cell["times"]["minutes"] for cell in results["cells"])
    return results | add_seeds([attempts[seed] for seed in seeds]) | {
        "remarks": remarks + results["remarks"],
        "logprobs": logprobs,
        "times": {"minutes": round(minutes, 2), "tokens_per_second": {}},
    }


def as_results(records, place):
    """Records of cells -> results.json without attempts. place: where they are, for an error."""
    bases = [record for record in records if record["cell"]["method"] == "base"]
    if not bases:
        raise UserError(f"--report {place}: no base model's cell is there (base-s0); "
                        "run one seed with --methods base --results")
    check_comparable(bases + [record for record in records if record not in bases])
    seeds = sorted(record["cell"]["seed"] for record in bases)
    methods = {record["cell"]["method"] for record in records} - {"base"}
    methods = sorted(methods, key=lambda m: (list(NAMES).index(m) if m in NAMES else 9, m))
    order = ["base", *methods]
    used = [record for record in records if record["cell"]["seed"] in seeds]
    used.sort(key=lambda record: (record["cell"]["seed"], order.index(record["cell"]["method"]),
                                  record["cell"]["lr"] or 0))
    cells = [record["cell"] for record in used]
    tuned = [record for record in used if record["cell"]["method"] != "base"]
    rates = sorted({record["cell"]["lr"] for record in tuned})

    remarks = []
    for seed in sorted({record["cell"]["seed"] for record in records} - set(seeds)):
        remarks.append(f"seed {seed} is left out: its base model is not there (base-s{seed})")
    remarks += lacking_seeds(cells, methods, rates, seeds)
    remarks += made_otherwise(used)
    settings = (tuned or used)[0]["about"]["settings"]       # a tuned one tells how they train
    return used[0]["about"] | {
        "format": 2,                 # of results.json
        "cells": cells,
        "settings": settings | {"methods": methods, "lr": rates, "seeds": seeds},
        "items": {},
        "remarks": remarks,
    }


def incompatible(record, other):
    """How a cell differs from one beside which it cannot stand, in words; "" where it can."""
    same_method = record["cell"]["method"] == other["cell"]["method"]
    return different(record["key"], other["key"], sources=same_method)


def check_pair(first, record):
    """UserError where two cells cannot stand side by side."""
    differ = incompatible(record, first)
    if differ:
        raise UserError(f"--report: {record['where']} was made with other {differ} than "
                        f"{first['where']}; take the cells of one kind out")


def check_comparable(records):
    """UserError where some cells cannot stand side by side, or their rates cannot be compared."""
    for first, record in itertools.combinations(records, 2):
        check_pair(first, record)
    for record in records:
        method = record["cell"]["method"]
        if "validation" not in record["cell"] and rates_need_validation(method, records):
            raise UserError(f"--report: {record['where']} was made without validation, on which "
                            f"the rates of {method_title(method)} would be compared; "
                            "take all but one rate out")


def rates_need_validation(method, records):
    """Would several rates of a method be compared although a cell lacks validation?"""
    cells = [record["cell"] for record in records if record["cell"]["method"] == method]
    several = len({cell["lr"] for cell in cells}) > 1
    return several and not all("validation" in cell for cell in cells)


def lacking_seeds(cells, methods, rates, seeds):
    """Lines on the seeds that some methods lack at a rate."""
    there = {(cell["method"], cell["lr"], cell["seed"]) for cell in cells}
    lacking = {}                     # {seeds that lack it: {method: rates}}
    for method, lr in itertools.product(methods, rates):
        without = tuple(seed for seed in seeds if (method, lr, seed) not in there)
        if 0 < len(without) < len(seeds):
            lacking.setdefault(without, {}).setdefault(method, []).append(f"{lr:g}")
    lines = []
    for without, by_method in lacking.items():
        parts = [f"{method_title(method)} at {plural('rate', len(some))} {'/'.join(some)}"
                 for method, some in by_method.items()]
        verb = "lacks" if len(without) == 1 else "lack"
        lines.append(f"{listed('seed', without)} {verb} {', '.join(parts)}")
    return lines


def made_otherwise(records):
    """Lines on cells that were not made with the versions, device, dtypes and code of the first."""
    first = records[0]["made"]
    counts = {}                      # {what is not the first one's: number of cells}
    for record in records:
        parts = ", ".join(part for part in first if record["made"].get(part) != first[part])
        counts[parts] = counts.get(parts, 0) + 1
    return [f"{n} of {len(records)} cells were made with other {parts} than the first"
            for parts, n in counts.items() if parts]


# ---------------------------------------------------------------- all cells of a run's folder

def with_earlier_cells(results, path):
    """A run's results.json, and the cells that earlier commands wrote beside it.

    path: the run's cells.jsonl. Left out, and named in "remarks", are cells with other settings,
    and those that were made with other versions or code than the cells of results.json.
    """
    records, remarks = read(path)
    records = [record for record in records if "cell" in record]
    used = {}                        # {name: record}, first those of results.json
    for record in records:
        if record["cell"] in results["cells"]:
            used[record["name"]] = record
    if len(used) < len(results["cells"]):
        if records:
            remarks.append(f"{path.name} lacks cells of results.json, so those of earlier commands "
                           "are not shown")
        return results | {"remarks": remarks}

    versions = [record["made"] for record in used.values()]
    left_out = {}                    # {why: names}
    for record in reversed(records):             # the latest counts
        why = why_left_out(record, used, versions)
        if why:
            left_out.setdefault(why, set()).add(record["name"])
        else:
            used.setdefault(record["name"], record)
    for why, names in left_out.items():
        verb = "is" if len(names) == 1 else "are"
        remarks.append(f"{len(names)} {plural('cell', len(names))} {why} {verb} left out")
    try:
        merged = as_results(list(used.values()), str(path))
        chosen_rates(merged)
    except UserError as error:       # the run's own cells can be reported without the others
        remarks.append(f"cells of earlier commands are left out ({error})")
        return results | {"remarks": remarks}
    settings = {part: merged["settings"][part] for part in ("methods", "lr", "seeds")}
    return results | {"cells": merged["cells"], "settings": results["settings"] | settings,
                      "remarks": remarks + merged["remarks"]}


def why_left_out(record, used, versions):
    """Why a cell of an earlier command is left out, in words; "" where it is not.

    used: {name: record} of the cells beside which it would stand.
    versions: what the run's own cells were made with.
    """
    for other in used.values():
        differ = incompatible(record, other)
        if differ:
            return f"with other {differ}"
    if record["name"] in used:
        return ""
    if record["made"] not in versions:
        return "made with other versions or code"
    if rates_need_validation(record["cell"]["method"], [record, *used.values()]):
        return "of another rate, without validation to choose one,"
    return ""
