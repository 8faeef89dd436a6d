"""new_items.py - items of its own for every seed of a comparison, drawn from the bundled model's world: --new-items.

    OUT/new-items/s0/gsm8k/train.jsonl, test.jsonl    in the layout of the bundled files, so the task's own class reads them
    OUT/new-items/s0/nq/train.jsonl, test.jsonl
    OUT/new-items/s0/mbpp/train/mbpp.jsonl, test/mbpp.jsonl    (one file holds all parts of MBPP, so each part has a folder)
    OUT/new-items/s0/benchmarks/facts.jsonl, ...

Seeds that draw from the same files share items, and then an interval over seeds is too narrow. The world writes as many others as
are wanted, none of which stands in the bundled files. Validation, which no interval speaks of, stays the files'.
"""
import dataclasses
import sys
import tempfile
from pathlib import Path

from data import ALL, TINY, UserError, benchmarks, load_task
from data.files import write_jsonl


def world():
    """data/tiny/world.py as a module."""
    sys.path.insert(0, str(TINY))
    import world
    return world


def draw(options, out, seed, beside):
    """(training examples, test examples, {name: Ability}) of one seed. beside: what is measured beside the task, from the files;
    what the world does not write (public benchmarks) stays as it is there. With --plan the files go to a place that is emptied again."""
    with tempfile.TemporaryDirectory() as elsewhere:
        folder, n = (Path(elsewhere) if options.plan else out / "new-items") / f"s{seed}", options.benchmark_limit
        drawn = examples(options.task, folder, seed, train=options.limit if options.methods else 0, test=options.test_limit)
        for name, a in beside.items():
            if name in benchmarks.BUNDLED:
                a = dataclasses.replace(a, items=choices(name, folder, seed, n), of=n)
            elif name in ALL:
                a = dataclasses.replace(a, items=examples(name, folder, seed, test=n)["test"], of=n)
            beside = beside | {name: a}
    return drawn["train"], drawn["test"], beside


def choices(name, folder, seed, n):
    """n items of a bundled benchmark; ids are s0-facts-1, ..."""
    try:
        rows = world().new_benchmark_items(name, seed, n)
    except ValueError as error:
        raise UserError(f"--new-items: {error}; give a smaller --benchmark-limit") from None
    return benchmarks.bundled(write(folder / "benchmarks" / f"{name}.jsonl", [row | {"id": f"s{seed}-{name}-{i}"} for i, row in enumerate(rows, 1)]))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, rows)
    return path


def examples(task, folder, seed, train=0, test=0):
    """{"train": [Example, ...], "test": ..} of a task, by way of files that its class reads; ids are s0-train-1, ..."""
    found = {}
    for split, rows in world().new_items(task, seed, train, test).items():
        ids = [f"s{seed}-{split}-{n}" for n in range(1, len(rows) + 1)]
        if not rows:
            found[split] = []
        elif task == "mbpp":                                                 # its ids are numbers, in the files
            path = write(folder / task / split / "mbpp.jsonl", [row | {"task_id": n} for n, row in enumerate(rows, 1)])
            found[split] = [dataclasses.replace(e, id=id) for e, id in zip(load_task(task, path.parent).examples, ids)]
        else:
            write(folder / task / f"{split}.jsonl", [{"id": id} | row if task == "gsm8k" else row | {"qas": [qa | {"qid": id} for qa in row["qas"]]}
                                                     for id, row in zip(ids, rows)])
            found[split] = load_task(task, folder).read(split)
    return found
