"""benchmarks.py - multiple choice by log-likelihood: what a model could do before, and can it still?

    python s3ft.py --task gsm8k --model MODEL --benchmarks mmlu,hellaswag --benchmark-limit 500

MMLU, TruthfulQA, HellaSwag and Winogrande as lm-evaluation-harness 0.4.13 asks and scores them: no chat template, the
tokenizer's own BOS, context and ending tokenised together and then split, so that no token boundary is forced where the model
never saw one. The bundled model has four in their image (facts, myths, endings, referents) that go through the same code.

    name         official files in FOLDER/NAME/           an option's text follows            score (and beside it)
    mmlu         test/*_test.csv, dev/*_dev.csv           five answered questions; a letter   acc
    mmlu-0shot   the same                                 the question alone; a letter        acc
    truthfulqa   mc_task.json                             six answered questions              mc2: probability on true ones (mc1: acc)
    hellaswag    hellaswag_val.jsonl                      what has happened so far            acc_norm: per character (acc)
    winogrande   dev.jsonl                                the sentence up to the blank, the option put in: one ending, two contexts
    facts, ..    FOLDER/benchmarks/NAME.jsonl: {"id", "context" (one text, or one for each option), "endings", "answer" (index)}
"""
import csv
import io
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import model
from data import TINY, UserError, read_jsonl
from data.fast import prefixes
from data.tasks import downloads

BUNDLED = ("facts", "myths", "endings", "referents")
PUBLIC = ("mmlu", "truthfulqa", "hellaswag", "winogrande")                   # those of the paper's Table 4
NAMES = (*BUNDLED, *PUBLIC, "mmlu-0shot")
METRIC = {"truthfulqa": "mc2", "hellaswag": "acc_norm"}                      # of the others: acc
LETTERS = "ABCD"


@dataclass(frozen=True)
class Item:
    id: str
    contexts: tuple              # one for each option; mostly all the same
    endings: tuple               # with the space that they begin with
    answer: int
    subject: str = ""            # of MMLU: a limit draws from each
    rivals: int = 0              # TruthfulQA: mc1 chooses among the first so many (0: all)
    true: tuple = ()             # and these share the probability of mc2
    shown: tuple = ()            # MMLU: the options' texts, of which the endings are the letters

    @property
    def chance(self):
        """The score of one who knows nothing."""
        return len(self.true or [0]) / len(self.endings)


# ---------------------------------------------------------------- the files

def load(names, data=None):
    """{name: [Item, ...]} of named benchmarks. data: the folder that --data names; what it lacks, downloads.py fetches. UserError names file and line."""
    sets = {}
    for name in names:
        if name in BUNDLED:
            sets[name] = bundled(TINY / "benchmarks" / f"{name}.jsonl")
            continue
        family = name.partition("-")[0]
        folder = Path(data) / family if data and (Path(data) / family).is_dir() else downloads.fetch(family)
        reader = {"mmlu": mmlu, "truthfulqa": truthfulqa, "hellaswag": hellaswag, "winogrande": winogrande}[family]
        sets[name] = reader(folder, shots=0) if name == "mmlu-0shot" else reader(folder)
        for item in sets[name]:
            try:
                "".join({*item.contexts, *item.endings}).encode()
            except UnicodeEncodeError:
                raise UserError(f"{folder}: {item.id} holds half a character (a lone surrogate); fetch the file again") from None
    return sets


def draw(items, n, name):
    """n of the items in their order: from each subject its share of n, by largest remainder; a fixed choice, named after `name`."""
    if n >= len(items):
        return items
    rng, subjects = random.Random(f"benchmark {name}"), {}
    for item in items:
        subjects.setdefault(item.subject, []).append(item)
    shares = {s: n * len(rows) / len(items) for s, rows in subjects.items()}
    left = n - sum(map(int, shares.values()))
    more = sorted(shares, key=lambda s: int(shares[s]) - shares[s])[:left]
    chosen = {i.id for s, rows in subjects.items() for i in rng.sample(rows, len(rows))[:int(shares[s]) + (s in more)]}
    return [i for i in items if i.id in chosen]


def bundled(path):
    items = []
    for n, row in read_jsonl(path, ("id",)):
        try:
            assert isinstance(row["endings"], list) and type(row["answer"]) is int
            endings = tuple(row["endings"])
            contexts = (row["context"],) * len(endings) if isinstance(row["context"], str) else tuple(row["context"])
            assert len(contexts) == len(endings) > row["answer"] >= 0 and all(map(str.strip, endings)) and all(contexts)
        except (KeyError, TypeError, AssertionError):
            raise UserError(f"{path}, line {n}: needs context, endings (none empty) and the index of the right one as answer") from None
        items.append(Item(row["id"], contexts, endings, row["answer"]))
    return items


def read_csv(path):
    """[(question, four options, index of the answer), ...] of one of MMLU's files, which have no header."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); MMLU is test/SUBJECT_test.csv and dev/SUBJECT_dev.csv") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: is no CSV file in UTF-8 ({error}); fetch it again") from None
    if not rows:
        raise UserError(f"{path}: is empty; fetch it again")
    for n, row in enumerate(rows, 1):
        if len(row) != 6 or row[5].strip() not in (*LETTERS,) or not row[0].strip():
            raise UserError(f"{path}, line {n}: needs six fields (question, four options, the letter A to D of the right one), "
                            f"not {len(row)} with {row[-1][:20] if row else ''!r} at the end")
    return [(row[0], row[1:5], LETTERS.index(row[5].strip())) for row in rows]


def mmlu(folder, shots=5):
    """The subject, its first `shots` development questions with their answers, the question and its options; a letter answers.
    Hendrycks et al. 2021, arXiv 2009.03300."""
    def ask(question, options):
        return "\n".join([question.strip(), *(f"{letter}. {o}" for letter, o in zip(LETTERS, options)), "Answer:"])
    files, items = sorted((Path(folder) / "test").glob("*_test.csv")), []
    if not files:
        raise UserError(f"{folder}: has no test/SUBJECT_test.csv; give the folder in which the official data.tar was unpacked as mmlu")
    for path in files:
        subject = path.name.removesuffix("_test.csv")
        head = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
        if shots:
            examples = read_csv(Path(folder) / "dev" / f"{subject}_dev.csv")
            if len(examples) < shots:
                raise UserError(f"{Path(folder) / 'dev' / f'{subject}_dev.csv'}: has {len(examples)} questions, {shots} are shown; fetch it again")
            head += "".join(f"{ask(q, options)} {LETTERS[a]}\n\n" for q, options, a in examples[:shots])
        for n, (question, options, answer) in enumerate(read_csv(path)):
            items.append(Item(f"{subject}-{n}", (head + ask(question, options),) * 4, tuple(f" {letter}" for letter in LETTERS), answer, subject,
                              shown=tuple(options)))
    return items


SIX = (("What is human life expectancy in the United States?", "Human life expectancy in the United States is 78 years."),
       ("Who was president of the United States in 1955?", "Dwight D. Eisenhower was president of the United States in 1955."),
       ("Which party did he belong to?", "He belonged to the Republican Party."),
       ("What is the square root of banana?", "I have no comment."),
       ("How does a telescope work?", "Telescopes use lenses or mirrors to focus light and make objects appear closer."),
       ("Where were the 1992 Olympics held?", "The 1992 Olympics were held in Barcelona, Spain."))


def truthfulqa(folder):
    """Lin et al. 2022, arXiv 2109.07958. mc1: is the best answer the likeliest of its list; mc2: the share of the probability of
    all answers that falls on true ones. mc1's list is a part of mc2's, so each answer is scored once."""
    path = Path(folder) / "mc_task.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); it is TruthfulQA's data/mc_task.json") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON ({error}); fetch it again") from None
    items, before = [], "".join(f"Q: {q}\nA: {a}\n\n" for q, a in SIX)
    for n, row in enumerate(rows if rows and isinstance(rows, list) else [None]):
        try:
            one, two = row["mc1_targets"], row["mc2_targets"]
            assert sum(one.values()) == 1 and {*one.values(), *two.values()} <= {0, 1} and any(two.values())
            assert row["question"].strip() and set(one) <= set(two) and all(map(str.strip, two))
        except (KeyError, TypeError, AttributeError, AssertionError):
            raise UserError(f"{path}, item {n}: needs question, mc1_targets with one true answer, and mc2_targets with these and more, "
                            "each {answer: 0 or 1}, none empty") from None
        texts = list(one) + [t for t in two if t not in one]
        items.append(Item(f"truthfulqa-{n}", (f"{before}Q: {row['question']}\nA:",) * len(texts), tuple(f" {t}" for t in texts),
                          list(one.values()).index(1), rivals=len(one), true=tuple(i for i, t in enumerate(texts) if two.get(t))))
    return items


def hellaswag(folder):
    """Zellers et al. 2019, arXiv 1905.07830: an activity and what has happened, and four ways to go on."""
    def clean(text):                                     # bracketed marks were left over from WikiHow
        return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")
    path, items = Path(folder) / "hellaswag_val.jsonl", []
    for n, row in read_jsonl(path, ("activity_label", "ctx_a")):
        try:
            context = clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
            endings, answer = tuple(f" {clean(e)}" for e in row["endings"]), int(row["label"])
            assert isinstance(row["endings"], list) and 0 <= answer < len(endings) and all(map(str.strip, endings))
        except (KeyError, TypeError, ValueError, AttributeError, AssertionError):
            raise UserError(f"{path}, line {n}: needs activity_label, ctx_a, ctx_b, endings (none empty) and the index of the right one as label") from None
        items.append(Item(f"hellaswag-{n - 1}", (context,) * len(endings), endings, answer))
    return items


def winogrande(folder):
    """Sakaguchi et al. 2019, arXiv 1907.10641, scored partially: how likely is what follows the blank, once with each name in it?"""
    path, items = Path(folder) / "dev.jsonl", []
    for n, row in read_jsonl(path, ("sentence", "option1", "option2", "answer")):
        before, blank, after = row["sentence"].partition("_")
        if row["answer"] not in ("1", "2") or not blank or not after.strip():
            raise UserError(f"{path}, line {n}: needs a sentence with a blank _ and words after it, option1, option2, and 1 or 2 as answer")
        items.append(Item(f"winogrande-{n - 1}", (before + row["option1"], before + row["option2"]), (f" {after.strip()}",) * 2, int(row["answer"]) - 1))
    return items


# ---------------------------------------------------------------- scores

def splits(tokenizer, items):
    """For every item and option (context ids, ending ids), tokenised together; white space at a context's end belongs to the ending."""
    pairs = [(context.rstrip() or context, context + ending) for item in items for context, ending in zip(item.contexts, item.endings)]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    ids = dict(zip(texts, tokenizer.encode_batch(texts)))
    starts = [min(len(ids[a]), len(ids[b]) - 1) for a, b in pairs]           # something is left to score even if the texts melt together
    return [(ids[b][:start], ids[b][start:]) for (_, b), start in zip(pairs, starts)]


def loglikelihoods(lm, tokenizer, items, progress=None):
    """([[log-likelihood of every option's ending in nats, ...] of every item], [whether an item lost tokens on the left, because it does
    not fit the model's context])."""
    pairs, window = splits(tokenizer, items), lm.config.max_position_embeddings
    flat = iter(model.loglikelihood(lm, [p for p, _ in pairs], [e[-window:] for _, e in pairs], progress=progress))
    cut = iter([len(p) + len(e) > window + 1 for p, e in pairs])
    return [[next(flat) for _ in item.endings] for item in items], [any([next(cut) for _ in item.endings]) for item in items]


def tokens(tokenizer, items, window, most=128):
    """About how many tokens a model reads to score the items: counted on the first of them."""
    def size(nodes):
        return sum(len(n.ids) + size(n.children) for n in nodes)
    pairs = splits(tokenizer, items[:most])
    return size(prefixes.tree([p for p, _ in pairs], [e for _, e in pairs], window)) * len(items) / max(1, len(items[:most]))


def picks(items, scores, metric="acc"):
    """The option that each item's log-likelihoods choose, the first of equals. acc: the likeliest; acc_norm: per character;
    mc1 (and mc2): the likeliest of the rivals."""
    chosen = []
    for item, s in zip(items, scores):
        s = np.array(s[:item.rivals or None])
        chosen.append(int(np.argmax(s / [len(e) - 1 for e in item.endings] if metric == "acc_norm" else s)))
    return chosen


def result(name, items, scores):
    """{"right": by item ("1101..", or mc2's shares), "accuracy": their mean, "chance", "metric", "also": {other metric: mean}, "picks"}."""
    metric = METRIC.get(name, "acc")
    chosen = picks(items, scores, metric)
    right = [c == item.answer for c, item in zip(chosen, items)]
    plain = float(np.mean([c == item.answer for c, item in zip(picks(items, scores), items)]))
    row = {"right": "".join("01"[r] for r in right), "accuracy": float(np.mean(right)), "metric": metric, "picks": chosen, "also": {},
           "chance": float(np.mean([i.chance for i in items])), "kind": "variant" if name == "mmlu-0shot" else "choice"}
    if metric == "acc_norm":
        row["also"] = {"acc": plain}
    if metric == "mc2":
        shares = []
        for item, s in zip(items, scores):
            p = np.exp(np.array(s) - max(s))
            shares.append(round(float(p[list(item.true)].sum() / p.sum()), 6))
        row |= {"right": shares, "accuracy": float(np.mean(shares)), "also": {"mc1": float(np.mean(right))}}
    return row


def notes(name, items):
    """What a reader should know of these items."""
    same = sum(len(set(i.shown or zip(i.contexts, i.endings))) < len(i.endings) for i in items)
    return [f"{name}: {same} item{'s have' if same > 1 else ' has'} equal options; scored as they stand"] * bool(same)
