"""look.py - looking at single examples: --ask puts a question to a model, --show prints how targets came about."""
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


def asked(task, example):
    """What the model is asked, without the empty lines."""
    return "\n            ".join(line for line in task.ask(example)[-1]["content"].split("\n") if line.strip())


def show(n, run, drawn, measured, attempts, accept, cells):
    """Print n training examples from question to target (green: in the loss; grey: the masked prompt), and n test answers."""
    task, tokenizer, colour = run.task, run.tokenizer, sys.stdout.isatty()
    paint = lambda text, code: f"\033[{code}m{text}\033[0m" if colour else text
    seed = run.options.seeds[0]
    targets = {m: {t["id"]: t for t in read_jsonl(run.out / f"targets-{m}.jsonl") if t["seed"] == seed} for m in run.missing(seed)}
    kinds = {}                   # one example of each source of the last method, then the next of each
    for e in drawn[seed]:
        kinds.setdefault(next((rows[e.id]["source"] for rows in reversed(targets.values()) if e.id in rows), "none"), []).append(e)
    turns = [kinds[k][i] for i in range(n) for k in kinds if i < len(kinds[k])]
    for e in turns[:n]:
        print(paint(f"\n=== {e.id}", 1) + f"\nquestion:   {asked(task, e)}")
        for source in ("own", "paraphrase"):
            for a in attempts[seed].get((e.id, source), []):
                v = accept(e, a["text"], source)
                verdict = f"{'accepted' if v.ok else 'refused'} ({v.rule}: {v.extracted}) {v.reason}"
                if a["finish_reason"] != "end":
                    verdict = "unfinished, never a target"
                print(f"{source + ':':11} {a['text']}\n            -> {verdict}")
            if (e.id, source) not in attempts[seed]:
                print(f"{source + ':':11} (no method came to need one)")
        print("gold:       " + task.gold(e).replace("\n", "\n            "))
        for method, rows in targets.items():
            if t := rows.get(e.id):
                prompt, answer = (tokenizer.bpe.decode(ids, skip_special_tokens=False) for ids in (t["prompt_ids"], t["ids"]))
                print(f"{method} trains on {t['source']}, {len(t['ids'])} tokens in the loss, {len(t['prompt_ids'])} masked:")
                print(paint(prompt, 90) + (paint(answer, 32) if colour else f"[{answer}]"))
            else:
                print(f"{method}: dropped, no source was accepted")
    examples = {e.id: e for e in measured[seed]["test"]}
    here = [(c, [a for i, a in enumerate(c["answers"]["test"]) if i == 0 or a["id"] != c["answers"]["test"][i - 1]["id"]])
            for c in cells if c["seed"] == seed and "answers" in c]      # (not one that --results had); of several answers to a question the first
    for i in range(min(n, len(here[0][1])) if here else 0):
        said = [(c, answers[i]) for c, answers in here]
        e = examples[said[0][1]["id"]]
        print(paint(f"\n=== test {e.id}", 1) + f"\nquestion:   {asked(task, e)}\ngold:       " + task.gold(e).replace("\n", "\n            "))
        for c, a in said:
            v = run.verdicts.score(e, a["text"])
            print(f"{run.name(c['method'], c['lr'], seed)}: {a['text']}\n            -> {'right' if v.ok else 'wrong'} ({v.rule}: {v.extracted})")
    print()
