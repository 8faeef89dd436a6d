"""folder.py - before anything is made: the files, the questions that fit, the run folder and its lock."""
try:
    import fcntl
except ImportError:               # native Windows
    fcntl = None
import shutil
from pathlib import Path

import torch

from data import TASKS, TINY, UserError, checkpoint, device, hub
from data.files import digest, file_digest, read_json, write_json


# ---------------------------------------------------------------- what main asks for before it samples

def load_validation(options, task):
    """The questions on which several rates are compared, and which --results keeps too; else none."""
    if len(options.lr) > 1 or options.results:
        return task.load("validation")[:options.validation_limit]
    return []


def check_rates(options, validation):
    """UserError where several rates are given and there is nothing to compare them on."""
    if len(options.lr) < 2 or validation:
        return
    if not options.validation_limit:
        raise UserError("several --lr are compared on validation, which --validation-limit 0 leaves out; give one --lr")
    raise UserError("several --lr are compared on validation, and these data are too few to hold any back; give one --lr")


def fitting(examples, task, tokenizer, context, max_new_tokens, ask, rewrite):
    """The examples that fit the context with their gold, rewrite prompt and answer, the same for all methods; and how many do not.

    ask, rewrite: s3ft's, (task, example) -> a chat.
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
        # A token is at least a byte, so short texts need no counting (300: a chat template's own words).
        most = max(size(again) + max_new_tokens, size(question) + max(max_new_tokens, len(gold.encode())))
        if most + 300 > context:
            asked = len(tokenizer.encode_chat(question))
            answered = max(asked, len(tokenizer.encode_chat(again))) + max_new_tokens
            trained = asked + len(tokenizer.encode(gold)) + 2
            if max(answered, trained) > context:
                continue
        kept.append(example)
    if not kept:
        raise UserError(f"no training example fits the model's context of {context} tokens with {max_new_tokens} new ones; lower --max-new-tokens")

    one_of_each_shape = {len(ask(task, example)): example for example in kept}
    for example in one_of_each_shape.values():
        question = ask(task, example)
        prompt = tokenizer.encode_chat(question)
        chat = tokenizer.encode_chat(question + [{"role": "assistant", "content": "1"}])
        if chat[:len(prompt)] != prompt or tokenizer.close_id not in chat[len(prompt):]:
            raise UserError("the model's chat template does not close an answer with a token of its own, or changes the question "
                            "once it is answered; take another model")
    return kept, len(examples) - len(kept)


def find_files(options):
    """Where model and data are: options.folder, .commit (of a hub id), .data. May fetch them."""
    options.folder, options.commit = hub.find(options.model)
    if options.data is None and options.task in TASKS:
        if options.bundled and options.task == "squad":
            raise UserError("the bundled model's own readings are tiny-nq: --task nq; for SQuAD 2.0 name a public checkpoint with --model")
        if options.bundled and options.test:
            raise UserError("the bundled model has one reading set, tiny-nq; --test with another needs --data FOLDER or a public checkpoint in --model")
        options.data = str(TINY if options.bundled else getattr(hub, options.task)())
        if options.test:                 # the other reading set, in the folder beside
            options.data = str(getattr(hub, options.test)().parent)


def model_key(folder):
    """Fingerprint of the files that decide what a model says; an adapter's with those of its base."""
    files = [p for p in folder.iterdir() if p.suffix in (".json", ".jinja") and p.name != "weights.json"]
    if (folder / "adapter_config.json").is_file():
        return digest(file_digest([*files, folder / "adapter_model.safetensors"]), model_key(hub.find(checkpoint.read_adapter(folder).base)[0]))
    return file_digest([*files, *checkpoint.weight_files(folder)])


# ---------------------------------------------------------------- the run folder

def identify(options, task):
    """What a run folder belongs to: {"task", "model", "data"}."""
    data_files = list(task.files) + (list((TINY / "benchmarks").glob("*.jsonl")) if options.bundled else [])
    return {"task": options.task if options.task in TASKS else f"{task.title} judged by {task.name}",
            "model": model_key(options.folder), "data": file_digest(data_files)}


def open_folder(options, task, identity, machine):
    """Find or make the run folder and make sure that it is this task's, model's and data's.

    -> (its path, its lock, a few words on the threads that it computes with). machine: a torch.device.
    """
    out = Path(options.out) if options.out else Path("runs") / f"{task.title.removeprefix('tiny-')}-{digest(identity)[:8]}"
    if fcntl is None:
        raise UserError("a run's folder cannot be locked on this system; on Windows run this under WSL")
    try:
        if TINY.resolve() in (out.resolve(), *out.resolve().parents):
            raise UserError(f"--out {out} lies inside the bundled model's folder; name another")
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {out} is a file; name a folder")
        if (out / "run.json").is_file():
            other = read_json(out / "run.json")
            if not other:
                raise UserError(f"{out / 'run.json'} is damaged, so this folder's run is unknown; delete the folder or give another --out")
            if differ := [name for name in identity if other.get(name) != identity[name]]:
                raise UserError(f"{out} holds a run with another {' and '.join(differ)}; give another --out, or leave it out")
        elif out.is_dir() and any(p.name != "lock" and ".tmp" not in p.name for p in out.iterdir()):   # those a killed start leaves
            raise UserError(f"{out} holds other things and no run; give another --out")
        lock = None
        if not options.plan:
            out.mkdir(parents=True, exist_ok=True)
            lock = open(out / "lock", "w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{out} is in use by another run; wait for it or give --out") from None
            if options.fresh:
                for path in out.iterdir():
                    if path.name in ("models", "verdicts") or (path / "answers.jsonl").is_file():
                        shutil.rmtree(path)
                    elif path.is_file() and path.name not in ("lock", "run.json"):
                        path.unlink()
        threads, why_threads = threads_of(out, machine, options.fresh)
        if not options.plan:
            write_json(out / "run.json", identity | {"threads": threads})
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); give another folder") from None
    return out, lock, why_threads


def threads_of(out, machine, fresh):
    """Compute with as many threads as this folder's run began with, as others add up numbers in another order; else with as many
    as this machine has free -> (threads, a few words about it)."""
    if machine.type != "cpu":
        return None, ""
    kept = None if fresh else read_json(out / "run.json").get("threads")
    if isinstance(kept, int) and kept > 0:
        threads, why = kept, " (as this run began)"
    else:
        threads, most = device.free_threads()
        why = "" if threads == most else f" of {most}, as other work keeps this machine busy"
    torch.set_num_threads(threads)
    return threads, f"; {threads} thread{'s' if threads > 1 else ''}{why}"
