"""lab.py - `--lab`: a comparison that a class can wait for, and the file that a student hands in.

What the base model says at the lab's size comes with the project: its answers to the test and
validation questions, its attempts at all training questions, its scores on the benchmarks, and the
log-probabilities of Figure 2. data/tiny/lab/ship.py made them. So a change in the code costs one
training and its measuring.

A row that came with the project is used where its name, its prompt and its settings are those that
the run asks for, whatever code, torch or device made it. So an edited prompt is asked anew, and an
edit in model.py's sampling shows in the tuned models' answers only. All else that a run makes has
the keys that it always has.
"""
import gzip
import zlib

from data import TINY
from data.files import sealed, unsealed, write_atomic
from data.results import cells
from data.run.store import FORMAT

ROWS = TINY / "lab" / "rows.jsonl.gz"


def shipped_rows(world):
    """The chunks of the base model's rows that came with the project, for `Store.borrow`.

    world: fingerprint of the model and the data. Without chunks, base is asked as in any run.
    """
    try:
        lines = gzip.decompress(ROWS.read_bytes()).decode().splitlines()
        chunks = [unsealed(line, FORMAT) for line in lines]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        chunks = []
    if not chunks or None in chunks:
        print(f"{ROWS} is damaged or not there, so the base model is asked again, which takes "
              "minutes; fetch the project again", flush=True)
        return []
    if chunks[0]["world"] != world:
        print(f"files in {TINY} are not those that came with the project, so the base model is "
              "asked again, which takes minutes; fetch the project again", flush=True)
        return []
    return chunks


def note(chunks):
    """The line under the table that says what was not made now."""
    if not chunks:
        return ""
    torch_version, device = chunks[0]["versions"]
    return ("lab: what the base model says to the lab's own questions and prompts comes with the "
            f"project (torch {torch_version}, {device}); what you change elsewhere in the code "
            "shows in targets, training and measuring only")


def hand_in_file(run):
    return run.out / "hand-in" / f"{run.options.name}.jsonl"


def hand_in(run):
    """Write the cells of this run, those of its table, into one file that bears the student's name.

    It is written whole each time and never read again by a run. --report reads a folder of such
    files (data/report/hand_ins.py).
    """
    lines = []
    for cell in run.all_cells():
        record = run.records[cell["folder"]]
        about = record["about"] | {"student": run.options.name}
        content = {part: record[part] for part in ("key", "made", "cell")}
        name = {"format": cells.FORMAT, "name": cell["folder"]}
        lines.append(sealed(name | content | {"about": about}))
    file = hand_in_file(run)
    file.parent.mkdir(exist_ok=True)
    write_atomic(file, "".join(lines).encode())
