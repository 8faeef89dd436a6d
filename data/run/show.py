"""show.py - looking at single examples: --ask puts a question to a model, --show prints how targets came about."""
import sys

import torch

import model
from data import UserError
from data.files import read_jsonl


def ask(options):
    """The answer of the model in --model to the question in --ask."""
    lm, tokenizer = model.load(options.model, options.device, merge=False, thinking=options.thinking)
    dtype = getattr(torch, options.dtype) if options.dtype else model.precision(next(lm.parameters()).device, "sample")[0]
    for p in (p for name, p in lm.named_parameters() if ".lora_" not in name):       # as the adapters were trained: on cast weights
        p.data = p.data.to(dtype)
    prompt = tokenizer.encode_chat([{"role": "user", "content": options.ask}])
    room = lm.config.max_position_embeddings - len(prompt)
    if room < 1:
        raise UserError(f"the question fills the model's context of {lm.config.max_position_embeddings} tokens; ask a shorter one")
    done = model.generate(lm, [prompt], min(room, options.max_new_tokens or 400), options.temperature, end_ids=tokenizer.end_ids)[0]
    return tokenizer.decode(done.ids) + (" [cut off]" if done.finish_reason == "length" else "")


def show(n, run, questions):
    """Print n training examples from question to target, and n test questions with every model's answer.

    Of a target the masked prompt is grey and what is in the loss is green, where there are colours.
    """
    seed = run.options.seeds[0]
    mine = questions[seed]
    targets = {}
    for method in run.lacking(seed):
        rows = read_jsonl(run.out / f"targets-{method}.jsonl")
        targets[method] = {row["id"]: row for row in rows if row["seed"] == seed}
    for example in some_of_each_source(n, mine.train, targets):
        show_example(run, example, run.used[seed], targets)
    folders = [row["folder"] for row in run.rows if row["seed"] == seed]
    files = [run.out / folder / "answers.jsonl" for folder in folders]       # --results keeps no answers
    show_answers(n, run, mine.test, [file for file in files if file.is_file()])
    print()


def some_of_each_source(n, examples, targets):
    """n examples: one of each source of the last method's targets, then the next of each."""
    by_source = {}
    for example in examples:
        source = "none"
        for rows in targets.values():
            if example.id in rows:
                source = rows[example.id]["source"]
        by_source.setdefault(source, []).append(example)
    turns = []
    for i in range(n):
        turns += [group[i] for group in by_source.values() if i < len(group)]
    return turns[:n]


def show_example(run, example, attempts, targets):
    print(paint(f"\n=== {example.id}", BOLD))
    print(f"question:   {question(run, example)}")
    for kind in ("own", "paraphrase"):
        if (example.id, kind) not in attempts:
            print(f"{kind + ':':11} (no method came to need one)")
        for attempt in attempts.get((example.id, kind), []):
            verdict = "unfinished, never a target"
            if attempt["finish_reason"] == "end":
                v = run.verdicts.accept(example, attempt["text"], kind)
                verdict = f"{'accepted' if v.ok else 'refused'} ({v.rule}: {v.extracted}) {v.reason}"
            print(f"{kind + ':':11} {attempt['text']}\n            -> {verdict}")
    print("gold:       " + indented(run.task.gold(example)))
    for method, rows in targets.items():
        if example.id not in rows:
            print(f"{method}: dropped, no source was accepted")
            continue
        target = rows[example.id]
        prompt = run.tokenizer.bpe.decode(target["prompt_ids"], skip_special_tokens=False)
        answer = run.tokenizer.bpe.decode(target["ids"], skip_special_tokens=False)
        print(f"{method} trains on {target['source']}, {len(target['ids'])} tokens in the loss, "
              f"{len(target['prompt_ids'])} masked:")
        print(paint(prompt, GREY) + (paint(answer, GREEN) if sys.stdout.isatty() else f"[{answer}]"))


def show_answers(n, run, test, files):
    """The first answer of every model to n test questions. files: answers.jsonl of each model."""
    answers = {}                     # {folder's name: {example id: its first answer}}
    for file in files:
        first = answers.setdefault(file.parent.name, {})
        for row in read_jsonl(file, ("split", "id", "text")):
            if row["split"] == "test":
                first.setdefault(row["id"], row)
    for example in test[:n] if answers else []:
        print(paint(f"\n=== test {example.id}", BOLD))
        print(f"question:   {question(run, example)}")
        print("gold:       " + indented(run.task.gold(example)))
        for name, first in answers.items():
            text = first[example.id]["text"]
            v = run.verdicts.score(example, text)
            print(f"{name}: {text}\n            -> {'right' if v.ok else 'wrong'} ({v.rule}: {v.extracted})")


BOLD, GREEN, GREY = 1, 32, 90    # of a terminal


def paint(text, colour):
    return f"\033[{colour}m{text}\033[0m" if sys.stdout.isatty() else text


def question(run, example):
    """What the model is asked, without the empty lines."""
    text = run.method_code.ask(run.task, example)[-1]["content"]
    return indented("\n".join(line for line in text.split("\n") if line.strip()))


def indented(text):
    return text.replace("\n", "\n            ")
