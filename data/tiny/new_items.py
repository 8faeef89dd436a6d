"""new_items.py - items of its own for every seed of a comparison, drawn from the bundled model's world: --new-items.

    OUT/new-items/s0/gsm8k/train.jsonl, test.jsonl    in the layout of the bundled files, so the task's own class reads them
    OUT/new-items/s0/nq/train.jsonl, test.jsonl
    OUT/new-items/s0/mbpp/train/mbpp.jsonl, test/mbpp.jsonl    (one file holds all parts of MBPP, so each part has a folder)
    OUT/new-items/s0/benchmarks/facts.jsonl, ...

Seeds that draw from the same files share items, and then an interval over seeds is too narrow. The world writes as many others as
are wanted, none of which stands in the bundled files. Validation, which no interval speaks of, stays the files'.
"""
import dataclasses
import functools
import sys
import tempfile
from pathlib import Path

from data import ALL, TINY, UserError
from data.benchmarks import multiple_choice
from data.tasks import load_task
from data.files import digest, write_jsonl


@functools.cache
def fingerprint(task):
    """Digest of what the world draws first for seed 0: changes when the world does, not when its code is only written otherwise."""
    sys.path.insert(0, str(TINY))
    import world
    return digest(world.new_items(task, 0, 100, 100), [world.new_benchmark_items(name, 0, 100) for name in multiple_choice.BUNDLED])


def draw(options, beside):
    """{path under new-items: rows} for all seeds. beside: {name: Benchmark} from the files; what the world does not write of these
    (public benchmarks) stays as it is there. UserError where the world has not so many items."""
    sys.path.insert(0, str(TINY))
    import world
    files = {}

    def questions(task, seed, train, test):
        try:
            found = world.new_items(task, seed, train, test)
        except ValueError as error:
            raise UserError(f"--new-items: {error}; give a smaller --limit or --test-limit") from None
        for split, rows in found.items():
            ids = [f"s{seed}-{split}-{n}" for n in range(1, len(rows) + 1)]
            if task == "gsm8k":
                rows = [{"id": id} | row for id, row in zip(ids, rows)]
            elif task == "mbpp":                                             # whose ids are numbers; `read` gives ours
                rows = [row | {"task_id": n} for n, row in enumerate(rows, 1)]
            else:
                rows = [row | {"qas": [qa | {"qid": id} for qa in row["qas"]]} for id, row in zip(ids, rows)]
            if rows:
                files[f"s{seed}/{place(task, split)}"] = rows

    for seed in options.seeds:
        questions(options.task, seed, options.limit if options.methods else 0, options.test_limit)
        for name in beside:
            if name in ALL:
                questions(name, seed, 0, options.benchmark_limit)
            elif name in multiple_choice.BUNDLED:
                try:
                    rows = world.new_benchmark_items(name, seed, options.benchmark_limit)
                except ValueError as error:
                    raise UserError(f"--new-items: {error}; give a smaller --benchmark-limit") from None
                files[f"s{seed}/benchmarks/{name}.jsonl"] = [row | {"id": f"s{seed}-{name}-{n}"} for n, row in enumerate(rows, 1)]
    return files


def read(options, out, files, drawn):
    """Write the files and read them as any others -> {seed: Questions}, whose validation is that of `drawn`.

    With --plan they are written to a place that is emptied again.
    """
    def questions(task, folder, split):
        path = folder / place(task, split)
        if not path.is_file():
            return []
        if task == "mbpp":
            return [dataclasses.replace(e, id=f"{folder.name}-{split}-{e.id}") for e in load_task(task, path.parent).examples]
        return load_task(task, folder).read(split)
    with tempfile.TemporaryDirectory() as elsewhere:
        top, found = Path(elsewhere) if options.plan else out / "new-items", {}
        for path, rows in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(top / path, rows)
        for seed in options.seeds:
            folder, mine = top / f"s{seed}", {}
            for name, a in drawn[options.seeds[0]].benchmarks.items():       # of the skills all seeds have the first one's
                items = questions(name, folder, "test") if name in ALL else a.items
                if name in multiple_choice.BUNDLED:
                    items = multiple_choice.bundled(folder / "benchmarks" / f"{name}.jsonl")
                mine[name] = dataclasses.replace(a, items=items, of=a.of if items is a.items else len(items))
            train, test = questions(options.task, folder, "train"), questions(options.task, folder, "test")
            found[seed] = dataclasses.replace(drawn[seed], train=train, test=test, benchmarks=mine)
    return found


def place(task, split):
    return f"mbpp/{split}/mbpp.jsonl" if task == "mbpp" else f"{task}/{split}.jsonl"
