"""new_items.py - --new-items: for every seed of a comparison items of its own, drawn from the
bundled model's world.

    OUT/new-items/s0/gsm8k/train.jsonl, test.jsonl             as the bundled files, so that the
    OUT/new-items/s0/nq/train.jsonl, test.jsonl                task's own class reads them
    OUT/new-items/s0/mbpp/train/mbpp.jsonl, test/mbpp.jsonl    one file holds all parts of MBPP, so
                                                               each part has a folder
    OUT/new-items/s0/benchmarks/facts.jsonl, ...

Seeds that draw from the same files share items, and then an interval over seeds is too narrow. The
world writes as many others as are wanted, none of which stands in the bundled files. Validation, of
which no interval speaks, stays the files'.
"""
import functools
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from data import ALL, TINY, UserError
from data.benchmarks import multiple_choice
from data.files import digest, write_jsonl
from data.tasks import load_task


def open_world():
    """The module world, whose files import each other by their bare names."""
    sys.path.insert(0, str(TINY))
    import world
    return world


@functools.cache
def fingerprint(task):
    """Digest of what the world draws first for seed 0.

    It changes when the world does, not when its code is only written otherwise.
    """
    world = open_world()
    benchmarks = [world.new_benchmark_items(name, 0, 100) for name in multiple_choice.BUNDLED]
    return digest(world.new_items(task, 0, 100, 100), benchmarks)


def new_item_files(options, benchmarks):
    """{path under new-items: rows} for all seeds. UserError where the world has not so many items.

    benchmarks: {name: ..} of the sets from the files. Public ones the world does not write.
    """
    files = {}
    for seed in options.seeds:
        train = options.limit if options.methods else 0
        files |= draw_questions(options.task, seed, train, options.test_limit)
        for name in benchmarks:
            if name in ALL:
                files |= draw_questions(name, seed, 0, options.benchmark_limit)
            elif name in multiple_choice.BUNDLED:
                files |= draw_benchmark(name, seed, options.benchmark_limit)
    return files


def draw_questions(task, seed, train, test):
    """The files of one task for one seed."""
    try:
        rows_of = open_world().new_items(task, seed, train, test)
    except ValueError as error:
        raise UserError(f"--new-items: {error}; give a smaller --limit or --test-limit") from None
    files = {}
    for split, rows in rows_of.items():
        named = []
        for n, row in enumerate(rows, 1):
            id = f"s{seed}-{split}-{n}"
            if task == "gsm8k":
                named.append({"id": id} | row)
            elif task == "mbpp":                         # whose ids are numbers; `read` gives ours
                named.append(row | {"task_id": n})
            else:
                named.append(row | {"qas": [qa | {"qid": id} for qa in row["qas"]]})
        if named:
            files[f"s{seed}/{place(task, split)}"] = named
    return files


def draw_benchmark(name, seed, n):
    try:
        rows = open_world().new_benchmark_items(name, seed, n)
    except ValueError as error:
        raise UserError(f"--new-items: {error}; give a smaller --benchmark-limit") from None
    named = [row | {"id": f"s{seed}-{name}-{n}"} for n, row in enumerate(rows, 1)]
    return {f"s{seed}/benchmarks/{name}.jsonl": named}


def read(options, out, files, drawn):
    """Write the files and read them as any others -> {seed: selection.Questions}.

    drawn: the same from the bundled files; its validation is taken. With --plan the files are
    written to a place that is emptied again.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        top = Path(elsewhere) if options.plan else out / "new-items"
        for path, rows in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(top / path, rows)
        questions = {}
        for seed in options.seeds:
            folder = top / f"s{seed}"
            benchmarks = {}
            # Of sets that the world does not write, all seeds have the first one's items.
            for name, benchmark in drawn[options.seeds[0]].benchmarks.items():
                items = None
                if name in ALL:
                    items = read_questions(name, folder, "test")
                elif name in multiple_choice.BUNDLED:
                    items = multiple_choice.bundled(folder / "benchmarks" / f"{name}.jsonl")
                if items is not None:
                    benchmark = replace(benchmark, items=items, of=len(items))
                benchmarks[name] = benchmark
            questions[seed] = replace(drawn[seed], benchmarks=benchmarks,
                                      train=read_questions(options.task, folder, "train"),
                                      test=read_questions(options.task, folder, "test"))
    return questions


def read_questions(task, folder, split):
    """Examples from one of the files; none if it was not written."""
    path = folder / place(task, split)
    if not path.is_file():
        return []
    if task == "mbpp":
        examples = load_task(task, path.parent).examples
        return [replace(e, id=f"{folder.name}-{split}-{e.id}") for e in examples]
    return load_task(task, folder).read(split)


def place(task, split):
    return f"mbpp/{split}/mbpp.jsonl" if task == "mbpp" else f"{task}/{split}.jsonl"
