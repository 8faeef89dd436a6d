"""read_runs.py - what --report is given -> runs, each in the shape of results.json.

A path is a run's folder, a file of cells that --results wrote, or a folder of such files, or of
files that a class handed in (--lab --name; hand_ins.py). Added to results.json are "folder", where
it was read; "label", what the report calls the run; and "remarks", lines on what was left out and
on what differs.
"""
import json
import re
from pathlib import Path

from data import UserError
from data.report import gather, hand_ins

FORMAT = 2                       # of results.json: the one that can be read
AGAIN = "give the run's command again (finished cells are kept)"


def runs_by_task(paths):
    """Read the runs -> lists of runs of one task each."""
    runs = {}                                # {folder: run}: each once, even if it is named twice
    files_by_task = {}                       # files of cells: those of one task are one run
    of_class, others = hand_ins.split(map(Path, paths))
    for path in others:
        files = files_of_cells(path)         # FOLDER stands for FOLDER/TASK.jsonl of all tasks
        for file, task in files.items():
            files_by_task.setdefault(task, {})[file.resolve()] = file
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
        by_task.setdefault((run["task"], run["identity"]["task"]), []).append(run)
    if of_class:
        by_task["a class"] = hand_ins.read_class(of_class)
    return list(by_task.values())


def files_of_cells(path):
    """{file: its task} of a path: of itself, or of the files in a folder that is no run's."""
    files = [path]
    if path.is_dir():
        is_run = (path / "results.json").is_file() or (path / "run.json").is_file()
        files = [] if is_run else sorted(path.glob("*.jsonl"))
    tasks = {file: gather.task_of(file) for file in files}
    return {file: task for file, task in tasks.items() if task is not None}


def read_run(path):
    """A run's folder, or its results.json -> results.json and the cells of earlier commands."""
    folder = path.parent if path.name == "results.json" else path
    if not (folder / "results.json").is_file():
        raise UserError(f"--report {path}{why_no_run(path)}")
    results = json.loads((folder / "results.json").read_bytes())
    version = results.get("format")
    if version != FORMAT:
        raise UserError(f"--report {path}: results.json is of another version of this project "
                        f"(format {version}, not {FORMAT}); {AGAIN}")
    return gather.with_earlier_cells(results, folder / "cells.jsonl") | {"folder": folder}


def why_no_run(path):
    """Why a path without results.json is no run, and what to do."""
    if (path / "run.json").is_file():
        return f": the run is not finished, it has no results.json; {AGAIN}"
    if not path.exists():
        return " does not exist; name a run's folder, the last thing that a run prints"
    inside = [str(folder) for folder in sorted(path.glob("*"))
              if (folder / "results.json").is_file() or files_of_cells(folder)]
    example = " ".join(inside) or "the last thing that a run prints"
    return f" is no run's folder and no file of cells; name one: {example}"
