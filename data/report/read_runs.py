"""read_runs.py - what --report is given -> runs, each in the shape of results.json.

A path is a run's folder, a file of cells that --results wrote, or a folder of such files. Added to
results.json are "folder", where it was read; "label", what the report calls the run; and "remarks",
lines on what was left out and on what differs.
"""
import itertools
import json
import re
from pathlib import Path

from data import UserError
from data.report import gather

FORMAT = 2                       # of results.json: the one that can be read
AGAIN = "give the run's command again (finished cells are kept)"

# What the report reads. A results.json that was edited by hand and lacks it is refused in one line.
RESULTS = {"task": str, "model": str, "identity": dict, "settings": dict, "notes": list,
           "benchmark_notes": list, "items": dict, "logprobs": dict, "verdicts": dict,
           "copies": dict, "cells": list}
SETTINGS = {"methods": list, "lr": list, "seeds": list}
CELL = {"method": str, "folder": str, "lr": (float, int, type(None)), "seed": int,
        "kl": (float, int), "test": dict, "benchmarks": dict, "times": dict}


def runs_by_task(paths):
    """Read the runs -> lists of runs of one task each."""
    runs = {}                                # {folder: run}: each once, even if it is named twice
    files_by_task = {}                       # files of cells: those of one task are one run
    for path in map(Path, paths):
        files = gather.files_in(path)        # FOLDER stands for FOLDER/TASK.jsonl of all tasks
        for file in files:
            files_by_task.setdefault(gather.task_of(file), {})[file.resolve()] = file
        if not files:
            run = read_run(path)
            runs[run["folder"].resolve()] = run | {"label": run["folder"].name}
    for task, files in files_by_task.items():
        label = "+".join(dict.fromkeys(file.stem for file in files.values()))
        run = gather.gather_cells(list(files.values()))
        runs[task] = run | {"folder": next(iter(files)).parent, "label": label}
    labels = [run["label"] for run in runs.values()]
    by_task = {}
    for run in runs.values():
        if labels.count(run["label"]) > 1:
            run["label"] = str(run["folder"])
        run["label"] = re.sub(r"[^\w ./+=,-]", "_", run["label"])    # it stands inside Markdown
        by_task.setdefault((run["task"], run["identity"].get("task")), []).append(run)
    return list(by_task.values())


def read_run(path):
    """A run's folder, or its results.json -> results.json and the cells of earlier commands."""
    path = Path(path)
    folder = path.parent if path.name == "results.json" else path
    if not (folder / "results.json").is_file():
        raise UserError(f"--report {path}{why_no_run(path)}")
    try:
        results = json.loads((folder / "results.json").read_bytes())
    except OSError as error:
        raise UserError(f"--report {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        results = None
    version = results.get("format") if isinstance(results, dict) else FORMAT
    if version != FORMAT:
        raise UserError(f"--report {path}: results.json is of another version of this project "
                        f"(format {version}, not {FORMAT}); {AGAIN}")
    if not is_whole(results):
        raise UserError(f"--report {path}: results.json is damaged; {AGAIN}")
    return gather.with_earlier_cells(results, folder / "cells.jsonl") | {"folder": folder}


def why_no_run(path):
    """Why a path without results.json is no run, and what to do."""
    if path.is_file():
        return (" is no results.json and no file of cells; "
                f"name the folder of a run, or of cells: {path.parent}")
    if (path / "run.json").is_file():
        return f": the run is not finished, it has no results.json; {AGAIN}"
    if not path.exists():
        return " does not exist; name a run's folder, the last thing that a run prints"
    inside = {str(file.parent) for file in path.glob("*/results.json")}
    inside |= {str(folder) for folder in path.glob("*") if gather.files_in(folder)}
    example = " ".join(sorted(inside)) or "the last thing that a run prints"
    return f" is no run folder; name one: {example}"


def is_whole(results):
    """Has results.json what the report reads, and all cells that its settings promise?"""
    if not has(results, RESULTS) or not has(results["settings"], SETTINGS):
        return False
    for cell in results["cells"]:
        if not has(cell, CELL):
            return False
        for scores in (cell["test"], *cell["benchmarks"].values()):
            if not (isinstance(scores, dict) and scores.get("right") and "accuracy" in scores):
                return False
    settings = results["settings"]
    promised = set(itertools.product(settings["methods"], settings["lr"], settings["seeds"]))
    promised |= {("base", None, seed) for seed in settings["seeds"]}
    there = {(cell["method"], cell["lr"], cell["seed"]) for cell in results["cells"]}
    return len(promised) > 0 and promised <= there


def has(value, kinds):
    """Is it a dict that has these names, each with a value of its kind?"""
    return isinstance(value, dict) and all(isinstance(value.get(name), kind)
                                           for name, kind in kinds.items())
