"""The table of a class (grade.py). The main suite does not collect this file:

    python -m pytest -q tests/labs/labs_grade.py
"""
import ast
import csv
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import check
import grade
import start
from exercises import EXERCISES, WORKSHEET

LABS = ["--lab", "1", "--lab", "2"]          # no lab that loads a model: the test is to be quick


def graded(monkeypatch, *arguments):
    """Run grade.py as a teacher does -> the exit code."""
    monkeypatch.setattr(sys, "argv", ["grade.py", *map(str, arguments)])
    monkeypatch.setattr(check, "STOP", threading.Event())
    return grade.main()


def edit(folder, file, old, new):
    text = start.read(folder / file)
    assert old in text, f"{file} has no {old!r} any more: change this test"
    start.write(folder / file, text.replace(old, new))


def blank(name):
    """The line that stands for the body of a function of the worksheet."""
    lab = next(one.lab for one in EXERCISES if one.name == name)
    return f'raise NotImplementedError("lab {lab}: write {name}")'


@pytest.fixture(scope="module", autouse=True)
def original_asked_once():
    """Every start of Python with torch takes seconds: ask the project's own functions once."""
    ask = check.ask
    known = ask(start.PROJECT, start.PROJECT, grade.of_labs([1, 2]), grade.SEED)

    def asked(original, folder, exercises, seed):
        if folder == original:
            return known
        return ask(original, folder, exercises, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "ask", asked)
        yield


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A class of three, and a folder of notes beside them."""
    folder = tmp_path_factory.mktemp("class")
    for name in ("anna", "ben", "cara"):
        start.write_copy(folder / name, start.LABS)
    (folder / "notes").mkdir()

    # Anna looked at the functions of lab 1 and changed a comment; one she wrote in her own words.
    start.solve(folder / "anna", "1")
    edit(folder / "anna", WORKSHEET, "return -sum(logprobs) / len(logprobs)",
         "return -sum(logprobs) / len(logprobs)       # a mean")
    edit(folder / "anna", WORKSHEET,
         'return sum(weight != 0 for weight in target["weights"][1:])',
         'return len([w for w in target["weights"][1:] if w])')

    # Ben: a sum in place of a mean, and a judge.py that does not parse.
    edit(folder / "ben", WORKSHEET, blank("surprise"), "return -sum(logprobs)")
    edit(folder / "ben", "judge.py", "def final_number(", "def final_number(:")
    return folder


def test_class_table(room, monkeypatch, capsys, tmp_path):
    code = graded(monkeypatch, room, *LABS, "--csv", tmp_path / "class.csv", "--why")
    printed = capsys.readouterr()
    with open(tmp_path / "class.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    names = ["trained_on", "tokens_in_loss", "surprise", "final_number", "number", "fool"]
    before_it_fails = rows[2][3]                # depends on the order of the probes
    assert before_it_fails in ("0", "1", "2")
    assert rows == [["student", *names, "total", "project's own code"],
                    ["anna", "ok=", "ok", "ok=", "-", "-", "-", "3", "2"],
                    ["ben", "-", "-", before_it_fails, "!", "!", "-", "0", "0"],
                    ["cara", "-", "-", "-", "-", "-", "-", "0", "0"]]
    lines = printed.out.split("\n")
    assert "anna     ok= ok  ok= -   -   -   3   2" in [line.rstrip() for line in lines]
    assert any(line.startswith("ben: judge.py, line ") and "does not parse" in line
               for line in lines)
    assert any(line.startswith("ben: surprise, ") for line in lines)
    assert "3 of 3 copies" in printed.out
    assert "notes is no student's copy" in printed.err
    assert code == 1                            # a folder was left out


def test_which_folders_are_copies(room, tmp_path):
    for name in ("emil", "finn"):
        (tmp_path / name / "mylab").mkdir(parents=True)
        (tmp_path / name / "mylab" / "s3ft.py").touch()
    folders = [room, room / "ben", tmp_path, tmp_path / "nowhere"]
    copies, left_out = grade.find_copies(folders)
    assert [copy.name for copy in copies] == ["anna", "ben", "cara", "emil/mylab", "finn/mylab"]
    assert [line.partition(" is ")[0] for line in left_out] == [
        str(room / "notes"), str(tmp_path / "nowhere")]
    named, _ = grade.find_copies([tmp_path / "emil" / "mylab", tmp_path / "finn" / "mylab"])
    assert [copy.name for copy in named] == ["emil/mylab", "finn/mylab"]


def test_blank_copy_starts_no_process(room, monkeypatch, capsys):
    def ask(*arguments):
        raise AssertionError("a blank copy has nothing to ask")
    monkeypatch.setattr(check, "ask", ask)
    assert graded(monkeypatch, room / "cara") == 0
    assert "1 of 1 copies" in capsys.readouterr().out


def test_code_that_hangs_prints_or_is_gone(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "dora"
    start.write_copy(copy, start.LABS)
    start.solve(copy, "trained_on")
    edit(copy, WORKSHEET, blank("tokens_in_loss"), "while True: pass")
    edit(copy, WORKSHEET, blank("surprise"), "while True: print('x' * 10**5)")
    (copy / "judge.py").unlink()
    monkeypatch.setattr(check, "EACH_ANSWER", 2)
    assert graded(monkeypatch, copy, *LABS, "--why") == 0
    printed = capsys.readouterr().out
    assert "dora     ok= 0   0   !   !   -   1   1" in printed
    assert "does not end within 2 seconds" in printed
    assert "prints without end" in printed
    assert "dora: judge.py is missing" in printed


def test_ctrl_c_prints_what_is_graded(room, monkeypatch, capsys, tmp_path):
    class Interrupted:
        """Ctrl-C comes when the first copy is graded."""
        def __init__(self, *arguments):
            pass

        def __call__(self):
            raise KeyboardInterrupt

    def ask(original, folder, exercises, seed):
        if folder.name == "ben":
            time.sleep(1)
        wrong = {} if folder == original else {exercise.name: "wrong" for exercise in exercises}
        return check.Told(errors=wrong)
    monkeypatch.setattr(grade, "Progress", Interrupted)
    monkeypatch.setattr(check, "ask", ask)
    assert graded(monkeypatch, room, *LABS, "--csv", tmp_path / "class.csv") == 130
    printed = capsys.readouterr()
    assert "2 of 3 copies" in printed.out       # cara's is blank: there was nothing to ask
    assert "stopped" in printed.err
    names = [line.split(",")[0] for line in start.read(tmp_path / "class.csv").split("\n")]
    assert names[1:3] == ["anna", "cara"]


def test_ctrl_c_leaves_nothing_running(room, monkeypatch):
    monkeypatch.setattr(check, "STOP", threading.Event())
    check.STOP.set()
    began = time.monotonic()
    lines, ended = check.run_worker(start.PROJECT, room / "anna", grade.of_labs([1]), 1)
    assert ended
    assert time.monotonic() - began < 3         # torch alone takes as long to import


@pytest.mark.parametrize("message, passed, equal, text", [
    ("", 6, False, "ok"),
    ("", 6, True, "ok="),
    ("the same u, the same token", 2, False, "2"),
    ("raise NotImplementedError is still reached", 0, True, "0="),
    ("is not written yet", 0, False, "-"),
    ("model.py, line 3 does not parse (invalid syntax)", 0, False, "!"),
    ("model.py, line 3, in <module>: NameError: name 'x' is not defined\n    x", 0, True, "!"),
])
def test_cell(message, passed, equal, text):
    exercise = next(one for one in EXERCISES if one.name == "pick")
    verdict = check.Verdict(exercise, passed, 6, message)
    copy = grade.Copy("anna", Path(), equal={"pick"} if equal else set(),
                      verdicts={"pick": verdict})
    assert grade.cell(copy, exercise) == text


@pytest.mark.parametrize("arguments, message", [
    (["nowhere"], "nowhere is no student's copy and holds none"),
    (["FOLDER"], "is no student's copy and holds none"),
    (["ROOM/cara", "--csv", "nowhere/class.csv"], "cannot be written"),
    (["ROOM/cara", "--csv", "FOLDER"], "cannot be written"),
])
def test_refused_in_one_line(room, monkeypatch, capsys, tmp_path, arguments, message):
    texts = [text.replace("ROOM", str(room)).replace("FOLDER", str(tmp_path))
             for text in arguments]
    assert graded(monkeypatch, *texts) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_project_that_fails_is_no_students_fault(room, monkeypatch, capsys):
    def ask(original, folder, exercises, seed):
        return check.Told(errors={"pick": "does not end within 10 seconds"})
    monkeypatch.setattr(check, "ask", ask)
    assert graded(monkeypatch, room / "anna") == 2
    printed = capsys.readouterr()
    assert "the project's own pick fails (does not end within 10 seconds)" in printed.err
    assert not printed.out


def test_refuses_to_run_in_a_copy(room, monkeypatch, capsys):
    monkeypatch.setattr(grade, "PROJECT", room / "anna")
    assert graded(monkeypatch, room / "ben") == 2
    assert "this is a student's copy" in capsys.readouterr().err


def test_same_code_whatever_the_comments():
    plain = "def f(own, paraphrase):\n    return own\n"
    dressed = 'def f(own, paraphrase):\n    """Own."""\n    # why\n    return (own)\n'
    other = "def f(own, paraphrase):\n    return paraphrase\n"
    texts = [grade.as_text(grade.function_in(ast.parse(one), "f"))
             for one in (plain, dressed, other)]
    assert texts[0] == texts[1] != texts[2]
