"""cells.py - finished cells in one file a task, so that a long comparison goes on anywhere.

--results FOLDER writes FOLDER/TASK.jsonl. Each line is a cell (a model, trained and measured), or
the statistics of the attempts of one seed:

    {"format": 2, "name": "s3ft-lr0.0003-e2-s0", "key": {..}, "made": {..}, "about": {..},
     "cell": {..}, "digest": "5a.."}
    {"format": 2, "name": "attempts-s0", "key": {..}, "made": {..},
     "attempts": {..}, "digest": "c0.."}

"cell" is a row of results.json, and "about" what results.json says beside its rows. "key" is what
the cell means: world, settings, sources. A cell with the wanted key counts as done. "made" is what
it was made with: versions, device, dtypes, code. These may differ, and then the report says so.
There are no texts and no paths in it.

Lines are only appended, and of several with one name the last one counts. A line that is cut off,
edited by hand (its digest tells) or of another format is left out, and its cell is made again.
A run also writes its cells to OUT/cells.jsonl, so that --report OUT shows those of all commands.
"""
from pathlib import Path

from data import UserError, plural
from data.files import append_sealed, digest, read_sealed
from data.results.attempts import with_more_attempts

FORMAT = 2
PARTS = ("key", "made", "about", "cell", "attempts")     # of a line, beside format, name and digest

# The settings that belong to the key of the base model's cell, of attempts, and of a tuned cell.
FOR_ANSWERS = ("limit", "test_limit", "validation_limit", "new_items", "max_new_tokens",
               "benchmarks", "benchmark_limit", "test_samples", "test_temperature", "all_asserts",
               "thinking")
FOR_ATTEMPTS = (*FOR_ANSWERS, "samples", "temperature")
FOR_TRAINING = (*FOR_ATTEMPTS, "epochs", "batch", "schedule", "lora", "lora_alpha", "lora_dropout",
                "lora_targets")


def cell_name(options, method, lr, seed):
    """The name of a cell, and of its folder."""
    if lr is None:
        return f"{method}-s{seed}"
    lora = f"-lora{options.lora}" if options.lora else ""
    return f"{method}-lr{lr:g}{lora}-e{options.epochs}-s{seed}"


def cell_key(options, world, method, row):
    """What a cell of a method means.

    world: fingerprint of model, data and what --new-items draws (data/run/folder.py, world_of).
    row: its Method (data/methods/method.py); None for the base model and for "attempts".
    """
    names = {"base": FOR_ANSWERS, "attempts": FOR_ATTEMPTS}.get(method, FOR_TRAINING)
    settings = {setting: getattr(options, setting) for setting in names}
    if row is None:
        return {"world": world, "settings": settings, "sources": None}
    settings |= {"samples": row.samples, "temperature": row.temperature}
    return {"world": world, "settings": settings, "sources": list(row.sources)}


# ---------------------------------------------------------------- the file

def read(path):
    """A file of cells -> (records, remarks); a file that is not there has none.

    records: its whole lines in their order, as dicts. Each has "where" added: file, line and name.
    remarks: a line of text if some lines are damaged or of another format, else none.
    """
    numbered, damaged = read_sealed(path, FORMAT)
    records = [record | {"where": f"{path}, line {number} ({record['name']})"}
               for number, record in numbered]
    if not damaged:
        return records, []
    return records, [f"{path}: left out, as damaged or of another format: "
                     f"{plural('line', len(damaged))} {', '.join(map(str, damaged))}"]


def latest(records):
    """{name: the last record of this name}. Of a seed's attempts, which several runs may have
    counted side by side, the most of each kind."""
    found = {}
    for record in records:
        name = record["name"]
        if "attempts" in record and name in found:
            most = with_more_attempts(record["attempts"], found[name]["attempts"])
            record = record | {"attempts": most}
        found[name] = record
    return found


def append(path, name, content):
    """Write a cell, or a seed's attempts, as a line at the end of a file -> the content.

    content: a dict with PARTS; anything else in it is not written.
    """
    record = {"format": FORMAT, "name": name}
    record |= {part: content[part] for part in PARTS if part in content}
    append_sealed(path, record)
    return content


def append_new(path, known, name, content):
    """The same, unless the last line of this name says so already. known: its `latest`."""
    parts = ("key", "made", "cell")
    before = known.get(name)
    if before is None or digest([before[p] for p in parts]) != digest([content[p] for p in parts]):
        known[name] = append(path, name, content)


def open_results(options, task, world, methods):
    """--results -> (the file of this task, {name: record} of what it has of this run already).

    UserError, one line, for what is of another world or was made with other settings.
    """
    path = Path(options.results) / f"{task.title.removeprefix('tiny-')}.jsonl"
    wanted = {}                      # {name: key}
    for seed in options.seeds:
        wanted[cell_name(options, "base", None, seed)] = cell_key(options, world, "base", None)
        wanted[f"attempts-s{seed}"] = cell_key(options, world, "attempts", None)
        for method, row in methods.items():
            for lr in row.rates:
                name = cell_name(options, method, lr, seed)
                wanted[name] = cell_key(options, world, method, row)
    try:
        if not options.plan:
            path.parent.mkdir(parents=True, exist_ok=True)
        records, remarks = read(path)
    except OSError as error:
        raise UserError(f"--results {path.parent} cannot be written ({error.strerror}); "
                        "give another folder") from None
    for remark in remarks:
        print(f"{remark}; what is lacking is made again", flush=True)

    found = {}
    for record in latest(records).values():
        expected = wanted.get(record["name"], record["key"] | {"world": world})
        differ = different(record["key"], expected)
        if differ:
            raise UserError(f"{record['where']} was made with other {differ}; "
                            "take it out or give another --results")
        if record["name"] in wanted:
            found[record["name"]] = record
    return path, found


def different(mine, other, same_method=True):
    """How two keys differ: "settings (epochs 2, not 5)"; "" where they are the same.

    Settings are compared where both keys have them. same_method False: two methods may have other
    sources, and attempts of their own.
    """
    if mine["world"] != other["world"]:
        return "model, data or drawn items (--new-items)"
    if same_method and mine["sources"] != other["sources"]:
        names = ["/".join(key["sources"] or ["none"]) for key in (mine, other)]
        return f"sources ({names[0]}, not {names[1]})"
    values = {}                      # {setting: (mine, other's)} of those that differ
    for setting, value in mine["settings"].items():
        its_own = setting in ("samples", "temperature") and not same_method
        if other["settings"].get(setting, value) != value and not its_own:
            values[setting] = (value, other["settings"][setting])
    differ = [f"{setting} {a}, not {b}" for setting, (a, b) in values.items()]
    return f"settings ({'; '.join(differ)})" if differ else ""
