"""files.py - fingerprints of what a thing was made from, and small files that are written whole or
not at all."""
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


def code_of(module, *names):
    """Fingerprint of some top-level functions of a module and of everything in it that they use.

    Without names: of the whole module. Comments and docstrings do not count, since syntax trees are
    compared.
    """
    if isinstance(module, Path):
        source = module.read_text(encoding="utf-8")
    else:
        source = inspect.getsource(module)
    known = parsed(source)
    trees = {}                       # {name: the syntax trees of its statements} of what is used
    to_do = ["", *(names or known)]
    while to_do:
        name = to_do.pop()
        if name in known and name not in trees:
            trees[name] = [tree for tree, _ in known[name]]
            for _, uses in known[name]:
                to_do += uses
    return digest(trees)


@functools.lru_cache(maxsize=64)
def parsed(source):
    """{top-level name: [(syntax tree as text, the names that it uses), ..]} of a module's source.

    A statement stands under every name to which it gives a value or a part of one, and under "" if
    there is no such name: torch.set_num_threads(1) may concern all. Left out is what runs only if
    the file is called as a program.
    """
    entries = {}
    for node in ast.parse(source).body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_program = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        if is_text or is_program:
            continue
        uses = []
        for inner in ast.walk(node):
            may_have_docstring = isinstance(inner, (ast.FunctionDef, ast.ClassDef))
            if may_have_docstring and ast.get_docstring(inner, clean=False) is not None:
                inner.body = inner.body[1:]
            if isinstance(inner, ast.Name):
                uses.append(inner.id)
        for name in dict.fromkeys(names_given(node)) or [""]:
            entries.setdefault(name, []).append((ast.dump(node), uses))
    return entries


def names_given(node):
    """The names to which a top-level statement gives a value or a part of one: x, x[0], x.a."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.alias):                         # of an import
        return [node.asname or node.name.partition(".")[0]]
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Store) else []
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
        return [inner.id for inner in ast.walk(node.value) if isinstance(inner, ast.Name)]
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)):
        return []                                           # its names are its own
    return [name for child in ast.iter_child_nodes(node) for name in names_given(child)]


# ---------------------------------------------------------------- small files

def write_atomic(path, content):
    """Write bytes so that a kill half-way leaves either the old file or the new one."""
    temporary = f"{path}.tmp{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())             # else a power cut may leave the new name empty
    os.replace(temporary, path)


def write_json(path, value):
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_jsonl(path, rows):
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def json_or_empty(path):
    """The JSON object in a file of a run; {} where it is missing or damaged, so that it is made
    again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def undamaged_rows(path, fields=()):
    """The undamaged rows of a run's file: JSON objects with these fields. The others are made
    again."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_bytes().decode("utf-8", errors="replace").split("\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and all(name in row for name in fields):
            rows.append(row)
    return rows


# ---------------------------------------------------------------- lines that notice damage

def sealed(record):
    """A record as a line of JSON with a digest of its content."""
    return json.dumps(record | {"digest": digest(record)}) + "\n"


def append_sealed(path, record):
    """Add a record to a file of such lines, whole or not at all."""
    line = sealed(record)
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


def read_sealed(path, format):
    """A file of such lines -> ([(line number, record), ..], numbers of the damaged lines).

    A file that is not there has none.
    """
    records = []
    damaged = []
    text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = unsealed(line, format)
            if record is None:
                damaged.append(number)
            else:
                records.append((number, record))
    return records, damaged
