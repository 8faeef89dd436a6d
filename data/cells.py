"""cells.py - finished cells as small files, so that a long comparison goes on anywhere: --results FOLDER.

    FOLDER/TASK/s3ft-lr0.0003-e2-s0.json   one trained and measured model, named as its run folder; base-s0.json: the base model
    FOLDER/TASK/attempts-s0.json           what was sampled for a seed: accepted and refused by rule, copies, log-probabilities

Each holds a cell's row of results.json, what it means ("key": world, settings, sources) and what it was made with ("made": versions,
device, dtypes, code). A cell whose key is the one that is wanted counts as done. What it was made with may differ, and is then said.
No texts, no paths, a few KB. A file that is damaged (its digest tells) is never read.
"""
import re
from pathlib import Path

from data import UserError, new_items
from data.files import digest, read_json, write_json
from data.tables import NAMES, shown

FORMAT = 1
MEASURED = ("limit", "test_limit", "validation_limit", "new_items", "max_new_tokens", "benchmarks", "benchmark_limit", "test_samples",
            "test_temperature", "all_asserts", "thinking")          # settings that every cell depends on; attempts, and tuned cells:
SAMPLED = (*MEASURED, "samples", "temperature")
TRAINED = (*SAMPLED, "epochs", "batch", "schedule", "lora", "lora_alpha", "lora_dropout", "lora_targets")


def name(options, method, lr, seed):
    """Of a cell, its folder and its file."""
    o = options
    return f"{method}-s{seed}" if lr is None else f"{method}-lr{lr:g}{f'-lora{o.lora}' if o.lora else ''}-e{o.epochs}-s{seed}"


def key(options, identity, method, sources):
    """What a cell of a method means: the world, the settings, the sources of its targets (base: None; attempts: all sampled ones)."""
    names = {"base": MEASURED, "attempts": SAMPLED}.get(method, TRAINED)
    world = digest(identity, new_items.fingerprint(options.task) if options.new_items else None)
    return {"world": world, "settings": {k: getattr(options, k) for k in names}, "sources": sources}


def read(path):
    """What a file of ours holds; None where it is damaged or of another version of this project."""
    held = read_json(path)
    return held if held.get("format") == FORMAT and held.pop("digest", None) == digest(held) else None


def write(path, held):
    held = {"format": FORMAT} | held
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, held | {"digest": digest(held)})


def open_results(options, task, identity, methods):
    """--results: the folder of this task, and what it has of this run already."""
    folder = Path(options.results) / task.title.removeprefix("tiny-")
    return folder, find(options, folder, identity, methods)


def append(folder, name, content):
    """Write a cell, or a seed's attempts -> the content."""
    write(folder / f"{name}.json", content)
    return content


def find(options, folder, identity, methods):
    """{name: what its file holds} of this run's cells and attempts that are in the folder already. UserError, one line, for what is
    of another world or was made with other settings; a damaged file is said, and made again."""
    wanted, found = {}, {}
    for seed in options.seeds:
        wanted[name(options, "base", None, seed)] = key(options, identity, "base", None)
        wanted[f"attempts-s{seed}"] = key(options, identity, "attempts", None)
        for method in options.methods:
            for lr in options.lr:
                wanted[name(options, method, lr, seed)] = key(options, identity, method, list(methods[method]))
    try:
        if not options.plan:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--results {folder} cannot be written ({error.strerror}); give another folder") from None
    for path in sorted(folder.glob("*.json")):
        if (held := read(path)) is None:
            print(f"{path} is damaged: not read{', made again' if path.stem in wanted else ''}", flush=True)
            continue
        away = "; move it away or give another --results"
        if held["key"]["world"] != next(iter(wanted.values()))["world"]:
            raise UserError(f"{path} belongs to another world (model, data or the program that writes them differ){away}")
        if path.stem in wanted:
            if differ := different(held["key"], wanted[path.stem]):
                raise UserError(f"{path} was made with other {differ}{away}")
            found[path.stem] = held
    return found


def different(mine, other, sources=True):
    """"settings (epochs 2, not 5)" of two keys, where both have a setting; "" where they are the same."""
    differ = [f"{k} {v}, not {other['settings'][k]}" for k, v in mine["settings"].items() if v != other["settings"].get(k, v)]
    if sources and mine["sources"] != other["sources"]:
        return f"sources ({'/'.join(mine['sources'] or ['none'])}, not {'/'.join(other['sources'] or ['none'])})"
    return f"settings ({'; '.join(differ)})" if differ else ""


def otherwise(found, made):
    """Lines on cells that were made with other versions, on another device or by other code than `made` says."""
    others = {}
    for held in found:
        if differ := [f"{k} {held['made'].get(k)}" for k in made if held["made"].get(k) != made[k]]:
            others.setdefault(", ".join(differ), []).append(held)
    return [f"{len(group)} of {len(found)} cells were made with {what}, the others with {', '.join(f'{k} {v}' for k, v in made.items() if f'{k} ' in what)}"
            for what, group in others.items()]


# ---------------------------------------------------------------- attempts of several seeds

def together(stats):
    """The attempts of several seeds -> "verdicts", "copies" and "judge_errors" as results.json has them."""
    rules, copies, errors = {}, {"accepted": 0}, {}
    for s in stats:
        for stage, found in s["verdicts"].items():
            for rule, (ok, n) in found.items():
                count = rules.setdefault(stage, {}).setdefault(rule, [0, 0])
                count[0], count[1] = count[0] + ok, count[1] + n
        for stage, found in s["judge_errors"].items():
            add(errors.setdefault(stage, {}), found)
        n, more = copies["accepted"], s["copies"]["accepted"]
        if more:
            copies = {k: (copies[k] * n + v * more) / (n + more) if k in copies else v for k, v in s["copies"].items()} | {"accepted": n + more}
    return {"verdicts": rules, "copies": copies, "judge_errors": errors}


def add(total, more):
    """Counts of the judge's errors (runs.judge_errors) onto those of other seeds; the shares are taken anew."""
    for k, v in more.items():
        total[k] = add(total.get(k, {}), v) if isinstance(v, dict) else total.get(k, 0) + v
    if "accepted" in total:
        total["false_accept_share"] = total["false_accepts"] / max(1, total["accepted"])
        total["false_reject_share"] = total["false_rejects"] / max(1, total["refused"])
    return total


def fuller(kept, made):
    """Of two statistics of one seed's attempts each stage from the one that has more of it: --methods sft samples none, sdft no own."""
    if not kept:
        return made
    tried = lambda s, stage: sum(n for _, n in s["verdicts"].get(stage, {}).values())
    of = {stage: max(kept, made, key=lambda s: tried(s, stage)) for stage in ("own", "paraphrase")}
    by_stage = {name: {stage: s[name][stage] for stage, s in of.items() if stage in s[name]} for name in ("verdicts", "judge_errors")}
    return made | by_stage | {"copies": of["paraphrase"]["copies"],
                              "logprobs": max(kept, made, key=lambda s: len(s["logprobs"]["items"]))["logprobs"]}


# ---------------------------------------------------------------- a folder of cells as a run

def is_folder(path):
    """Does it hold cells?"""
    return path.is_dir() and any(re.search(r"-s\d+$", p.stem) for p in path.glob("*.json"))


def gather(folder):
    """The cells in FOLDER/TASK as results.json would hold them, and "said": lines on what is damaged, lacking, or differs.

    Methods may have other rates and seeds each. UserError where two cells cannot be compared, or where there is no base model's.
    """
    said, cells, attempts = [], {}, {}
    for path in sorted(folder.glob("*.json")):
        held = read(path)
        if held is None:
            said.append(f"{path.name} is damaged and left out")
        elif "attempts" in held:
            attempts[int(path.stem.rpartition("-s")[2])] = held["attempts"]
        else:
            c = held["cell"]
            other = cells.setdefault((c["method"], c["lr"], c["seed"]), (path, held))
            if other[1] is not held:
                raise UserError(f"--report {folder}: {other[0].name} and {path.name} are one cell ({different(other[1]['key'], held['key'])}); move one away")
    bases = sorted(s for m, _, s in cells if m == "base")
    if not bases:
        raise UserError(f"--report {folder}: no base model's cell is there (base-s0.json); run one seed with --methods base --results")
    first = {"base": cells["base", None, bases[0]]}
    for (m, *_), (path, held) in cells.items():
        mine = held["key"]
        for kind in dict.fromkeys(["base", m] if m == "base" else ["base", "tuned", m]):     # whose cells this one stands beside
            beside, other = first.setdefault(kind, (path, held))
            if mine["world"] != other["key"]["world"]:
                raise UserError(f"--report {folder}: {path.name} and {beside.name} belong to two worlds; move one away")
            if differ := different(mine, other["key"], sources=kind == m):
                raise UserError(f"--report {folder}: {path.name} was made with other {differ} than {beside.name}; move the cells of one kind away")
    for m, path in [(m, path) for (m, lr, s), (path, held) in cells.items() if m != "base" and "validation" not in held["cell"]]:
        if len({lr for other, lr, _ in cells if other == m}) > 1:
            raise UserError(f"--report {folder}: {path.name} was made without validation, on which the rates of {shown(m)} would be compared; "
                            "move all but one rate away")
    known = [m for m in NAMES if any(m == x for x, *_ in cells)]
    methods = known + sorted({m for m, *_ in cells} - {"base", *known})
    for seed in sorted({s for *_, s in cells} - set(bases)):
        said.append(f"seed {seed} is left out: its base model is not there (base-s{seed}.json)")
    rates = sorted({lr for m, lr, s in cells if m != "base" and s in bases})
    lacking = {}
    for m, lr in [(m, lr) for m in methods for lr in rates if any((m, lr, s) in cells for s in bases)]:
        if seeds := tuple(s for s in bases if (m, lr, s) not in cells):
            lacking.setdefault(seeds, {}).setdefault(shown(m), []).append(f"{lr:g}")
    for seeds, which in lacking.items():
        said.append(f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} lack{'s' * (len(seeds) == 1)} "
                    + ", ".join(f"{m} at rate{'s' * (len(lrs) > 1)} {'/'.join(lrs)}" for m, lrs in which.items()))
    helds = [held for (_, _, s), (_, held) in cells.items() if s in bases]
    about = helds[0]["about"]
    rows = [cells[k][1]["cell"] for k in sorted((k for k in cells if k[2] in bases), key=lambda k: (k[2], ["base", *methods].index(k[0]), k[1] or 0))]
    settings = about["settings"] | next((held["about"]["settings"] for held in helds if held["cell"]["method"] != "base"), {})
    return about | {"format": 2, "cells": rows, "settings": settings | {"methods": methods, "lr": rates, "seeds": bases}, "items": {},
                    "said": said + otherwise(helds, helds[0]["made"]), "fill": None, "logprobs": next((a["logprobs"] for _, a in sorted(attempts.items())
                                                                                             if a["logprobs"]["items"]), {"items": []}),
                    "times": {"minutes": round(sum(c["times"]["minutes"] for c in rows), 2), "tokens_per_second": {}},
                    **together(attempts[s] for s in sorted(attempts) if s in bases)}
