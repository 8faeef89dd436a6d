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
        space["told"] = []
        def run(command):
            if "-m pip" in command:
                return 0
            if "--lab" in command:
                command += " " + sys.argv[2]
            code = space["really_run"](command)
            space["told"].append([command, code])
            return code
        space["run"] = run
print("TOLD " + json.dumps(space["told"]))
"""


def test_every_exercise_has_a_cell():
    text = start.read(LABS / "s3ft.ipynb")
    for exercise in lab_notebook.EXERCISES:
        assert f"write {exercise.name}" in text


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """[[command, exit code], ..] of all cells, run in a copy of the project whose functions are then written."""
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
    [line] = [line for line in done.stdout.split("\n") if line.startswith("TOLD ")]
    return json.loads(line[5:]), done.stdout


def test_every_command_of_the_handout_runs(told):
    commands, printed = told
    failed = [command for command, code in commands if code and "check.py 1" not in command]
    assert not failed, printed[-3000:]
    assert len(commands) > 10


def test_written_functions_pass_their_checks(told):
    _, printed = told
    assert printed.count("functions pass") >= 6
    assert "NO  mine" not in printed
