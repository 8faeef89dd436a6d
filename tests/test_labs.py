"""The labs still fit the project: their functions are there, and the notebook is the handout. What else they promise is
tested in tests/labs (CONTRIBUTING.md)."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

LABS = Path(__file__).resolve().parent / "labs"
sys.path.insert(0, str(LABS))

import lab_notebook
import start
from exercises import EXERCISES


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_blank_function_keeps_its_text_and_can_be_put_back(exercise):
    source = start.read(start.PROJECT / exercise.file)
    blank = start.blanked(source, exercise)
    whole = start.find_function(source, exercise.name, exercise.file)
    left = start.find_function(blank, exercise.name, exercise.file)
    assert ast.unparse(left.args) == ast.unparse(whole.args)
    assert ast.get_docstring(left) == ast.get_docstring(whole)
    assert ast.get_docstring(left), "a student has to know what the function does"
    assert len(left.body) == 2 and f"write {exercise.name}" in ast.unparse(left.body[1])
    assert start.put_back(blank, source, exercise) == source


def test_the_notebook_is_made_from_the_handout():
    handout = start.read(LABS / "README.md")
    assert start.read(LABS / "s3ft.ipynb") == lab_notebook.notebook(handout), \
        "tests/labs/README.md and s3ft.ipynb differ; run python tests/labs/lab_notebook.py"


def test_a_copy_of_the_project_has_all_that_its_checks_need(tmp_path):
    copy = tmp_path / "mylab"
    done = subprocess.run([sys.executable, str(LABS / "start.py"), str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in (*start.COPIED, start.ORIGINAL, "data/tiny/model.safetensors", "data/results/cells.py"):
        assert (copy / name).exists(), name
    run = subprocess.run([sys.executable, "s3ft.py", "--lab", "--limit", "8"], capture_output=True, text=True, cwd=copy)
    assert run.returncode == 2
    assert run.stderr.strip().endswith("write choose_targets, or put it back: python tests/labs/start.py . --solution "
                                       "choose_targets"), run.stderr
    again = subprocess.run([sys.executable, str(LABS / "start.py"), str(copy)], capture_output=True, text=True)
    assert again.returncode == 2 and again.stderr.count("\n") == 1
    assert "not empty" in again.stderr
