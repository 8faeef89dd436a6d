"""lab_notebook.py - the handout as a notebook, and what its cells call.

    python tests/labs/lab_notebook.py      writes s3ft.ipynb from README.md

So the two never differ. A command of the handout becomes a cell that runs it. A function that is to
be written becomes a cell with its blank text; running the cell puts it into the student's copy.
"""
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import start
from exercises import EXERCISES

PROJECT = HERE.parents[1]
COPY = PROJECT / "runs" / "mylab"            # the student's copy of a notebook

SETUP = """import sys
from pathlib import Path

# The project's folder: this notebook stands in its tests/labs. On a hosted Jupyter upload the whole
# project first (as a zip file: !unzip project.zip).
project = Path.cwd()
while not (project / "s3ft.py").is_file():
    assert project != project.parent, "open this notebook inside the project's folder"
    project = project.parent
sys.path[:0] = [str(project), str(project / "tests" / "labs")]

import torch
from lab_notebook import page, run, show, write

print("torch", torch.__version__, "with a GPU" if torch.cuda.is_available() else "without a GPU")"""

FILES = """import judge
import model
import s3ft

show(s3ft.main, s3ft.compare, model.Transformer.forward)"""


# ---------------------------------------------------------------- what the cells call

def run(command):
    """Run a command of the handout, and print what it prints as it comes.

    Checks, and what a student wrote, run in the copy; all else in the project.
    """
    words = shlex.split(command)
    if words[0] == "python":
        words[0] = sys.executable
    folder = COPY if belongs_to_copy(command) else PROJECT
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, encoding="utf-8", env=environment)
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
    finally:                                     # the stop button ends the command too
        if process.poll() is None:
            process.terminate()
    code = process.wait()
    if code:
        print(f"(exit code {code})")


def belongs_to_copy(command):
    """Is it a command that the handout gives in the student's copy?"""
    return any(part in command for part in ("check.py", "start.py .", "--name", "--ask", "hand-in"))


def write(text):
    """Put a function into the student's copy. text: the whole function, as in its file."""
    name = re.search(r"^\s*def (\w+)", text, re.MULTILINE)[1]
    exercise = next(one for one in EXERCISES if one.name.split(".")[-1] == name)
    original = text
    if "." in exercise.name:                     # a method stands in its class
        original = f"class {exercise.name.split('.')[0]}:\n{text}"
    path = COPY / exercise.file
    try:
        new = start.put_back(start.read(path), original.rstrip("\n"), exercise)
    except start.Mistake as mistake:
        return print(mistake)
    start.write(path, new)
    print(f"{exercise.file}: {exercise.name} is written")


def show(*functions):
    """Print the code of some functions."""
    import inspect
    for function in functions:
        print(inspect.getsource(function))


def page(file):
    """A page that a run has written, in the notebook; elsewhere its name."""
    path = PROJECT / file
    try:
        from IPython.display import HTML, display
    except ImportError:
        return print(f"open {path} in a browser")
    display(HTML(f'<iframe srcdoc="{escaped(path)}" width="100%" height="600"></iframe>'))


def escaped(path):
    text = path.read_text(encoding="utf-8")
    return text.replace("&", "&amp;").replace('"', "&quot;")


# ---------------------------------------------------------------- from handout to notebook

def cells_of(handout):
    """The cells of the notebook: [("markdown" or "code", text), ..]."""
    cells = []
    to_write = list(EXERCISES)
    # Headings, checks, and blocks of commands begin cells of their own.
    for part in re.split(r"(?m)^(?=## |\*\*Check|\*\*Write down)|((?:^    .*\n)+)", handout):
        if not part or not part.strip():
            continue
        if part.startswith("    "):
            cells.append(("code", commands(part)))
            continue
        cells.append(("markdown", part.strip()))
        if len(cells) == 1:                      # below the title
            cells.append(("code", SETUP))
        for exercise in [one for one in to_write if f"`{one.name}`" in part]:
            to_write.remove(exercise)
            cells.append(("code", f"write(r'''\n{blank_function(exercise)}\n''')"))
        check = re.match(r"\*\*Check\.\*\* `(.*)`", part)
        if check:
            cells.append(("code", f"run({json.dumps(check[1])})"))
        if "**The project**" in part:
            cells.append(("code", FILES))
    return cells


def commands(block):
    """A block of commands as code. Solutions are not for everybody: they are left as comments."""
    code = []
    for line in block.strip().split("\n"):
        command = line.strip().replace("../mylab", "runs/mylab")
        hidden = "# " if "--solution" in command else ""
        code.append(f"{hidden}run({json.dumps(command)})")
        html_file = re.search(r"--html (\S+)", command)
        if html_file:
            code.append(f'page("{html_file[1]}")')
    return "\n".join(code)


def blank_function(exercise):
    """The text of a function as a student's copy has it."""
    path = PROJECT / exercise.file
    text = start.blanked(start.read(path), exercise)
    node = start.find_function(text, exercise.name, exercise.file)
    return "\n".join(text.split("\n")[start.first_line(node) - 1:node.end_lineno])


def notebook(handout):
    """The notebook as a text."""
    cells = []
    for number, (kind, text) in enumerate(cells_of(handout)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {},
                "source": text.splitlines(keepends=True)}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    content = {"cells": cells, "metadata": {"language_info": {"name": "python"}},
               "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    start.write(HERE / "s3ft.ipynb", notebook(start.read(HERE / "README.md")))
    print(f"{HERE / 's3ft.ipynb'} is written")
