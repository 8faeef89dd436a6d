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


def verdicts_on(exercise, path, seeds=SEEDS):
    """What check.py says of the exercise in this file, for each seed."""
    known = [original(exercise.name, seed) for seed in seeds]
    module = worker.load(exercise.file, path)
    try:
        return [verdict_of(exercise, module, path, seed, its_known) for seed, its_known in zip(seeds, known)]
    finally:
        worker.unload(exercise.file)


def message_on(exercise, path):
    return verdicts_on(exercise, path, seeds=[1])[0].message


def verdict_of(exercise, module, path, seed, known):
    """The verdict on a module that is loaded; no probe is asked after the first that fails."""
    told = check.Told()
    for number, probe in enumerate(probes_of(exercise)):
        line = worker.ask_probe(exercise, number, probe, module, seed, path)
        check.take([{"event": "asking", "exercise": exercise.name}, as_plain(line)], [exercise], told)
        verdict = check.judge_exercise(exercise, told, known)
        if verdict.passed <= number:
            break
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
        told = original(exercise.name, seed)
        verdict = check.judge_exercise(exercise, told, told)
        assert verdict.ok and verdict.passed == verdict.probes, f"seed {seed}: {verdict.message}"


@pytest.mark.parametrize("exercise, text, words", as_tests("wrong"))
def test_a_wrong_solution_gets_the_hint_that_names_its_mistake(tmp_path, exercise, text, words):
    path = write_file(tmp_path, exercise, text)
    for seed, verdict in zip(SEEDS, verdicts_on(exercise, path)):
        assert words in " ".join(verdict.message.split()), f"seed {seed}: {verdict.message or 'it passes'}"


@pytest.mark.parametrize("exercise, text, words", as_tests("right"))
def test_a_right_solution_that_is_written_otherwise_passes(tmp_path, exercise, text, words):
    path = write_file(tmp_path, exercise, text)
    for seed, verdict in zip(SEEDS, verdicts_on(exercise, path)):
        assert verdict.ok, f"seed {seed}: {verdict.message}"


ROWS = [                # (exercise, what stands in mine.py, what stands there instead, words of the hint)
    ("mine", "choice=mine,", "choice=mine, loss=mine,", "it changes choice, loss; change exactly one of"),
    ("mine", "choice=mine,", "loss=None,", "it changes none; change exactly one of"),
    ("mine", '"mine": Method', '"my_rule": Method', 'METHODS has no row "mine"'),
    ("mine_random", '"mine": Method', '"my_rule": Method', 'METHODS has no row "mine"'),
    ("mine_random", '"mine_random": Method', '"blind": Method', 'METHODS has no row "mine_random"'),
    ("mine_random", "choice=mine_random, samples=4", "choice=mine_random, samples=8",
     "they differ in samples: mine 4, mine_random 8"),
    ("mine_random", " " * 26 + "temperature=0.7", "temperature=1.0",
     "they differ in temperature: mine 0.7, mine_random 1.0"),
]


@pytest.mark.parametrize("name, before, after, words", ROWS)
def test_a_wrong_row_gets_the_hint_that_names_its_mistake(tmp_path, name, before, after, words):
    source = start.read(PROJECT / NAMED[name].file)
    assert source.count(before) == 1
    path = tmp_path / "mine.py"
    start.write(path, source.replace(before, after))
    assert words in message_on(NAMED[name], path)


# ---------------------------------------------------------------- what a student's code may do besides

def test_an_error_is_shown_from_the_students_own_last_line_on(tmp_path):
    helper = "def per_token(logprobs):\n    return len(logprobs) / 0"
    call = "def surprise(logprobs):\n    return per_token(logprobs)"
    path = write_file(tmp_path, NAMED["surprise"], f"{helper}\n\n\n{call}")
    line = start.read(path).split("\n").index("    return len(logprobs) / 0") + 1
    assert message_on(NAMED["surprise"], path).split("\n") == [
        f"line {line}, in per_token: ZeroDivisionError: division by zero",
        "    return len(logprobs) / 0",
        f"(where this has to hold: {probes_of(NAMED['surprise'])[0].holds})"]


def test_an_error_inside_torch_is_shown_at_the_students_line(tmp_path):
    text = "def kl(base_logits, tuned_logits):\n    return (base_logits @ tuned_logits).item()"
    path = write_file(tmp_path, NAMED["kl"], text)
    first, code, _ = message_on(NAMED["kl"], path).split("\n")
    assert ", in kl: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in first
    assert code == "    return (base_logits @ tuned_logits).item()"


HOSTILE = {                             # exercise: (what stands in its place, words of the first line said of it)
    "trained_on": ("def trained_on(own, paraphrase):\n    sys.exit(0)", "NameError: name 'sys' is not defined"),
    "tokens_in_loss": ("def tokens_in_loss(target):\n    raise SystemExit('bye')", "SystemExit: bye"),
    "surprise": ("def surprise(logprobs):\n    return surprise(logprobs)", "RecursionError: maximum recursion depth"),
    "final_number": ("def final_number(text)\n    return 3", "judge.py, line {line} does not parse: expected ':'"),
    "choose_targets": ("def choose_targets(*arguments):\n    import time\n    while True:\n        time.sleep(1)",
                       "does not end within 6 seconds"),
    "make_target": ("def make_target(*arguments):\n    while True:\n        print('a' * 1000)", "prints without end"),
    "in_one_row": ("def in_one_row(*arguments):\n    import os\n    os._exit(0)", "ends Python"),
    "cross_entropy": ("def cross_entropy(*arguments):\n    some = []\n    while True:\n"
                      "        some.append(bytes(10**8))", "MemoryError"),
    "pick": ("import os\nos._exit(0)", "ends Python"),
}
UNHARMED = ("kl", "drop", "learning_rate", "mine", "mine_random")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux alone")
def test_hostile_code_costs_one_line_and_no_other_exercise(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "EACH_ANSWER", 6)
    folder = tmp_path / "copy"
    start.write_copy(folder, [])
    lines = {}
    for name, (text, _) in HOSTILE.items():
        file = folder / NAMED[name].file
        source = start.read(file)
        node = start.find_function(source, name, str(file))
        all_lines = source.split("\n")
        start.write(file, "\n".join([*all_lines[:node.lineno - 1], text, *all_lines[node.end_lineno:]]))
        lines[name] = node.lineno
    names = (*HOSTILE, "number", "Batch.decode", *UNHARMED)
    asked = [exercise for exercise in EXERCISES if exercise.name in names]
    known = check.Told()
    for exercise in asked:
        known.values |= original(exercise.name, 1).values
    said = {verdict.exercise.name: verdict.message for verdict in check.check(folder, asked, 1, PROJECT, known)}
    for name, (_, words) in HOSTILE.items():
        assert words.format(line=lines[name]) in said[name].split("\n")[0], name
        assert len(said[name]) < 500 and len(said[name].split("\n")) <= 3, name
    assert said["number"] == said["final_number"] and said["Batch.decode"] == "ends Python"     # of the same files
    assert [said[name] for name in UNHARMED] == [""] * len(UNHARMED)


# ---------------------------------------------------------------- start.py and check.py

@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """A student's copy with all functions blank, to be read only."""
    folder = tmp_path_factory.mktemp("labs") / "copy"
    start.write_copy(folder, list(start.LABS))
    return folder


def run(program, monkeypatch, capsys, *arguments):
    """-> (exit code, what is printed, what is said on stderr)."""
    monkeypatch.setattr(sys, "argv", [program.__file__, *map(str, arguments)])
    code = program.main()
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def blank_functions(folder):
    names = []
    for exercise in EXERCISES:
        source = start.read(folder / exercise.file)
        node = start.find_function(source, exercise.name, exercise.file)
        if "raise NotImplementedError" in ast.get_source_segment(source, node):
            names.append(exercise.name)
    return names


def changed_files(folder):
    files = sorted({exercise.file for exercise in EXERCISES})
    return [file for file in files if start.read(folder / file) != start.read(PROJECT / file)]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_blank_function_is_said_to_be_not_written_yet(blank, exercise):
    assert message_on(exercise, blank / exercise.file) == "is not written yet"


def test_a_blank_function_does_not_fail_those_that_call_it(tmp_path):
    source = start.read(PROJECT / "model.py")
    path = tmp_path / "model.py"
    start.write(path, start.blanked(source, NAMED["pick"]))
    assert message_on(NAMED["pick"], path) == "is not written yet"
    assert message_on(NAMED["generate_plain"], path) == ""
    assert message_on(NAMED["Batch.decode"], path) == ""


def test_a_control_needs_the_rule_that_it_belongs_to(tmp_path):
    source = start.read(PROJECT / "data" / "methods" / "mine.py")
    path = tmp_path / "mine.py"
    start.write(path, start.blanked(source, NAMED["mine"]))
    assert message_on(NAMED["mine_random"], path) == "needs mine, which is not written yet"


def test_a_copy_holds_no_solutions_but_packed(blank):
    names = {path.name for path in (blank / "tests" / "labs").iterdir()}
    assert {"check.py", "worker.py", "exercises.py", "worksheet.py", "original.zip"} <= names
    assert not names & {"labs_checks.py", "wrong", "right"}


def test_solution_puts_the_original_functions_back(blank, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "copy"
    assert run(start, monkeypatch, capsys, folder, "--lab", 5)[0] == 0
    assert blank_functions(folder) == ["cross_entropy", "learning_rate", "kl", "drop"]
    assert run(start, monkeypatch, capsys, folder, "--solution", "kl")[1].endswith("kl is back\n")
    assert blank_functions(folder) == ["cross_entropy", "learning_rate", "drop"]
    assert run(start, monkeypatch, capsys, folder, "--solution", 5)[0] == 0
    assert changed_files(folder) == []

    for exercise in EXERCISES:                          # and of all labs
        start.write(folder / exercise.file, start.read(blank / exercise.file))
    assert len(blank_functions(folder)) == len(EXERCISES)
    for lab in start.LABS:
        start.solve(folder, str(lab))
    assert changed_files(folder) == []


def test_check_in_a_copy_asks_the_original_that_is_packed_in_it(blank):
    result = subprocess.run([sys.executable, blank / "tests" / "labs" / "check.py", "1", "--seed", "7"],
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout.count("is not written yet") == 3
    assert result.stdout.endswith("0 of 3 functions pass (random inputs: --seed 7)\n"), result.stderr


def refused_in(folder):
    """[(arguments of start.py, words of the line)]"""
    return [((folder,), "exists and is not empty; name a new folder"),
            ((folder / "judge.py",), "exists and is not empty"),
            ((PROJECT / "copy",), "lies inside the project; name a folder outside"),
            ((folder / "new", "--lab", 7), "there is no lab 7; known: 1 to 6"),
            ((folder / "new", "--solution", 1), "is no student's copy"),
            ((folder, "--solution", 7), "no lab and no function of one"),
            ((folder, "--solution", "kl2"), "no lab and no function of one")]


@pytest.mark.parametrize("number", range(7))
def test_start_refuses_in_one_line(blank, monkeypatch, capsys, number):
    arguments, words = refused_in(blank)[number]
    code, printed, line = run(start, monkeypatch, capsys, *arguments)
    assert (code, printed, line.count("\n")) == (2, "", 1)
    assert line.startswith("start: ") and words in line


def test_start_refuses_to_copy_a_copy(blank, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(start, "PROJECT", blank)
    code, _, line = run(start, monkeypatch, capsys, tmp_path / "another")
    assert (code, line) == (2, "start: this is a student's copy itself; start from the project\n")


@pytest.mark.parametrize("text, words", [("def pick(:", "model.py, line 1 does not parse"),
                                         ("def pack(): pass", "model.py has no function pick any more")])
def test_a_file_that_cannot_be_mended_is_said_in_one_line(blank, tmp_path, monkeypatch, capsys, text, words):
    folder = tmp_path / "copy"
    start.write_copy(folder, [])
    start.write(folder / "model.py", text)
    code, _, line = run(start, monkeypatch, capsys, folder, "--solution", "pick")
    assert code == 2 and line.startswith(f"start: {words}") and line.count("\n") == 1


@pytest.mark.parametrize("labs", [["7"], ["0"], ["x"], ["1", "-1"], ["pick"]])
def test_check_refuses_an_unknown_lab_in_one_line(monkeypatch, capsys, labs):
    monkeypatch.setattr(sys, "argv", ["check.py", "--", *labs])
    assert check.main() == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("check: there is no lab ") and printed.err.count("\n") == 1
