"""gather.py - finished cells of one file or several as one run, in the shape of results.json.

data/results/cells.py says what a line of such a file is. "remarks" are lines on what is damaged or
lacking, and on what differs.
"""
import itertools

from data import UserError, plural
from data.report.rates import chosen_rates
from data.report.text import NAMES, listed, method_title
from data.results.attempts import add_seeds, with_more_attempts
from data.results.cells import different, latest, read


def task_of(file):
    """What tells the task of a file of cells: names; None where it has no cell."""
    for record in read(file)[0]:
        if "cell" in record:
            return record["about"]["task"], record["about"]["identity"]["task"]
    return None


def gather_cells(paths):
    """The cells of one task, in one file or several, as results.json would hold them.

    Methods may have other rates and seeds each. UserError where two cells cannot be compared, or
    where there is no base model's.
    """
    remarks = []
    attempts = {}                    # {seed: its statistics}
    used = {}                        # {name: the cell's record}
    for path in paths:
        records, damaged = read(path)
        remarks += damaged
        for name, record in latest(records).items():
            if "attempts" in record:
                seed = int(name.rpartition("-s")[2])
                attempts[seed] = with_more_attempts(attempts.get(seed), record["attempts"])
                continue
            why = why_apart(record, used)
            if why:
                raise UserError(f"--report: {record['where']} was made {why}; "
                                "take the cells of one kind out")
            if name in used and used[name]["cell"] != record["cell"]:
                remarks.append(f"several files have {name}: the last file's is taken")
            used[name] = record
    if not any(record["cell"]["method"] == "base" for record in used.values()):
        place = ", ".join(str(path) for path in paths)
        raise UserError(f"--report {place}: no base model's cell is there (base-s0); "
                        "run one seed with --methods base --results")
    results = as_results(used)
    seeds = [seed for seed in sorted(attempts) if seed in results["settings"]["seeds"]]
    with_items = [attempts[seed]["logprobs"] for seed in sorted(attempts)
                  if attempts[seed]["logprobs"]["items"]]
    minutes = sum(cell["times"]["minutes"] for cell in results["cells"])
    return results | add_seeds([attempts[seed] for seed in seeds]) | {
        "remarks": remarks + results["remarks"],
        "logprobs": with_items[0] if with_items else {"items": []},
        "times": {"minutes": round(minutes, 2), "tokens_per_second": {}},
    }


def with_earlier_cells(results, path):
    """A run's results.json, and the cells that earlier commands wrote beside it.

    path: the run's cells.jsonl. Left out, and named in "remarks", are cells that cannot be compared
    with those of results.json, or were made with other versions or code.
    """
    records, remarks = read(path)
    used = {}                        # {name: record}, first those of results.json
    for record in records:
        if record["cell"] in results["cells"]:
            used[record["name"]] = record
    if len(used) < len(results["cells"]):        # the file is not there, or a line is damaged
        return results | {"remarks": remarks}

    versions = [without_page(record) for record in used.values()]
    left_out = {}                    # {why: names}
    for record in reversed(records):             # the latest counts
        why = why_apart(record, used)
        if not why and record["name"] not in used and without_page(record) not in versions:
            why = "with other versions or code"
        if why:
            left_out.setdefault(why, set()).add(record["name"])
        else:
            used.setdefault(record["name"], record)
    for why, names in left_out.items():
        remarks.append(f"left out: {len(names)} {plural('cell', len(names))} made {why}")
    merged = as_results(used)
    try:
        chosen_rates(merged)
    except UserError as error:       # the run's own cells can be reported without the others
        remarks.append(f"cells of earlier commands are left out ({error})")
        return results | {"remarks": remarks}
    settings = {part: merged["settings"][part] for part in ("methods", "lr", "seeds")}
    return results | {"cells": merged["cells"], "settings": results["settings"] | settings,
                      "remarks": remarks + merged["remarks"]}


def without_page(record):
    """What a cell was made with, but for the page of its row: other rows have other pages."""
    return {part: value for part, value in record["made"].items() if part != "page"}


def why_apart(record, used):
    """Why a cell cannot stand beside others, as what it was made with; "" where it can.

    used: {name: record} of the others.
    """
    method = record["cell"]["method"]
    of_method = [record["cell"]]
    for name, other in used.items():
        same_method = other["cell"]["method"] == method
        differ = different(record["key"], other["key"], same_method)
        if differ:
            return f"with other {differ} than {other['where']}"
        if same_method and name != record["name"]:
            of_method.append(other["cell"])
    several_rates = len({cell["lr"] for cell in of_method}) > 1
    if several_rates and not all("validation" in cell for cell in of_method):
        return f"without validation, on which the rates of {method_title(method)} are compared"
    return ""


def as_results(used):
    """{name: record} of cells that can be compared -> results.json without attempts."""
    records = list(used.values())
    seeds = sorted(r["cell"]["seed"] for r in records if r["cell"]["method"] == "base")
    remarks = [f"left out: seed {seed}, whose base model is not there (base-s{seed})"
               for seed in sorted({record["cell"]["seed"] for record in records} - set(seeds))]
    records = [record for record in records if record["cell"]["seed"] in seeds]
    methods = {record["cell"]["method"] for record in records} - {"base"}
    methods = sorted(methods, key=lambda m: (list(NAMES).index(m) if m in NAMES else 9, m))
    order = ["base", *methods]
    records.sort(key=lambda record: (record["cell"]["seed"], order.index(record["cell"]["method"]),
                                     record["cell"]["lr"] or 0))
    cells = [record["cell"] for record in records]
    tuned = [record for record in records if record["cell"]["method"] != "base"]
    rates = sorted({record["cell"]["lr"] for record in tuned})
    remarks += lacking_seeds(cells, methods, rates, seeds)
    remarks += made_otherwise(records)
    settings = (tuned or records)[0]["about"]["settings"]    # a tuned one tells how they train
    return records[0]["about"] | {
        "cells": cells,
        "settings": settings | {"methods": methods, "lr": rates, "seeds": seeds},
        "items": {},
        "remarks": remarks,
    }


def lacking_seeds(cells, methods, rates, seeds):
    """Lines on the seeds that some methods lack at a rate."""
    there = {(cell["method"], cell["lr"], cell["seed"]) for cell in cells}
    lacking = {}                     # {seeds: what was not measured on them}
    for method, lr in itertools.product(methods, rates):
        without = tuple(seed for seed in seeds if (method, lr, seed) not in there)
        if 0 < len(without) < len(seeds):
            lacking.setdefault(without, []).append(f"{method_title(method)} at rate {lr:g}")
    return [f"not measured on {listed('seed', without)}: {', '.join(cells_without)}"
            for without, cells_without in lacking.items()]


def made_otherwise(records):
    """Lines on cells that were not made with the versions, device, dtypes and code of the first."""
    first = records[0]["made"]
    pages = {}                       # {method: the page of its first cell}
    counts = {}                      # {what is not the first one's: number of cells}
    for record in records:
        its_own = record["made"]
        differ = [part for part in first if part != "page" and its_own.get(part) != first[part]]
        page = its_own.get("page")   # the code of a row's page (data/methods); most have none
        if page != pages.setdefault(record["cell"]["method"], page):
            differ.append("page")
        parts = ", ".join(differ)
        counts[parts] = counts.get(parts, 0) + 1
    return [f"{n} of {len(records)} cells were made with other {parts} than the first"
            for parts, n in counts.items() if parts]
