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
There are no texts and no paths in it; a line is a few KB.

Lines are only appended. Of several lines with one name the last one counts. A line that is cut off,
edited by hand (its digest tells) or of another format is left out, and its cell is made again.

A run also writes its cells to OUT/cells.jsonl, so that --report OUT shows those of all commands.
"""
from pathlib import Path

from data import UserError, new_items
from data.files import append_sealed, digest, unsealed
from data.tables import NAMES, chosen_rates, plural, shown

FORMAT = 2
PARTS = ("key", "made", "about", "cell", "attempts")     # of a line, beside format, name and digest

# The settings that belong to the key of the base model's cell, of attempts, and of a tuned cell.
MEASURED = ("limit", "test_limit", "validation_limit", "new_items", "max_new_tokens", "benchmarks",
            "benchmark_limit", "test_samples", "test_temperature", "all_asserts", "thinking")
SAMPLED = (*MEASURED, "samples", "temperature")
TRAINED = (*SAMPLED, "epochs", "batch", "schedule", "lora", "lora_alpha", "lora_dropout",
           "lora_targets")


def name(options, method, lr, seed):
    """The name of a cell, and of its folder."""
    if lr is None:
        return f"{method}-s{seed}"
    lora = f"-lora{options.lora}" if options.lora else ""
    return f"{method}-lr{lr:g}{lora}-e{options.epochs}-s{seed}"


def key(options, identity, method, sources):
    """What a cell of a method means.

    sources: those of its targets; None for the base model and for "attempts".
    """
    names = {"base": MEASURED, "attempts": SAMPLED}.get(method, TRAINED)
    drawn = new_items.fingerprint(options.task) if options.new_items else None
    settings = {setting: getattr(options, setting) for setting in names}
    return {"world": digest(identity, drawn), "settings": settings, "sources": sources}


# ---------------------------------------------------------------- the file

def read(path):
    """A file of cells -> (records, remarks); a file that is not there has none.

    records: its whole lines in their order, as dicts. Each has "where" added: file, line and name.
    remarks: a line of text if some lines are damaged or of another format, else none.
    """
    records = []
    damaged = []                     # line numbers
    text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        record = unsealed(line, FORMAT)
        if record is None:
            damaged.append(str(number))
        else:
            records.append(record | {"where": f"{path}, line {number} ({record['name']})"})
    if not damaged:
        return records, []
    lines = f"{plural('line', len(damaged))} {', '.join(damaged)}"
    verb = "is" if len(damaged) == 1 else "are"
    return records, [f"{path}: {lines} {verb} damaged or of another format, and left out"]


def latest(records):
    """{name: the last record of this name}"""
    return {record["name"]: record for record in records}


def append(path, name, content):
    """Write a cell, or a seed's attempts, as a line at the end of a file -> the content.

    content: a dict with PARTS; anything else in it is not written.
    """
    record = {"format": FORMAT, "name": name}
    record |= {part: content[part] for part in PARTS if part in content}
    append_sealed(path, record)
    return content


def append_new(path, known, name, content):
    """The same, unless the last line of this name says the same already.

    known: `latest` of the file; it is kept up to date.
    """
    parts = ("key", "made", "cell")
    before = known.get(name)
    if before is None or digest([before[p] for p in parts]) != digest([content[p] for p in parts]):
        known[name] = append(path, name, content)


def open_results(options, task, identity, methods):
    """--results -> (the file of this task, {name: record} of what it has of this run already)."""
    path = Path(options.results) / f"{task.title.removeprefix('tiny-')}.jsonl"
    return path, find(options, path, identity, methods)


def find(options, path, identity, methods):
    """{name: record} of the cells and attempts of this run that are in the file already.

    UserError, one line, for what is of another world or was made with other settings.
    """
    wanted = {}                      # {name: key}
    for seed in options.seeds:
        wanted[name(options, "base", None, seed)] = key(options, identity, "base", None)
        wanted[f"attempts-s{seed}"] = key(options, identity, "attempts", None)
        for method in options.methods:
            for lr in options.lr:
                its_key = key(options, identity, method, list(methods[method]))
                wanted[name(options, method, lr, seed)] = its_key
    world = next(iter(wanted.values()))["world"]
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
    advice = "take it out or give another --results"
    for record in latest(records).values():
        if record["key"]["world"] != world:
            raise UserError(f"{record['where']} belongs to another world (model, data or the "
                            f"program that writes them differ); {advice}")
        if record["name"] in wanted:
            differ = different(record["key"], wanted[record["name"]])
            if differ:
                raise UserError(f"{record['where']} was made with other {differ}; {advice}")
            found[record["name"]] = record
    return found


def different(mine, other, sources=True):
    """How two keys differ: "settings (epochs 2, not 5)"; "" where they are the same.

    Settings are compared where both keys have them. sources: compare these too?
    """
    if sources and mine["sources"] != other["sources"]:
        my_sources = "/".join(mine["sources"] or ["none"])
        other_sources = "/".join(other["sources"] or ["none"])
        return f"sources ({my_sources}, not {other_sources})"
    differ = []
    for setting, value in mine["settings"].items():
        other_value = other["settings"].get(setting, value)
        if value != other_value:
            differ.append(f"{setting} {value}, not {other_value}")
    return f"settings ({'; '.join(differ)})" if differ else ""


def otherwise(records):
    """Lines on cells that were made with other versions, on another device or by other code than
    the first one."""
    made = records[0]["made"]
    counts = {}                      # {how some cells were made, and how the first one was: number}
    for record in records:
        names = [part for part in made if record["made"].get(part) != made[part]]
        if names:
            mine = ", ".join(f"{part} {record['made'].get(part)}" for part in names)
            others = ", ".join(f"{part} {made[part]}" for part in names)
            counts[mine, others] = counts.get((mine, others), 0) + 1
    return [f"{n} of {len(records)} cells were made with {mine}, the others with {others}"
            for (mine, others), n in counts.items()]


# ---------------------------------------------------------------- attempts of several seeds

def together(stats):
    """The attempts of several seeds -> "verdicts", "copies", "judge_errors" as in results.json."""
    rules = {}
    copies = {"accepted": 0}
    errors = {}
    for one in stats:
        for stage, by_rule in one["verdicts"].items():
            for rule, (accepted, tried) in by_rule.items():
                count = rules.setdefault(stage, {}).setdefault(rule, [0, 0])
                count[0] += accepted
                count[1] += tried
        for stage, counts in one["judge_errors"].items():
            add(errors.setdefault(stage, {}), counts)
        n = copies["accepted"]
        new = one["copies"]["accepted"]
        if new:
            means = {}                           # of n + new copies
            for part, value in one["copies"].items():
                means[part] = value
                if part in copies:
                    means[part] = (copies[part] * n + value * new) / (n + new)
            copies = means | {"accepted": n + new}
    return {"verdicts": rules, "copies": copies, "judge_errors": errors}


def add(total, counts):
    """Add counts of the judge's errors onto those of other seeds, and take the shares anew."""
    for part, value in counts.items():
        if isinstance(value, dict):
            total[part] = add(total.get(part, {}), value)
        else:
            total[part] = total.get(part, 0) + value
    if "accepted" in total:
        total["false_accept_share"] = total["false_accepts"] / max(1, total["accepted"])
        total["false_reject_share"] = total["false_rejects"] / max(1, total["refused"])
    return total


def fuller(kept, made):
    """Of two statistics of one seed's attempts each stage from the one that has more of it.

    --methods sft samples none, and sdft no own answers.
    """
    if not kept:
        return made

    def tried(one, stage):
        return sum(n for _, n in one["verdicts"].get(stage, {}).values())

    by_stage = {"verdicts": {}, "judge_errors": {}}
    for stage in ("own", "paraphrase"):
        fullest = made if tried(made, stage) > tried(kept, stage) else kept
        for part, stages in by_stage.items():
            if stage in fullest[part]:
                stages[stage] = fullest[part][stage]
    copies = fullest["copies"]                   # of paraphrases, the last stage
    more_items = len(made["logprobs"]["items"]) > len(kept["logprobs"]["items"])
    logprobs = made["logprobs"] if more_items else kept["logprobs"]
    return made | by_stage | {"copies": copies, "logprobs": logprobs}


# ---------------------------------------------------------------- cells as a run

def files_in(path):
    """The files of cells that a path stands for: itself, or those in a folder that is no run's."""
    if path.is_file():
        files = [path] if path.suffix == ".jsonl" else []
    elif (path / "results.json").is_file() or (path / "run.json").is_file():
        files = []
    else:
        files = sorted(path.glob("*.jsonl"))
    return [file for file in files if read(file)[0]]


def task_of(path):
    """What tells the task of a file of cells: names; None where no cell is whole."""
    for record in read(path)[0]:
        if "about" in record:
            return record["about"]["task"], record["about"]["identity"].get("task")
    return None


def gather(paths):
    """The cells of one task, in one file or several, as results.json would hold them.

    "said" is added: lines on what is damaged, lacking, or differs. Methods may have other rates
    and seeds each. UserError where two cells cannot be compared, or where there is no base
    model's.
    """
    remarks = []
    attempts = {}                    # {seed: its statistics}
    records = {}                     # {name: the record that counts}
    several = []                     # names of cells that two files have
    for path in paths:
        lines, damaged = read(path)
        remarks += damaged
        for record in latest(lines).values():
            its_name = record["name"]
            if "attempts" in record:
                seed = int(its_name.rpartition("-s")[2])
                attempts[seed] = fuller(attempts.get(seed), record["attempts"])
                continue
            before = records.get(its_name)
            if before and before["key"] != record["key"]:
                raise UserError(f"--report: {before['where']} and {record['where']} are one cell "
                                f"({why_two(before['key'], record['key'])}); leave one file out")
            if before and before["cell"] != record["cell"] and its_name not in several:
                several.append(its_name)
            records[its_name] = record
    if several:
        remarks.append(f"several files have {', '.join(several)}: the last file's is taken")
    results = as_results(list(records.values()), ", ".join(str(path) for path in paths))
    seeds = [seed for seed in sorted(attempts) if seed in results["settings"]["seeds"]]
    logprobs = {"items": []}         # of the first seed that has them
    for seed in sorted(attempts, reverse=True):
        if attempts[seed]["logprobs"]["items"]:
            logprobs = attempts[seed]["logprobs"]
    minutes = sum(cell["times"]["minutes"] for cell in results["cells"])
    return results | {
        "said": remarks + results["said"],
        "logprobs": logprobs,
        "times": {"minutes": round(minutes, 2), "tokens_per_second": {}},
        **together(attempts[seed] for seed in seeds),
    }


def why_two(mine, other):
    """How the keys of two records of one cell differ."""
    if mine["world"] != other["world"]:
        return "of two worlds"
    return different(mine, other) or different(other, mine) or "under two names"


def as_results(records, place):
    """Records of cells -> results.json without attempts, "said" added. place: where they are."""
    cells = {}                       # {(method, lr, seed): record}
    for record in records:
        cell = record["cell"]
        first = cells.setdefault((cell["method"], cell["lr"], cell["seed"]), record)
        if first is not record:
            raise UserError(f"--report: {first['where']} and {record['where']} are one cell "
                            f"({why_two(first['key'], record['key'])}); take one out")
    bases = sorted(seed for method, _, seed in cells if method == "base")
    if not bases:
        raise UserError(f"--report {place}: no base model's cell is there (base-s0); "
                        "run one seed with --methods base --results")
    check_comparable(cells, cells["base", None, bases[0]])

    present = {method for method, _, _ in cells} - {"base"}
    methods = [method for method in NAMES if method in present]
    methods += sorted(present - set(methods))
    remarks = []
    for seed in sorted({seed for _, _, seed in cells} - set(bases)):
        remarks.append(f"seed {seed} is left out: its base model is not there (base-s{seed})")
    used = {its_key: record for its_key, record in cells.items() if its_key[2] in bases}
    rates = sorted({lr for method, lr, _ in used if method != "base"})
    remarks += lacking(used, methods, rates, bases)

    order = ["base", *methods]
    in_order = sorted(used, key=lambda k: (k[2], order.index(k[0]), k[1] or 0))
    rows = [used[its_key]["cell"] for its_key in in_order]
    used = list(used.values())
    about = used[0]["about"]
    settings = about["settings"]
    for record in used:
        if record["cell"]["method"] != "base":       # the first tuned one: it tells how they train
            settings = settings | record["about"]["settings"]
            break
    return about | {
        "format": 2,                 # of results.json
        "cells": rows,
        "settings": settings | {"methods": methods, "lr": rates, "seeds": bases},
        "items": {},
        "said": remarks + otherwise(used),
        "fill": None,
    }


def check_comparable(cells, base):
    """UserError where a cell cannot stand beside the others. cells: {(method, lr, seed): record}"""
    first = {"base": base}           # {kind of cell: its first record}
    rates = {}                       # {method: its rates}
    for (method, lr, _), record in cells.items():
        rates.setdefault(method, set()).add(lr)
        kinds = ["base"] if method == "base" else ["base", "tuned", method]
        for kind in kinds:
            beside = first.setdefault(kind, record)
            if record["key"]["world"] != beside["key"]["world"]:
                raise UserError(f"--report: {record['where']} and {beside['where']} belong to two "
                                "worlds; take one out")
            differ = different(record["key"], beside["key"], sources=kind == method)
            if differ:
                raise UserError(f"--report: {record['where']} was made with other {differ} than "
                                f"{beside['where']}; take the cells of one kind out")
    for (method, _, _), record in cells.items():
        if len(rates[method]) > 1 and "validation" not in record["cell"]:
            raise UserError(f"--report: {record['where']} was made without validation, on which "
                            f"the rates of {shown(method)} would be compared; "
                            "take all but one rate out")


def lacking(cells, methods, rates, seeds):
    """Lines on the seeds that some methods lack at a rate. cells: as in `check_comparable`."""
    by_seeds = {}                    # {seeds that lack it: {method: rates}}
    for method in methods:
        for lr in rates:
            without = tuple(seed for seed in seeds if (method, lr, seed) not in cells)
            if without and len(without) < len(seeds):
                by_method = by_seeds.setdefault(without, {})
                by_method.setdefault(shown(method), []).append(f"{lr:g}")
    lines = []
    for without, by_method in by_seeds.items():
        parts = []
        for method, some in by_method.items():
            parts.append(f"{method} at {plural('rate', len(some))} {'/'.join(some)}")
        verb = "lacks" if len(without) == 1 else "lack"
        some_seeds = ", ".join(str(seed) for seed in without)
        lines.append(f"{plural('seed', len(without))} {some_seeds} {verb} {', '.join(parts)}")
    return lines


# ---------------------------------------------------------------- all cells of a run's folder

def with_earlier(results, path):
    """A run's results.json, and the cells that earlier commands wrote beside it.

    path: the run's cells.jsonl. Cells are added that have the same world and settings and were
    made with the same versions and code as those of results.json. The others are left out, and
    "said" names them.
    """
    records, remarks = read(path)
    records = [record for record in records if "cell" in record]
    rows = {row["folder"]: row for row in results["cells"]}
    of_results = {}                  # the records of results.json's own cells
    for record in records:
        if record["cell"] == rows.get(record["name"]):
            of_results[record["name"]] = record
    if len(of_results) < len(rows):
        remarks.append(f"{path.name} lacks cells of results.json, so those of earlier commands are "
                       "not shown")
        return results | {"said": remarks} if records else results

    used = list(of_results.values())
    names = set(of_results)
    made = [record["made"] for record in used]
    left_out = {}                    # {why: names}
    for record in reversed(records):             # the latest counts
        differ = difference_to_all(record, used)
        if differ:
            left_out.setdefault(f"with other {differ}", set()).add(record["name"])
        elif record["name"] in names:
            continue
        elif record["made"] not in made:
            left_out.setdefault("made with other versions or code", set()).add(record["name"])
        elif not rate_is_comparable(record, used):
            why = "of another rate, without validation to choose one,"
            left_out.setdefault(why, set()).add(record["name"])
        else:
            used.append(record)
            names.add(record["name"])
    for why, their_names in left_out.items():
        n = len(their_names)
        verb = "is" if n == 1 else "are"
        remarks.append(f"{n} {plural('cell', n)} {why} {verb} left out")
    if len(used) == len(of_results):
        return results | {"said": remarks}
    try:
        all_cells = as_results(used, str(path))
        chosen_rates(all_cells)
    except UserError as error:       # the run's own cells can be reported without the others
        why = f"cells of earlier commands are left out ({error})"
        return results | {"said": [*remarks, why]}
    settings = dict(results["settings"])
    for part in ("methods", "lr", "seeds"):
        settings[part] = all_cells["settings"][part]
    return results | {"cells": all_cells["cells"], "settings": settings,
                      "said": remarks + all_cells["said"]}


def difference_to_all(record, others):
    """How the key of a cell differs from those of others, in words; "" where it fits all."""
    for other in others:
        if record["key"]["world"] != other["key"]["world"]:
            return "items (--new-items)"
        same_method = record["cell"]["method"] == other["cell"]["method"]
        differ = different(record["key"], other["key"], sources=same_method)
        if differ:
            return differ
    return ""


def rate_is_comparable(record, others):
    """Is its rate the only one of its method, or were all measured on validation?"""
    cell = record["cell"]
    group = [cell]
    for other in others:
        if other["cell"]["method"] == cell["method"]:
            group.append(other["cell"])
    rates = {each["lr"] for each in group}
    return len(rates) == 1 or all("validation" in each for each in group)
