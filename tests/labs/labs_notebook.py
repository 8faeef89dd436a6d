"""Every cell of the notebook runs. The main suite does not collect this file:

    python -m pytest -q tests/labs/labs_notebook.py
"""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LABS = Path(__file__).resolve().parent
sys.path.insert(0, str(LABS))

import lab_notebook
import start

SMALL = "--limit 8 --test-limit 8 --benchmark-limit 8"

# Runs the code cells one after another, as a kernel would: pip is left out, runs are small.
KERNEL = """
import json, sys
cells = json.load(open(sys.argv[1], encoding="utf-8"))["cells"]
space = {}
for cell in cells:
    if cell["cell_type"] != "code":
        continue
    exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
    if "run" in space and "really_run" not in space:
        space["really_run"] = space["run"]
        def run(command):
            if "-m pip" in command:
                return
            if "--lab" in command:
                command += " " + sys.argv[2]
            print("RUNS", command)
            space["really_run"](command)
        space["run"] = run
"""


def test_every_exercise_has_a_cell():
    text = start.read(LABS / "s3ft.ipynb")
    for exercise in lab_notebook.EXERCISES:
        assert f"write {exercise.name}" in text


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What all cells print, in a copy of the project, where a student writes the project's own functions."""
    project = tmp_path_factory.mktemp("project")
    for name in start.COPIED:
        place = project / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (start.PROJECT / name).is_dir():
            shutil.copytree(start.PROJECT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(start.PROJECT / name, place)
    # A student writes: the blank text of each cell becomes the project's own function.
    notebook = json.loads(start.read(LABS / "s3ft.ipynb"))
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        for exercise in lab_notebook.EXERCISES:
            blank = lab_notebook.blank_function(exercise)
            if cell["cell_type"] == "code" and blank in text:
                source = start.read(start.PROJECT / exercise.file)
                node = start.find_function(source, exercise.name, exercise.file)
                lines = source.split("\n")[start.first_line(node) - 1:node.end_lineno]
                cell["source"] = [text.replace(blank, "\n".join(lines))]
    file = project / "tests" / "labs" / "written.ipynb"
    file.write_text(json.dumps(notebook), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", KERNEL, str(file), SMALL], cwd=file.parent, capture_output=True,
                          text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_command_of_the_handout_runs(printed):
    of_commands = printed.split("RUNS ")[1:]
    failed = [text for text in of_commands if "(exit code" in text]
    assert len(of_commands) > 10
    # the very first check is asked before anything is written
    assert [text.split("\n")[0] for text in failed] == ["python tests/labs/check.py 1"], "".join(failed)[-3000:]


def test_written_functions_pass_their_checks(printed):
    before, *after = printed.split("functions pass")
    assert "0 of 3 " in before[-9:]
    assert len(after) == 7
    assert "  NO  " not in "".join(after)
