"""folder.py - the files of a run: the model's and the data's, its own folder, and the lock."""
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import model
from data import TASKS, TINY, UserError, cli
from data.checkpoints import hub
from data.checkpoints.lora import read_adapter_config, read_adapter_weights
from data.checkpoints.weights import check_weights, weight_files
from data.files import digest, file_digest, json_or_empty, write_json
from data.judging.sandbox import Uncontained
from data.run.machine import set_threads
from data.tasks import check_sandbox, downloads, load_task
from data.tiny import new_items

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


# ---------------------------------------------------------------- the model's and the data's files

def open_task(options, methods, sampled):
    """Find the files (which may fetch them), read the task, and see that it can be judged here.
    sampled: the sources that the model is asked for."""
    find_files(options)
    task = load_task(options.task, options.data, options.judge, options.test, options.all_asserts)
    for method in options.methods:
        for source in getattr(methods[method], "sources", methods[method]):
            if source not in ("gold", *sampled):
                task.text(task.load("train")[0], source)        # fails now, and not after hours
    check_sandbox(task, options)
    return task


def open_tasks(options, methods, sampled):
    """-> [(options, task)]: one, or with --task all one for each task that can be judged here.

    All are opened first: a file that the last one lacks is told at once, not after hours.
    """
    if options.task != "all":
        return [(options, open_task(options, methods, sampled))]
    tasks = []
    for each in cli.each_task(options):
        try:
            tasks.append((each, open_task(each, methods, sampled)))
        except Uncontained as error:
            print(f"{each.task} is left out: {error}")
    return tasks


def find_files(options):
    """Set where model and data are: options.folder, commit (of a hub id), data. May fetch them."""
    options.folder, options.commit = hub.find(options.model)
    if options.data is not None or options.task not in TASKS:
        return
    if options.bundled:
        if options.task == "squad":
            raise UserError("the bundled model's own readings are tiny-nq: --task nq; for SQuAD "
                            "2.0 name a public checkpoint with --model")
        if options.test:
            raise UserError("the bundled model has one reading set, tiny-nq; --test with another "
                            "needs --data FOLDER or a public checkpoint in --model")
        options.data = str(TINY)
        return
    options.data = str(downloads.fetch(options.task))
    if options.test:                     # the other reading set, in the folder beside
        options.data = str(downloads.fetch(options.test).parent)


def model_name(options):
    """What a run calls its model; a folder's path stays out of it."""
    if options.bundled:
        return "bundled teaching model"
    if options.commit:
        return options.model
    return options.folder.resolve().name


def model_key(folder):
    """Fingerprint of the files that decide what a model says. An adapter's includes its base."""
    files = []
    for path in folder.iterdir():
        if path.suffix in (".json", ".jinja") and path.name != "weights.json":
            files.append(path)
    if not (folder / "adapter_config.json").is_file():
        return file_digest([*files, *weight_files(folder)])
    files.append(folder / "adapter_model.safetensors")
    base_folder, _ = hub.find(read_adapter_config(folder).base)
    return digest(file_digest(files), model_key(base_folder))


@dataclass(frozen=True)
class BaseModel:
    """What is known of the base model without its weights."""
    config: object               # model.Config
    tokenizer: object
    parameters: int
    trainable: int               # of these, or of the adapters


def open_model(options):
    """Open a model without reading its weights, and check its files -> BaseModel."""
    lm, tokenizer, folder, adapter = model.open_without_weights(options.folder, options.thinking)
    check_weights(folder, lm)
    if adapter:
        read_adapter_weights(adapter, dict(lm.named_modules()))
    parameters = sum(weight.numel() for weight in lm.parameters())
    trainable = parameters
    if options.lora:
        layers = [layer for name, layer in lm.named_modules()
                  if name.rpartition(".")[2] in options.lora_targets]
        trainable = sum(options.lora * (layer.in_features + layer.out_features)
                        for layer in layers)
    return BaseModel(lm.config, tokenizer, parameters, trainable)


# ---------------------------------------------------------------- the run folder

def identify(options, task):
    """What a run folder belongs to: {"task", "model", "data"}."""
    title = f"{task.title} judged by {task.name}"
    if options.task in TASKS:
        title = options.task
    data_files = list(task.files)
    if options.bundled:
        data_files += (TINY / "benchmarks").glob("*.jsonl")
    return {"task": title, "model": model_key(options.folder), "data": file_digest(data_files)}


def world_of(options, identity):
    """Fingerprint of the model, the data and what --new-items draws: cells of one world compare."""
    drawn = new_items.fingerprint(options.task) if options.new_items else None
    return digest(identity, drawn)


def folder_of(options, task, identity):
    """-> (the path of the run folder, what the run in it computes with: {} if it is new)."""
    out = Path("runs") / f"{task.title.removeprefix('tiny-')}-{digest(identity)[:8]}"
    if options.out:
        out = Path(options.out)
    begun = {} if options.fresh else json_or_empty(out / "run.json")
    return out, begun


def open_folder(out, options, identity, machine, begun):
    """Make the run folder, and make sure that it is this task's, model's and data's.

    begun: from `folder_of`. -> (its lock, a few words on the threads that it computes with). With
    --plan nothing is written, and the lock is None.
    """
    lock = None
    try:
        check_folder(out, identity)
        if not options.plan:
            out.mkdir(parents=True, exist_ok=True)
            lock = take_lock(out)
            if options.fresh:
                empty(out)
        threads, why = set_threads(machine, begun.get("threads"))
        if not options.plan:
            write_json(out / "run.json", identity | machine.kept() | {"threads": threads})
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); "
                        "give another folder") from None
    return lock, why


def check_folder(out, identity):
    """UserError where the folder holds anything but a run with this identity."""
    if TINY.resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f"--out {out} lies inside the bundled model's folder; name another")
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    if (out / "run.json").is_file():
        other = json_or_empty(out / "run.json")
        differ = [name for name in identity if other.get(name) != identity[name]]
        if differ:
            raise UserError(f"{out} holds a run with another {' and '.join(differ)} (or a damaged "
                            "run.json); give another --out, or leave it out")
        return
    for path in out.iterdir():
        left_by_a_kill = path.name == "lock" or ".tmp" in path.name     # of an earlier start
        if not left_by_a_kill:
            raise UserError(f"{out} holds other things and no run; give another --out")


def take_lock(out):
    """-> the open file that locks the folder. UserError where another run has it."""
    lock = open(out / "lock", "w")
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):          # the second is what Windows says
        raise UserError(f"{out} is in use by another run; wait for it or give --out") from None
    return lock


# run.json and lock stay: they are written anew by now.
WRITTEN = re.compile(
    r"(?:attempts|verdicts|items|cells|targets-.+)\.jsonl|results\.json|.+\.tmp[0-9]+")


def empty(out):
    """--fresh: delete what a run has written in its folder, and nothing else. What students are to
    hand in stays: it may be another student's."""
    for path in out.iterdir():
        if path.name in ("models", "verdicts") or (path / "answers.jsonl").is_file():
            shutil.rmtree(path)
        elif path.is_file() and WRITTEN.fullmatch(path.name):
            path.unlink()
