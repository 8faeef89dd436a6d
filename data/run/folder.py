"""folder.py - before a run starts: its files, the questions that fit, its folder and the lock."""
try:
    import fcntl
except ImportError:               # native Windows
    fcntl = None
import shutil
from pathlib import Path

import torch

from data import TASKS, TINY, UserError
from data.checkpoints import device, hub
from data.checkpoints.lora import read_adapter_config
from data.checkpoints.weights import weight_files
from data.files import digest, file_digest, read_json, write_json
from data.tasks import downloads


# ---------------------------------------------------------------- what main needs before sampling

def load_validation(options, task):
    """The questions on which several learning rates are compared, and which --results keeps too.

    None are needed in other runs: [].
    """
    if len(options.lr) > 1 or options.results:
        return task.load("validation")[:options.validation_limit]
    return []


def check_rates(options, validation):
    """UserError where several rates are given and there is nothing to compare them on."""
    if len(options.lr) < 2 or validation:
        return
    if not options.validation_limit:
        raise UserError("several --lr are compared on validation, which --validation-limit 0 "
                        "leaves out; give one --lr")
    raise UserError("several --lr are compared on validation, and these data are too few to hold "
                    "any back; give one --lr")


def fitting(examples, task, tokenizer, context, max_new_tokens, ask, rewrite):
    """The examples that fit the context, the same for all methods, and how many do not.

    Each has to fit with its gold, and as a question and a rewrite prompt with max_new_tokens more.
    ask, rewrite: s3ft's, (task, example) -> a chat. UserError where nothing fits, or where the
    chat template does not close an answer.
    """
    if not examples:                 # nothing is trained on
        return [], 0

    def size(chat):
        return sum(len(message["content"].encode()) for message in chat)

    kept = []
    for example in examples:
        question = ask(task, example)
        again = rewrite(task, example)
        gold = task.gold(example)
        # A token is at least a byte, so short texts need no counting.
        longest = max(max_new_tokens, len(gold.encode()))
        most = max(size(again) + max_new_tokens, size(question) + longest)
        if most + 300 > context:             # 300: a chat template's own words
            asked = len(tokenizer.encode_chat(question))
            answered = max(asked, len(tokenizer.encode_chat(again))) + max_new_tokens
            trained = asked + len(tokenizer.encode(gold)) + 2
            if max(answered, trained) > context:
                continue
        kept.append(example)
    if not kept:
        raise UserError(f"no training example fits the model's context of {context} tokens with "
                        f"{max_new_tokens} new ones; lower --max-new-tokens")

    one_of_each_shape = {len(ask(task, example)): example for example in kept}
    for example in one_of_each_shape.values():
        question = ask(task, example)
        prompt = tokenizer.encode_chat(question)
        chat = tokenizer.encode_chat(question + [{"role": "assistant", "content": "1"}])
        if chat[:len(prompt)] != prompt or tokenizer.close_id not in chat[len(prompt):]:
            raise UserError("the model's chat template does not close an answer with a token of "
                            "its own, or changes the question once it is answered; take another "
                            "model")
    return kept, len(examples) - len(kept)


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


def open_folder(options, task, identity, machine):
    """Find or make the run folder and make sure that it is this task's, model's and data's.

    -> (its path, its lock, a few words on the threads that it computes with). With --plan nothing
    is written, and the lock is None. identity: from `identify`. machine: a torch.device. UserError
    where the folder is in use, of another run, or cannot be written.
    """
    out = Path("runs") / f"{task.title.removeprefix('tiny-')}-{digest(identity)[:8]}"
    if options.out:
        out = Path(options.out)
    if fcntl is None:
        raise UserError("a run's folder cannot be locked on this system; "
                        "on Windows run this under WSL")
    lock = None
    try:
        check_folder(out, identity)
        if not options.plan:
            out.mkdir(parents=True, exist_ok=True)
            lock = take_lock(out)
            if options.fresh:
                empty(out)
        threads, why_threads = threads_of(out, machine, options.fresh)
        if not options.plan:
            write_json(out / "run.json", identity | {"threads": threads})
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); "
                        "give another folder") from None
    return out, lock, why_threads


def check_folder(out, identity):
    """UserError where the folder holds anything but a run with this identity."""
    if TINY.resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f"--out {out} lies inside the bundled model's folder; name another")
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    if (out / "run.json").is_file():
        other = read_json(out / "run.json")
        if not other:
            raise UserError(f"{out / 'run.json'} is damaged, so this folder's run is unknown; "
                            "delete the folder or give another --out")
        differ = [name for name in identity if other.get(name) != identity[name]]
        if differ:
            raise UserError(f"{out} holds a run with another {' and '.join(differ)}; "
                            "give another --out, or leave it out")
        return
    for path in out.iterdir():
        if path.name != "lock" and ".tmp" not in path.name:      # these an interrupted start leaves
            raise UserError(f"{out} holds other things and no run; give another --out")


def take_lock(out):
    """-> the open file that locks the folder. UserError where another run has it."""
    lock = open(out / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{out} is in use by another run; wait for it or give --out") from None
    return lock


def empty(out):
    """--fresh: delete what a run has written in its folder, and nothing else."""
    for path in out.iterdir():
        if path.name in ("models", "verdicts") or (path / "answers.jsonl").is_file():
            shutil.rmtree(path)
        elif path.is_file() and path.name not in ("lock", "run.json"):
            path.unlink()


def threads_of(out, machine, fresh):
    """Set the number of threads -> (threads, a few words about it); (None, "") on a GPU.

    As many as this folder's run began with, since others add up numbers in another order; in a new
    folder as many as this machine has free.
    """
    if machine.type != "cpu":
        return None, ""
    kept = None
    if not fresh:
        kept = read_json(out / "run.json").get("threads")
    if isinstance(kept, int) and kept > 0:
        threads = kept
        why = " (as this run began)"
    else:
        threads, most = device.free_threads()
        why = "" if threads == most else f" of {most}, as other work keeps this machine busy"
    torch.set_num_threads(threads)
    plural = "s" if threads > 1 else ""
    return threads, f"; {threads} thread{plural}{why}"
