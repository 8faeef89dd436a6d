"""pool.py - runs of one task as one run, if they can be compared."""
from data import UserError
from data.report.text import listed
from data.results.scores import measured

APART = "they cannot be compared; report them one by one"


def pool(runs):
    """Runs of one task -> one in the shape of results.json.

    Seeds and benchmarks that only some runs have are left out, and "remarks" says so. A method that
    several runs have bears its run's name. UserError where the runs cannot be compared: another
    model, other data, other items, no seed in common.
    """
    first = runs[0]
    seeds = sorted(in_all([run["settings"]["seeds"] for run in runs]))
    names = in_all([run["cells"][0]["benchmarks"] for run in runs])
    if not seeds:
        labels = " and ".join(run["label"] for run in runs)
        raise UserError(f"--report: {labels} have no seed in common; "
                        "run one again with more --seeds")
    methods = [method for run in runs for method in run["settings"]["methods"]]
    order = ["base", *(method.partition(" ")[0] for method in methods)]
    answers_of_base = {cell["seed"]: cell["test"]["right"] for cell in first["cells"]
                       if cell["method"] == "base"}
    measured_on = {}             # {(set, seed): (digest of the items' ids, the first cell's title)}
    remarks = [line for run in runs for line in run["remarks"]]
    items = {}
    cells = []
    for run in runs:
        check_comparable(first, run)
        remarks += differences(first, run, runs, seeds, names)
        items |= run["items"]
        elsewhere = [m for other in runs if other is not run for m in other["settings"]["methods"]]
        for cell in run["cells"]:
            if cell["seed"] not in seeds:
                continue
            check_items(cell, names, run["label"], measured_on)
            method = cell["method"]
            if method == "base" and run is not first:
                if cell["test"]["right"] != answers_of_base[cell["seed"]]:
                    remarks.append(f"base itself scores otherwise in {run['label']} than in "
                                   f"{first['label']}, whose scores are taken")
                continue
            title = f"{method} ({run['label']})" if method in elsewhere else method
            cells.append(cell | {
                "method": title, "home": run["folder"] / cell["folder"],
                "benchmarks": {name: cell["benchmarks"][name] for name in names},
            })
    cells.sort(key=lambda cell: (order.index(cell["method"].partition(" ")[0]), cell["method"],
                                 cell["lr"] or 0, cell["seed"]))
    methods = list(dict.fromkeys(cell["method"] for cell in cells if cell["method"] != "base"))
    notes = [note for note in first["benchmark_notes"] if note.partition(":")[0] in names]
    return first | {
        "cells": cells,
        "runs": runs,
        "remarks": list(dict.fromkeys(remarks)),
        "notes": list(dict.fromkeys(note for run in runs for note in run["notes"])),
        "settings": first["settings"] | {"methods": methods, "seeds": seeds},
        "benchmark_notes": notes,
        "items": items,
    }


def in_all(lists):
    """What all lists have, in the order of the first."""
    return [value for value in lists[0] if all(value in each for each in lists)]


def check_comparable(first, run):
    """UserError where two runs are of two models, or were made from other data files."""
    labels = f"{first['label']} and {run['label']}"
    models = {(each["model"], each["identity"]["model"]) for each in (first, run)}
    if len(models) > 1:
        raise UserError(f"--report: {labels} are of one task but of two models "
                        f"({first['model']}, {run['model']}): {APART}")
    if first["identity"]["data"] != run["identity"]["data"]:
        raise UserError(f"--report: {labels} were made from other data files, "
                        f"so what bears one id may differ: {APART}")


def check_items(cell, names, label, measured_on):
    """UserError where a cell was measured on other items than the first cell of its seed.

    names: of the benchmarks that are compared. measured_on: as in `pool`; this cell is added.
    """
    for name in ("test", *names):
        mine = (measured(cell, name)["ids"], f"{label}/{cell['folder']}")
        first = measured_on.setdefault((name, cell["seed"]), mine)
        if first[0] != mine[0]:
            what = "the test" if name == "test" else f"the benchmark {name}"
            raise UserError(f"--report: {first[1]} and {mine[1]} were measured on other items of "
                            f"{what}: {APART}, or run one again with the other's limits")


def differences(first, run, runs, seeds, names):
    """Lines on what a run lacks, or has and others do not, and on how it differs from the first."""
    lines = []
    of_all = {seed for other in runs for seed in other["settings"]["seeds"]}
    lacking = sorted(of_all - set(run["settings"]["seeds"]))
    if lacking:
        lines.append(f"{run['label']} lacks {listed('seed', lacking)}: "
                     f"compared over {listed('seed', seeds)}")
    for name in run["cells"][0]["benchmarks"]:
        if name not in names:
            lines.append(f"{name} is left out: not every run measured it")
    for name, value in run["settings"].items():
        other = first["settings"].get(name)
        if name not in ("methods", "lr", "seeds") and value != other:
            lines.append(f"settings differ in {name}: {other} in {first['label']}, "
                         f"{value} in {run['label']}")
    return lines
