"""benchmarks.py - multiple choice by log-likelihood: what a model could do before, and can it still?

The bundled four are in the image of MMLU (facts), TruthfulQA (myths), HellaSwag (endings) and Winogrande (referents). An item is
one line of FOLDER/benchmarks/NAME.jsonl: {"id", "context" (a text, or one for each option), "endings", "answer" (index)}.
The option with the highest log-likelihood of its ending after its context is the model's pick. As in lm-eval, context and
ending are tokenised together and then split, so that no token boundary is forced where the model never saw one.
"""
from dataclasses import dataclass
from pathlib import Path

import model
from data import UserError, read_jsonl

NAMES = ("facts", "myths", "endings", "referents")


@dataclass(frozen=True)
class Item:
    id: str
    contexts: tuple              # one for each option; mostly all the same
    endings: tuple
    answer: int

    @property
    def chance(self):
        return 1 / len(self.endings)


def load(folder, names=NAMES):
    """{name: [Item, ...]} of the files that the folder holds."""
    sets = {}
    for name in names:
        path = Path(folder) / "benchmarks" / f"{name}.jsonl"
        if not path.is_file():
            continue
        sets[name] = []
        for n, row in read_jsonl(path, ("id",)):
            try:
                endings = tuple(row["endings"])
                contexts = (row["context"],) * len(endings) if isinstance(row["context"], str) else tuple(row["context"])
                assert len(contexts) == len(endings) > row["answer"] >= 0 and all(map(str.strip, endings))
            except (KeyError, TypeError, AssertionError):
                raise UserError(f"{path}, line {n}: needs context, endings (none empty) and the index of the right one as answer") from None
            sets[name].append(Item(row["id"], contexts, endings, row["answer"]))
    return sets


def split(tokenizer, context, ending):
    """(context ids, ending ids), tokenised together; white space at the context's end belongs to the ending (lm-eval)."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, ending = context[:-spaces], context[-spaces:] + ending
    whole = tokenizer.encode(context + ending)
    start = len(tokenizer.encode(context))
    return whole[:start], whole[start:]


def loglikelihoods(lm, tokenizer, items, progress=None):
    """For each item the log-likelihood of every option's ending: [[float, ...], ...], in nats."""
    pairs = [split(tokenizer, c, e) for item in items for c, e in zip(item.contexts, item.endings)]
    flat = iter(model.loglikelihood(lm, [p for p, _ in pairs], [e for _, e in pairs], progress=progress))
    return [[next(flat) for _ in item.endings] for item in items]


def right(items, scores):
    """For each item: is the likeliest option (the first of equals) the right one?"""
    return [max(range(len(s)), key=s.__getitem__) == item.answer for item, s in zip(items, scores)]
