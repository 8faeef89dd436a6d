"""show.py - single examples: --ask puts a question to a model, --show prints the targets."""
import itertools
import sys
from pathlib import Path

import model
from data import UserError
from data.files import undamaged_rows
from data.run import tokens
from data.run.machine import choose_machine


def answer_question(options):
    """The answers of the model in --model to the question in --ask, --samples of them: a text."""
    dtype = choose_machine(options, {}).sample_dtype
    lm, tokenizer = model.load(options.model, options.device, dtype, merge=False,
                               thinking=options.thinking)
    prompt = tokenizer.encode_chat([{"role": "user", "content": options.ask}])
    context = lm.config.max_position_embeddings
    room = context - len(prompt)
    if room < 1:
        raise UserError(f"the question fills the model's context of {context} tokens; "
                        "ask a shorter one")
    length = min(room, options.max_new_tokens or 400)
    answers = model.generate(lm, [prompt] * options.samples, length, options.temperature,
                             end_ids=tokenizer.end_ids)
    lines = []
    for answer in answers:
        text = tokenizer.opening + tokenizer.decode(answer.ids)
        lines.append(text + " [cut off]" if answer.finish_reason == "length" else text)
    if len(lines) > 1:
        lines.append(f"{len(set(lines))} different of {len(lines)}")
    return "\n".join(lines)


def show(n, run):
    """Print n training examples from question to target, and n test questions with all answers.

    On a terminal the masked prompt of a target is grey, and what is in the loss is green.
    """
    seed = run.options.seeds[0]
    questions = run.questions[seed]
    targets = {}                     # {method: {example id: its lines of the targets file}}
    for method, lines in run.target_lines.items():
        targets[method] = {}
        for line in lines:
            if line["seed"] == seed:
                targets[method].setdefault(line["id"], []).append(line)
    page = []                        # of --html: (question, columns) of each example
    for example in some_of_each_source(n, questions.train, targets):
        show_example(run, example, run.used[seed], targets)
        lines = {method: its_lines.get(example.id, []) for method, its_lines in targets.items()}
        columns = tokens.columns_of(run, example, run.used[seed], lines)
        print("\n".join(tokens.as_text(columns)))
        text = run.ask(run.task, example)[-1]["content"]
        page.append((f"{example.id}: {text}", columns))
    if run.options.html:
        write_page(run.options.html, tokens.as_page(f"{run.task.title}, token by token", page))

    answers = {}                     # {name of a cell: {example id: its first answer}}
    for cell in run.all_cells():
        file = run.out / cell["folder"] / "answers.jsonl"
        measured = cell["folder"] in run.measured        # a cell from --results has no answers
        if cell["seed"] == seed and measured and file.is_file():
            first = answers.setdefault(cell["folder"], {})
            for row in undamaged_rows(file, ("split", "id", "text")):
                if row["split"] == "test":
                    first.setdefault(row["id"], row)
    for example in questions.test[:n] if answers else []:
        print(paint(f"\n=== test {example.id}", BOLD))
        print(f"question:   {question(run, example)}")
        print("gold:       " + indented(run.task.gold(example)))
        for name, first in answers.items():
            text = first[example.id]["text"]
            verdict = run.verdicts.score(example, text)
            answer = "right" if verdict.ok else "wrong"
            print(f"{name}: {text}\n            -> {answer} ({verdict.rule}: {verdict.extracted})")
    print()


def write_page(path, page):
    """Write --html. UserError where it cannot be written."""
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--html {path} cannot be written ({error.strerror}); name another file"
                        ) from None
    print(f"token by token: {path}")


def some_of_each_source(n, examples, targets):
    """n examples that take turns: one of each source in the last method's targets, then the next
    of each."""
    by_source = {}
    for example in examples:
        source = "none"
        for lines in targets.values():
            if example.id in lines:
                source = lines[example.id][0]["source"]
        by_source.setdefault(source, []).append(example)
    turns = []
    for turn in range(n):
        turns += [group[turn] for group in by_source.values() if turn < len(group)]
    return turns[:n]


def show_example(run, example, attempts, targets):
    """Question, attempts with their verdicts, gold, and each method's target.

    attempts: {(id, kind): [attempt, ..]}.
    """
    print(paint(f"\n=== {example.id}", BOLD))
    print(f"question:   {question(run, example)}")
    for kind in ("own", "paraphrase"):
        if (example.id, kind) not in attempts:
            print(f"{kind + ':':11} (no method came to need one)")
        for attempt in attempts.get((example.id, kind), []):
            line = "unfinished, never a target"
            if attempt["finish_reason"] == "end":
                verdict = run.verdicts.accept(example, attempt["text"], kind)
                answer = "accepted" if verdict.ok else "refused"
                line = f"{answer} ({verdict.rule}: {verdict.extracted}) {verdict.reason}"
            print(f"{kind + ':':11} {attempt['text']}\n            -> {line}")
    print("gold:       " + indented(run.task.gold(example)))
    for method, lines in targets.items():
        if example.id not in lines:
            print(f"{method}: dropped, no source was accepted")
            continue
        for target in lines[example.id]:
            ids = target["prompt_ids"] + target["ids"]
            in_loss = [weight > 0 for weight in target["weights"]]
            print(f"{method} trains on {target['source']}, {sum(in_loss)} tokens in the loss, "
                  f"{len(ids) - sum(in_loss)} masked:")
            print(marked(run.tokenizer, ids, in_loss))


def marked(tokenizer, ids, in_loss):
    """The text of ids, with what is in the loss green, or in [] where there is no colour."""
    parts = []
    for learnt, group in itertools.groupby(zip(ids, in_loss), key=lambda pair: pair[1]):
        some = [id for id, _ in group]
        text = tokenizer.bpe.decode(some, skip_special_tokens=False)
        if not learnt:
            parts.append(paint(text, GREY))
        elif sys.stdout.isatty():
            parts.append(paint(text, GREEN))
        else:
            parts.append(f"[{text}]")
    return "".join(parts)


BOLD, GREEN, GREY = 1, 32, 90    # a terminal's numbers for them


def paint(text, colour):
    return f"\033[{colour}m{text}\033[0m" if sys.stdout.isatty() else text


def question(run, example):
    """What the model is asked, without the empty lines."""
    text = run.ask(run.task, example)[-1]["content"]
    return indented("\n".join(line for line in text.split("\n") if line.strip()))


def indented(text):
    return text.replace("\n", "\n            ")
