"""files.py - fingerprints of what a thing was made from, and JSON files that are there whole or not at all."""
import ast
import functools
import hashlib
import inspect
import json
import os
from pathlib import Path


# ---------------------------------------------------------------- keys

def digest(*things):
    """A short fingerprint of JSON-able things."""
    return hashlib.sha256(json.dumps(things, sort_keys=True).encode()).hexdigest()[:16]


def number_of(text):
    """A number below 2^53 that belongs to a text: names a job's row of random numbers."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:13], 16)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def file_digest(paths):
    """Fingerprint of files' names and contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as f:
            total.update(path.name.encode())
            for block in iter(lambda: f.read(1 << 20), b""):
                total.update(block)
    return total.hexdigest()[:16]


def code_of(module, *names, without=()):
    """Fingerprint of top-level functions of a module and of everything in it that they use, as syntax trees without docstrings.

    Without names: of the whole module, but for the top-level names in `without`.
    """
    source = module.read_text() if isinstance(module, Path) else inspect.getsource(module)
    found = {name: entry for name, entry in definitions(source).items() if name not in without}
    used = {}
    ahead = list(names or found)
    while ahead:
        name = ahead.pop()
        if name in found and name not in used:
            used[name], uses = found[name]
            ahead += uses
    return digest(used)


@functools.lru_cache(maxsize=64)
def definitions(source):
    """{top-level name: (its syntax tree as text, the names that it uses)} of a module's source."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        can_have_one = isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and node.body
        if can_have_one and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    found = {}
    for node in tree.body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if hasattr(node, "name"):
            names = [node.name]
        for name in names:
            found[name] = (ast.dump(node), [n.id for n in ast.walk(node) if isinstance(n, ast.Name)])
    return found


# ---------------------------------------------------------------- small files

def write_atomic(path, content):
    """Write bytes so that a kill half-way leaves either the old file or the new one."""
    temporary = f"{path}.tmp{os.getpid()}"
    Path(temporary).write_bytes(content)
    os.replace(temporary, path)


def write_json(path, value):
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_jsonl(path, rows):
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def read_json(path):
    """The JSON object in a file of ours; {} where it is missing or damaged, so that what it told is made again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_jsonl(path, fields=()):
    """The rows of a file of ours that are whole: JSON objects with these fields. Damaged ones are left out, to be made again."""
    rows = []
    for line in path.read_bytes().decode("utf-8", errors="replace").split("\n") if path.is_file() else []:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and all(name in row for name in fields):
            rows.append(row)
    return rows


# ---------------------------------------------------------------- lines that notice damage

def append_sealed(path, record):
    """Add a record to a file of JSON lines, whole or not at all, with a digest of its content."""
    line = json.dumps(record | {"digest": digest(record)}) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        # A line of its own, even after one that a kill or a full disk has cut off.
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def unsealed(line, format):
    """The record in such a line; None where it was cut, edited by hand, or is of another format."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("format") != format:
        return None
    its_digest = record.pop("digest", None)
    return record if its_digest == digest(record) else None
