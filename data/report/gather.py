"""gather.py - finished cells of a file or of several as one run, in the shape of results.json.

data/results/cells.py says what a line of such a file is. Cells that cannot stand side by side are
refused by name, and what is damaged, lacking or differs is said.
"""
from data import UserError, plural
from data.report.tables import NAMES, chosen_rates, shown
from data.results.cells import different, fuller, latest, read, together


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
