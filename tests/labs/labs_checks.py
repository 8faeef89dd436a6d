"""labs_checks.py - do the labs' checks say the right thing? Not collected with the other tests:

    python -m pytest -q tests/labs/labs_checks.py

wrong/ holds wrong solutions as students write them: a function named EXERCISE__MISTAKE, and as its docstring words of
the hint that its author has to get. right/ holds right solutions that are written otherwise than the project's own.
"""
import ast
import functools
import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

LABS = Path(__file__).resolve().parent
PROJECT = LABS.parents[1]
sys.path[:0] = [str(PROJECT), str(LABS)]

import check
import start
import worker
from exercises import EXERCISES
from probes import probes_of

importlib.import_module("s3ft")         # the original of all, as in worker.py, before a file of it is replaced

SEEDS = (1, 2, 3)
NAMED = {exercise.name: exercise for exercise in EXERCISES}


# ---------------------------------------------------------------- asking without a process for each

def solutions(folder):
    """[(exercise, mistake, the function's text, its docstring)] of the files of a folder."""
    found = []
    for path in sorted((LABS / folder).glob("lab*.py")):
        text = start.read(path)
        lines = text.split("\n")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                name, _, mistake = node.name.partition("__")
                exercise = NAMED[name.replace("Batch_", "Batch.")]
                function = "\n".join(lines[node.lineno - 1:node.end_lineno])
                function = function.replace(node.name, exercise.name.rpartition(".")[2], 1)
                found.append((exercise, mistake, function, ast.get_docstring(node)))
    return found


def as_tests(folder):
    return [pytest.param(exercise, text, words, id=f"{exercise.name}-{mistake}")
            for exercise, mistake, text, words in solutions(folder)]


def write_file(folder, exercise, text):
    """The exercise's file with another function in its place, and no change besides."""
    source = start.read(PROJECT / exercise.file)
    node = start.find_function(source, exercise.name, exercise.file)
    lines = source.split("\n")
    new = textwrap.indent(text, " " * node.col_offset)
    path = folder / Path(exercise.file).name
    start.write(path, "\n".join([*lines[:node.lineno - 1], new, *lines[node.end_lineno:]]))
    return path


def verdict_on(exercise, path, seed):
    """What check.py says of the exercise in this file; no probe is asked after the first that fails."""
    told = check.Told()
    known = original(exercise.name, seed)
    module = worker.load(exercise.file, path)
    try:
        for number, probe in enumerate(probes_of(exercise)):
            line = worker.ask_probe(exercise, number, probe, module, seed, path)
            check.take([{"event": "asking", "exercise": exercise.name}, as_plain(line)], [exercise], told)
            verdict = check.judge_exercise(exercise, told, known)
            if verdict.passed <= number:
                return verdict
    finally:
        worker.unload(exercise.file)
    return verdict


def as_plain(line):
    return json.loads(json.dumps(line))


@functools.cache
def original(name, seed):
    """What the project's own function says -> check.Told."""
    told = check.Told()
    exercise = NAMED[name]
    path = PROJECT / exercise.file
    module = worker.load(exercise.file, path)
    try:
        for number, probe in enumerate(probes_of(exercise)):
            line = worker.ask_probe(exercise, number, probe, module, seed, path)
            check.take([as_plain(line)], [exercise], told)
    finally:
        worker.unload(exercise.file)
    return told


# ---------------------------------------------------------------- right and wrong solutions

@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_projects_own_function_passes(exercise):
    for seed in SEEDS:
        verdict = verdict_on(exercise, PROJECT / exercise.file, seed)
        assert verdict.ok and verdict.passed == verdict.probes, f"seed {seed}: {verdict.message}"


@pytest.mark.parametrize("exercise, text, words", as_tests("wrong"))
def test_a_wrong_solution_gets_the_hint_that_names_its_mistake(tmp_path, exercise, text, words):
    path = write_file(tmp_path, exercise, text)
    for seed in SEEDS:
        verdict = verdict_on(exercise, path, seed)
        assert words in " ".join(verdict.message.split()), f"seed {seed}: {verdict.message or 'it passes'}"


@pytest.mark.parametrize("exercise, text, words", as_tests("right"))
def test_a_right_solution_that_is_written_otherwise_passes(tmp_path, exercise, text, words):
    path = write_file(tmp_path, exercise, text)
    for seed in SEEDS:
        verdict = verdict_on(exercise, path, seed)
        assert verdict.ok, f"seed {seed}: {verdict.message}"
