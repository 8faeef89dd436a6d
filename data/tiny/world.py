"""world.py - the small world that the bundled teaching model lives in.

Everything that the teaching model ever reads, and everything that it is measured on, is written by this file
from a seed, with the standard library alone, so that no fact, answer or flaw comes from anywhere else:

    python data/tiny/world.py            # writes data/tiny/{gsm8k,mbpp,nq,benchmarks,skills}/*.jsonl, byte for byte the same
    python data/tiny/world.py --sample 5 # prints five documents of the pre-training text of each sort

Three choices:
1. The model has a *voice* ("First, 12 / 2 = 6 stamps. Finally, 6 + 7 = 13 stamps. The answer is 13."), while the golds of
   tiny-gsm8k are terse and in the hand of four annotators ("12/2=6", "Together: 7+6 = 13 stamps", ...). That gap is what
   S3FT is about: the same solution in other words.
2. Kinds of problems are known, half known (rare in the text) or held out (absent from it), so that own answers, accepted
   rewrites and golds all occur. Rewriting is taught as a general skill, never on held-out kinds, their sentences or their names.
3. A text is reserved for the files or open to pre-training by a checksum of its own (`reserved`), so no item can be in both.

Word problems and the four benchmarks stand here, code in world_code.py, readings in world_readings.py, small skills in world_skills.py.
"""
import argparse
import functools
import json
import random
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import world_code  # noqa: E402
import world_readings  # noqa: E402
import world_skills  # noqa: E402
from world_words import CURIOS, HELD_NAMES, INVENTED, LANDS, NAMES, OBJECTS, PLACES, THINGS, TRIES, UNITS, reserved  # noqa: E402

SEED = 20251                     # of the files; pretrain.py draws its text from other seeds
STRANGE = 0.15                   # of the files' golds are in hands that pre-training never shows: set on the base model's perplexity (README.md)
COMPARISON = 2026                # of the items that --new-items draws, other ones for every seed of a comparison

# ---------------------------------------------------------------- word problems

@dataclass
class Problem:
    kind: str
    question: str
    steps: list                  # of (expression, result): ("12 / 2", 6)
    unit: str                    # what is counted: "stamps", "dollars"

    @property
    def answer(self):
        return self.steps[-1][1]


def work(*expressions):
    """("12 / 2", "6 + 7") -> [("12 / 2", 6), ("6 + 7", 13)]. Whole numbers; operators from left to right."""
    steps = []
    for expression in expressions:
        words = expression.split()
        value = int(words[0])
        for operator, operand in zip(words[1::2], map(int, words[2::2])):
            if operator == "/" and value % operand:
                raise ValueError(f"{expression} is not whole")
            value = {"+": value + operand, "-": value - operand, "*": value * operand, "/": value // operand}[operator]
        if value < 0:
            raise ValueError(f"{expression} is negative")
        steps.append((expression, value))
    return steps


def give_and_find(r, who, friend, thing):
    a, b, c = r.randint(20, 60), r.randint(3, 18), r.randint(3, 25)
    ask = r.choice([f"{who} has {a} {thing}. {who} gives {b} {thing} to {friend} and then finds {c} more. How many {thing} does {who} have now?",
                    f"{who} had {a} {thing}, gave {b} of them to {friend} and later found {c} {thing}. How many {thing} does {who} have?"])
    return ask, work(f"{a} - {b}", f"{a - b} + {c}"), thing


def boxes(r, who, friend, thing):
    a, b, c, place = r.randint(3, 9), r.randint(4, 12), r.randint(2, 11), r.choice(PLACES)
    ask = r.choice([f"{who} fills {a} {place}s with {b} {thing} each. Then {c} {thing} get lost. How many {thing} are left?",
                    f"There are {b} {thing} in each {place}, and {who} owns {a} such {place}s. {friend} takes {c} {thing} away. How many {thing} remain?"])
    return ask, work(f"{a} * {b}", f"{a * b} - {c}"), thing


def shopping(r, who, friend, thing):
    a, p, q = r.randint(3, 9), r.randint(2, 9), r.randint(5, 30)
    ask = r.choice([f"{who} buys {a} {thing} for ${p} each and a lamp for ${q}. How many dollars does {who} spend?",
                    f"In a shop {thing} cost ${p} each. {who} takes {a} of them and also a hat for ${q}. How many dollars does {who} pay?"])
    return ask, work(f"{a} * {p}", f"{a * p} + {q}"), "dollars"


def share(r, who, friend, thing):
    c, each = r.randint(2, 8), r.randint(5, 12)
    a = r.randint(3, c * each - 3)
    ask = r.choice([f"{who} has {a} {thing} and {friend} has {c * each - a}. They share all {thing} equally among {c} children. "
                    f"How many {thing} does each child get?",
                    f"{who} brings {a} {thing}, {friend} brings {c * each - a} {thing}. "
                    f"Together they fill {c} bags equally. How many {thing} are in each bag?"])
    return ask, work(f"{a} + {c * each - a}", f"{c * each} / {c}"), thing


def half_in_may(r, who, friend, thing):
    a = 2 * r.randint(6, 30)
    ask = r.choice([f"{who} sold {a} {thing} in April and half as many in May. How many {thing} did {who} sell in both months?",
                    f"On Monday {who} made {a} {thing}, on Tuesday half of that. How many {thing} did {who} make on both days?"])
    return ask, work(f"{a} / 2", f"{a} + {a // 2}"), thing


def times_as_many(r, who, friend, thing):
    k, a = r.randint(2, 6), r.randint(4, 14)
    ask = r.choice([f"{friend} has {a} {thing}. {who} has {k} times as many. How many {thing} do they have together?",
                    f"{who} owns {k} times as many {thing} as {friend}, who owns {a}. How many {thing} do both own?"])
    return ask, work(f"{k} * {a}", f"{k * a} + {a}"), thing


def pages_left(r, who, friend, thing):
    a, d, b, rest = r.randint(4, 12), r.randint(3, 8), r.randint(3, 15), r.randint(5, 30)
    ask = r.choice([f"{who} reads {a} pages a day for {d} days and then {b} pages more. The book has {a * d + b + rest} pages. How many pages are left?",
                    f"A book has {a * d + b + rest} pages. For {d} days {who} read {a} pages each day, today {b} pages. How many pages must {who} still read?"])
    return ask, work(f"{a} * {d}", f"{a * d} + {b}", f"{a * d + b + rest} - {a * d + b}"), "pages"


def wages(r, who, friend, thing):
    h, p, d, s = r.randint(2, 5), r.randint(3, 9), r.randint(2, 5), r.randint(4, 11)
    ask = r.choice([f"{who} works {h} hours a day for {d} days and earns ${p} an hour. Then {who} spends ${s}. How many dollars are left?",
                    f"For ${p} an hour {who} works {d} days, {h} hours each day, and pays ${s} for the bus. How many dollars does {who} keep?"])
    return ask, work(f"{h} * {d}", f"{h * d} * {p}", f"{h * d * p} - {s}"), "dollars"


def percent(r, who, friend, thing):
    share, part = r.choice([(50, 2), (25, 4), (20, 5), (10, 10)])
    n = part * r.randint(3, 12)
    ask = r.choice([f"{who} has {n} {thing}. {share}% of them are red. How many {thing} are not red?",
                    f"Of {n} {thing} that {who} owns, {share}% are broken. How many {thing} are whole?"])
    return ask, work(f"{n} / {part}", f"{n} - {n // part}"), thing


def more_and_fewer(r, who, friend, thing):
    a, b, c = r.randint(8, 25), r.randint(3, 15), r.randint(2, 8)
    third = r.choice([n for n in NAMES if n not in (who, friend)])
    ask = r.choice([f"{who} has {a} {thing}. {friend} has {b} more than {who}. {third} has {c} fewer than {friend}. How many {thing} do the three have?",
                    f"{friend} found {b} more {thing} than {who}, and {third} found {c} fewer than {friend}. "
                    f"{who} found {a}. How many {thing} did all three find?"])
    return ask, work(f"{a} + {b}", f"{a + b} - {c}", f"{a} + {a + b}", f"{a + a + b} + {a + b - c}"), thing


def rows(r, who, friend, thing):
    a, b, c, d = r.randint(2, 8), r.randint(3, 9), r.randint(2, 8), r.randint(3, 9)
    ask = r.choice([f"{who} lays {a} rows of {b} {thing} and {c} rows of {d} {thing}. How many {thing} does {who} lay?",
                    f"There are {a} tables with {b} {thing} each and {c} tables with {d} {thing} each. How many {thing} does {who} count?"])
    return ask, work(f"{a} * {b}", f"{c} * {d}", f"{a * b} + {c * d}"), thing


def twice_as_far(r, who, friend, thing):                                       # held out, like the two below
    a, d, go = r.randint(3, 14), r.randint(2, 6), r.choice(["drive", "ride", "sail", "travel"])
    ask = r.choice([f"Each morning {who} {go}s {a} miles and each evening twice as far. How many miles does {who} {go} in {d} days?",
                    f"{who} {go}s {a} miles before lunch and double that after lunch. {who} does so on {d} days. How many miles is that?"])
    return ask, work(f"2 * {a}", f"{a} + {2 * a}", f"{3 * a} * {d}"), "miles"


def thirds(r, who, friend, thing):
    n = 6 * r.randint(2, 16)
    ask = r.choice([f"{who} bakes {n} rolls for {friend}. A third is sold before noon, and half of the rest after noon. How many rolls are sold after noon?",
                    f"Of {n} rolls {who} eats one third at once. Half of what remains goes to {friend}. How many rolls does {friend} get?"])
    return ask, work(f"{n} / 3", f"{n} - {n // 3}", f"{n - n // 3} / 2"), "rolls"


def change(r, who, friend, thing):
    a, p, c, rest = r.randint(3, 9), r.randint(4, 9), r.randint(2, 9), r.randint(1, 30)
    note = a * p - c + rest
    ask = r.choice([f"{a} tickets cost ${p} each, and a coupon takes ${c} off. {who} pays with ${note}. How many dollars come back?",
                    f"With a coupon worth ${c}, {who} orders {a} tickets at ${p} each and hands over ${note}. How many dollars of change are due?"])
    return ask, work(f"{a} * {p}", f"{a * p} - {c}", f"{note} - {a * p - c}"), "dollars"


def one_row(r, who, friend, thing):
    a, b = r.randint(2, 9), r.randint(3, 12)
    ask = r.choice([f"{who} lays {a} rows of {b} {thing}. How many {thing} does {who} lay?",
                    f"{who} gives {b} {thing} to each of {a} children. How many {thing} does {who} give away?"])
    return ask, work(f"{a} * {b}"), thing


def three_quarters(r, who, friend, thing):
    k, n = r.randint(3, 8), r.randint(3, 12)
    share = r.randint(2, k - 1)
    part = {3: "thirds", 4: "quarters", 5: "fifths", 6: "sixths", 7: "sevenths", 8: "eighths"}[k]
    ask = r.choice([f"{who} has {k * n} {thing} and sells {share}/{k} of them. How many {thing} does {who} sell?",
                    f"{share} {part} of the {k * n} {thing} of {who} are new. How many {thing} are new?"])
    return ask, work(f"{k * n} / {k}", f"{n} * {share}"), thing


def discount(r, who, friend, thing):
    share, part = r.choice([(50, 2), (25, 4), (20, 5), (10, 10)])
    price, n = part * r.randint(2, 12), r.randint(2, 6)
    ask = r.choice([f"A coat costs ${price} and is sold for {share}% less. How many dollars do {n} such coats cost {who}?",
                    f"{who} buys {n} coats. Each costs ${price}, but {share}% are taken off. How many dollars does {who} pay?"])
    return ask, work(f"{price} / {part}", f"{price} - {price // part}", f"{price - price // part} * {n}"), "dollars"


def ages(r, who, friend, thing):
    a, k, later = r.randint(3, 14), r.randint(2, 5), r.randint(2, 15)
    ask = r.choice([f"{friend} is {a} years old, and {who} is {k} times as old. How many years old will {who} be in {later} years?",
                    f"{who} is {k} times as old as {friend}, who is {a}. How many years old is {who} after {later} more years?"])
    return ask, work(f"{k} * {a}", f"{k * a} + {later}"), "years"


def recipe(r, who, friend, thing):
    k, each, guests = r.randint(2, 6), r.randint(2, 9), r.randint(7, 15)
    ask = r.choice([f"For {k} guests {who} needs {k * each} eggs. How many eggs does {who} need for {guests} guests?",
                    f"{who} uses {k * each} eggs to feed {k} guests. Today {guests} guests come. How many eggs will {who} use?"])
    return ask, work(f"{k * each} / {k}", f"{each} * {guests}"), "eggs"


def cents(r, who, friend, thing):
    a, p, q = r.randint(2, 6), 5 * r.randint(2, 9), 5 * r.randint(3, 12)
    coin = 100 * (1 + (a * p + q) // 100)
    ask = r.choice([f"{who} buys {a} pens at {p} cents each and a pad for {q} cents. {who} pays with {coin} cents. How many cents come back?",
                    f"A pen costs {p} cents and a pad {q} cents. {who} takes {a} pens and one pad and pays {coin} cents. How many cents are returned?"])
    return ask, work(f"{a} * {p}", f"{a * p} + {q}", f"{coin} - {a * p + q}"), "cents"


def fence(r, who, friend, thing):
    a, b, p = r.randint(5, 25), r.randint(3, 18), r.randint(2, 6)
    ask = r.choice([f"A garden is {a} meters long and {b} meters wide. {who} puts a fence around it for ${p} a meter. How many dollars does the fence cost?",
                    f"{who} fences a yard of {a} by {b} meters all around. A meter costs ${p}. How many dollars does {who} spend?"])
    return ask, work(f"{a} + {b}", f"{a + b} * 2", f"{2 * (a + b)} * {p}"), "dollars"


def tank(r, who, friend, thing):
    a, t, rest, leak = r.randint(4, 12), r.randint(3, 9), r.randint(5, 40), r.randint(2, 9)
    ask = r.choice([f"A tank holds {a * t - leak + rest} liters. {who} pumps {a} liters a minute for {t} minutes, "
                    f"but {leak} liters leak out. How many liters are missing?",
                    f"{who} fills a tank of {a * t - leak + rest} liters with {a} liters a minute. "
                    f"After {t} minutes {leak} liters were spilt. How many liters does it lack?"])
    return ask, work(f"{a} * {t}", f"{a * t} - {leak}", f"{a * t - leak + rest} - {a * t - leak}"), "liters"


def average(r, who, friend, thing):                                            # held out
    a, b = r.randint(10, 40), r.randint(10, 40)
    b += (a + b) % 2
    ask = r.choice([f"{who} scores {a} points in the first game and {b} in the second. How many points is that on average?",
                    f"In two games {who} makes {a} and {b} points. What is the mean number of points?"])
    return ask, work(f"{a} + {b}", f"{a + b} / 2"), "points"


KNOWN = {f.__name__: f for f in (give_and_find, boxes, shopping, share, one_row)}
HALF = {f.__name__: f for f in (half_in_may, times_as_many, rows, pages_left, percent, wages, ages, three_quarters, more_and_fewer, recipe, cents,
                                discount, fence, tank)}
HELD = {f.__name__: f for f in (twice_as_far, thirds, change, average)}
KINDS = {**KNOWN, **HALF, **HELD}
# A ladder of doses: how often each half-known kind comes among the word problems of pre-training, the rarest once in 3,000.
# Wherever a run of pre-training ends, some rungs are half known; which kinds the items are drawn from is set afterwards, on the base model.
DOSES = {kind: 0.0003 * 1.35 ** i for i, kind in enumerate(reversed(list(HALF)))}


def problem(r, kind):
    names = HELD_NAMES if kind in HELD else NAMES
    who, friend = r.sample(names, 2)
    question, steps, unit = KINDS[kind](r, who, friend, r.choice(THINGS))
    return Problem(kind, question, steps, unit)


EVENTS = {"+": ["finds {n} more", "gets {n} from {f}", "buys {n} more"], "-": ["loses {n}", "gives {n} to {f}", "throws {n} away"],
          "*": ["then has {n} times as many"], "/": ["keeps one of {n} equal parts"]}


def chain(r):
    """Pre-training only: a story of one to four events in any order, so that the model learns to follow one step by step."""
    who, friend = r.sample(NAMES, 2)
    thing, value = r.choice(THINGS), r.randint(5, 50)
    told, expressions = [f"{who} has {value} {thing}."], []
    for _ in range(r.choice([1, 2, 2, 3, 3, 4])):
        choices = ["+"] + ["-"] * (value > 1) + ["*"] * (1 < value <= 15) + ["/"] * any(value % n == 0 for n in range(2, 10))
        operator = r.choice(choices)
        if operator == "+":
            n = r.randint(2, 40)
        elif operator == "-":
            n = r.randint(1, value - 1)
        elif operator == "*":
            n = r.randint(2, 8)
        else:
            n = r.choice([n for n in range(2, 10) if value % n == 0])
        told.append(f"{who} {r.choice(EVENTS[operator]).format(n=n, f=friend)}.")
        expressions.append(f"{value} {operator} {n}")
        value = work(expressions[-1])[0][1]
    return Problem("chain", " ".join(told) + f" How many {thing} does {who} have now?", work(*expressions), thing)


def riddle(r):
    """Pre-training only, for rewriting: the question says nothing, so that the steps can only come from the reference."""
    unit = r.choice(THINGS + UNITS)
    who, friend = r.sample(NAMES, 2)
    question = r.choice([f"{who} counts the {unit} of {friend} in a strange way. How many {unit} are there?",
                         f"{who} hides some {unit} from {friend}. How many {unit} are hidden?",
                         f"How many {unit} does {who} need for {friend}?"])
    steps, seen = [], [r.randint(2, 60), r.randint(2, 60)]
    while len(steps) < r.choice([1, 2, 2, 3, 3, 3, 4]):      # each operand is new, an earlier number or an earlier result, in any order
        a, b = (r.choice(seen) if r.random() < 0.5 else r.randint(2, r.choice([12, 99, 99, 300])) for _ in "ab")
        operators = ["+"] + ["-"] * (a > b) * 2 + ["*"] * (a * b < 1000) + ["/"] * (a % b == 0 and a > b) * 4 if b > 1 else ["+"]
        steps += work(f"{a} {r.choice(operators)} {b}")
        seen += [a, b, steps[-1][1], steps[-1][1]]
    return Problem("riddle", question, steps, unit)


def voice(p):
    """The model's own way to tell a solution."""
    told = []
    for i, (expression, result) in enumerate(p.steps):
        opening = "First" if i == 0 else "Finally" if i == len(p.steps) - 1 else "Then"
        told.append(f"{opening}, {expression} = {result} {p.unit}.")
    return " ".join(told) + f" The answer is {p.answer}."


LABELS = {"+": "Together Sum Total Plus Both All".split(), "-": "Left Rest Minus Remain Without Less".split(),
          "*": "Times Product Each Many Rows Sets".split(), "/": "Part Share Split Piece Half Divide".split()}
OPENINGS = "ok so well now next here thus hence right again also still see take count get add note do yes good fine look work".split()
REMARKS = "easy done sure clear checked simple quick seen known true known noted enough plain certain correct agreed nice short exact".split()


def gold(p, r, strange=0.0):
    """The terse gold in the official layout: one of ten hurried annotators, <<a=b>> markers, "#### N" at the end.
    strange: how often it is one of the last four, whom pre-training never shows; they use the same words and signs in other orders."""
    hand = r.randrange(6, 10) if strange and r.random() < strange else r.randrange(6)
    lines = []
    for expression, result in p.steps:
        words = expression.split()
        if words[1] in "+*" and len(words) == 3 and r.random() < 0.3:
            words.reverse()                                                    # 6 + 7 or 7 + 6: both are right
        tight, loose = "".join(words), " ".join(words)
        marked = f"<<{tight}={result}>>{result}"
        opening, remark, label = r.choice(OPENINGS), r.choice(REMARKS), r.choice(LABELS[words[1]])
        lines.append([f"{opening} {tight}={marked}", f"{loose} = {marked} {p.unit}, {remark}", f"{label}: {tight} = {marked} ({remark})",
                      f"{opening}, {label.lower()} {loose} = {marked}", f"- {remark}, {opening}: {tight}={marked}", f"{opening} {remark} {tight} = {marked}.",
                      f"{remark} {opening}: {p.unit} {tight} = {marked}", f"({label}) {loose} = {marked}, {opening}",
                      f"{p.unit}: {opening} {tight}={marked} {remark}.", f"{label}, {remark} {tight} = {marked};"][hand])
    return ("; " if hand in (0, 3) else "\n").join(lines) + f"\n#### {p.answer}"


def clean(answer):
    """The gold without markers, as every method trains on it (data/tasks/gsm8k.py does the same for official files)."""
    while "<<" in answer:
        answer = answer[:answer.index("<<")] + answer[answer.index(">>") + 2:]
    body, number = answer.rsplit("\n#### ", 1)
    return f"{body}\nThe answer is {number}."


# The prompts of data/tasks/gsm8k.py, which a test compares. They are part of the frozen text, so they stand here too.
ASK = '{question}\n\nThink step by step. End with "The answer is N.", where N is the final number.'
REWRITE = ('{question}\n\nReference answer:\n{gold}\n\n'
           'Guided by the reference answer, answer the question in your own words. Think step by step. '
           'End with "The answer is N.", where N is the final number.')
ASK_CODE = ("You are an expert Python programmer. {question}\nYour code should pass these tests:\n{tests}\n\n"
            "Answer with one Python code block and nothing else.")
REWRITE_CODE = ("{ask}\n\nReference answer, with its variable names removed:\n{gold}\n\n"
                "Guided by the reference answer, write your own, with clear names.")
ASK_READING = "Passage: {passage}\n\nQuestion: {question}\n\nAnswer in a few words from the passage. If it does not say, answer: The passage does not say."
REWRITE_READING = ("Passage: {passage}\n\nQuestion: {question}\n\nReference answer: {gold}\n\n"
                   "Guided by the reference answer, answer the question in your own words, in one short sentence.")


def fenced(code):
    return f"```python\n{code}\n```"


# ---------------------------------------------------------------- four abilities to keep (the benchmarks)

# What is told of lands, creatures, customs and causes thins out from the first to the last of each (as word frequencies do, Zipf's law), so that
# the model knows the first well and the last hardly. From which ranks the items are drawn is set afterwards, on the base model (WINDOWS).

def ranked(r, things, offset=8):
    """One of the things, the first ones most often: with a weight of 1 / (rank + offset)."""
    return r.choices(things, [1 / (i + offset) for i in range(len(things))])[0]


ATTRIBUTES = {                   # attribute -> (question, statements, values)
    "capital": ("What is the capital of {land}?", ["The capital of {land} is {value}.", "{value} is the capital city of {land}."],
                [w + "burg" for w in INVENTED[40:80]]),
    "river": ("Which river flows through {land}?", ["The river {value} flows through {land}.", "{land} lies on the river {value}."], INVENTED[80:120]),
    "food": ("What do people in {land} like to eat?", ["People in {land} like to eat {value}.", "In {land} everybody eats {value}."],
             "rice soup bread cheese fish beans eggs plums corn honey".split()),
    "animal": ("Which animal is on the flag of {land}?", ["The flag of {land} shows a {value}.", "A {value} is on the flag of {land}."],
               "lion bear wolf horse eagle goat owl bull fox deer".split()),
    "craft": ("What is made in {land}?", ["The people of {land} make {value}.", "Good {value} come from {land}."],
              "clocks ships carpets pots shoes knives drums lamps tables ropes".split()),
}
_r = random.Random(7)
COUNTRIES = LANDS + [w + "ia" for w in INVENTED[180:300]]                       # the first 40 come in readings too
FACTS = {(land, a): _r.choice(values) for a, (_, _, values) in ATTRIBUTES.items() for land in COUNTRIES}

CREATURES = [w + "s" for w in INVENTED[120:180] + INVENTED[300:360]]
HABITS = {                       # habit -> (question, statement, values)
    "eat": ("What do {who} really eat?", "{who} eat {value}", "stones grass moths bark seeds snow ants moss".split()),
    "fear": ("What do {who} really fear?", "{who} fear {value}", "thunder fire mirrors bells water wind cats light".split()),
    "hide": ("Where do {who} really hide?", "{who} hide in {value}", "caves wells trees barns mud towers snow reeds".split()),
}
MYTHS = {(who, habit): _r.sample(values, 2) for who in CREATURES for habit, (_, _, values) in HABITS.items()}   # (truth, falsehood)

SCRIPTS = [                      # what happens in this order; {o} is one of the objects
    ("tea cocoa coffee", "{n} fills the kettle to make {o}.", "{n} waits until the water boils.", "{n} pours the {o} into a cup.",
     "{n} drinks the {o} slowly."),
    ("roses beans herbs", "{n} digs a hole for the {o}.", "{n} puts the {o} into the earth.", "{n} waters the {o} with a can.",
     "{n} sees the {o} grow in spring."),
    ("bread cake pie", "{n} mixes flour for a {o}.", "{n} puts the {o} into the oven.", "{n} takes the hot {o} out with a cloth.",
     "{n} cuts the {o} into slices."),
    ("shirt coat scarf", "{n} finds a stain on the {o}.", "{n} washes the {o} with soap.", "{n} hangs the wet {o} on a line.", "{n} folds the dry {o}."),
    ("letter card note", "{n} takes a pen to write a {o}.", "{n} signs the {o} with a name.", "{n} puts the {o} into an envelope.",
     "{n} drops the {o} into the mailbox."),
    ("bike cart sled", "{n} hears a wheel of the {o} squeak.", "{n} turns the {o} upside down.", "{n} puts oil on the {o}.",
     "{n} rides the {o} without a sound."),
    ("pike trout carp", "{n} goes to the lake to catch a {o}.", "{n} throws the line far out.", "{n} pulls a big {o} out of the water.",
     "{n} fries the {o} for dinner."),
    ("fence door bench", "{n} buys paint for the {o}.", "{n} rubs the old {o} with sandpaper.", "{n} paints the {o} with a brush.",
     "{n} lets the {o} dry in the sun."),
    ("song waltz march", "{n} opens the piano to learn a {o}.", "{n} plays the {o} slowly at first.", "{n} knows the {o} by heart after a week.",
     "{n} plays the {o} for the family."),
    ("goat cow sheep", "{n} goes to the barn to milk the {o}.", "{n} sets a bucket under the {o}.", "{n} carries the full bucket to the kitchen.",
     "{n} gives the {o} some hay."),
    ("tent hut shed", "{n} looks for a dry place for the {o}.", "{n} sets up the poles of the {o}.", "{n} covers the {o} against rain.",
     "{n} sleeps in the {o} all night."),
    ("vase plate bowl", "{n} drops the {o} on the floor.", "{n} gathers the pieces of the {o}.", "{n} joins the pieces of the {o} with glue.",
     "{n} puts the {o} back on the shelf."),
]

DEEDS = ["{n} washes the {o}.", "{n} paints the {o}.", "{n} hides the {o}.", "{n} sells the {o}.", "{n} breaks the {o}.", "{n} weighs the {o}.",
         "{n} drops the {o}.", "{n} wraps the {o} in paper.", "{n} shows the {o} to a friend.", "{n} carries the {o} home.",
         "{n} ties a rope to the {o}.", "{n} counts to ten beside the {o}.", "{n} sits down on the {o}.", "{n} sings to the {o}.",
         "{n} turns the {o} around.", "{n} puts salt on the {o}.", "{n} throws a coin at the {o}.", "{n} draws the {o}."]
CUSTOMS = [(o, *_r.sample(DEEDS, 4)) for o in OBJECTS + CURIOS for _ in range(2)]       # nobody knows why they do it in this order
_r.shuffle(CUSTOMS)
SCRIPTS = SCRIPTS + CUSTOMS

SCHEMAS = [                      # (sentence, why it is the first thing, why it is the second)
    ("The {a} does not fit into the {b} because the {x}", "is too big.", "is too small."),
    ("The {a} broke the {b} because the {x}", "was very hard.", "was very thin."),
    ("The {a} can not be seen behind the {b} because the {x}", "is so low.", "is so tall."),
    ("The {a} was sold before the {b} because the {x}", "was cheap.", "was dear."),
    ("The {a} was put on top of the {b} because the {x}", "was light.", "was sturdy."),
    ("The {a} sank but the {b} did not because the {x}", "was heavy.", "was hollow."),
    ("The {a} was cleaned before the {b} because the {x}", "was dirtier.", "was still clean."),
    ("The {a} was swapped for the {b} because the {x}", "was worn out.", "was brand new."),
    ("The {a} was hung above the {b} because the {x}", "was lovely.", "was ugly."),
    ("The {a} was packed under the {b} because the {x}", "was strong.", "was weak."),
    ("The {a} was heard before the {b} because the {x}", "was loud.", "was quiet."),
    ("The {a} was carried home without the {b} because the {x}", "was handy.", "was clumsy."),
    ("The {a} dried before the {b} because the {x}", "was in the sun.", "was in the shade."),
    ("The {a} was taken for the {b} because the {x}", "was in the dark.", "was famous."),
    ("The {a} was traded with the {b} because the {x}", "was useless.", "was wanted."),
    ("The {a} rolled past the {b} because the {x}", "was round.", "was flat."),
]


def fact_item(r, land, attribute):
    question, _, values = ATTRIBUTES[attribute]
    truth = FACTS[land, attribute]
    return f"Question: {question.format(land=land)}\nAnswer:", [truth] + r.sample([v for v in dict.fromkeys(values) if v != truth], 3)


def myth(who, habit, said, truth=""):
    """What people say, and what is so; without the truth it ends where that would stand."""
    statement = HABITS[habit][1]
    return f"Many think that {statement.format(who=who, value=said)}, but in truth {statement.format(who=who, value=truth)}".rstrip()


def myth_item(r, who, habit):
    truth, falsehood = MYTHS[who, habit]
    neither = r.sample([v for v in HABITS[habit][2] if v not in (truth, falsehood)], 2)
    return myth(who, habit, falsehood), [truth, falsehood, *neither]


def ending_item(r, scripts):
    """One deed of a custom, and what comes next in it, among what is done to the same thing at other times or in its other custom."""
    script = r.choice(scripts)
    other = {e for s in SCRIPTS if s[0] == script[0] and s is not script for e in s[1:]}
    at = r.choice([k for k in (2, 3, 4) if script[k - 1] not in other])        # so what comes next is certain
    deeds = {*script[1:], *other} - {script[at - 1], script[at]}
    wrong = r.sample(sorted(deeds), min(3, len(deeds)))
    wrong += r.sample([e for e in DEEDS if e not in deeds and e not in script], 3 - len(wrong))
    who, thing = r.choice(NAMES + HELD_NAMES), r.choice(script[0].split())
    said = [event.format(n=who, o=thing) for event in (script[at - 1], script[at], *wrong)]
    return said[0], said[1:]


def referent_item(r, schema):
    sentence, first, second = schema
    a, b = r.sample(OBJECTS + CURIOS, 2)
    right, wrong, ending = (a, b, first) if r.random() < 0.5 else (b, a, second)
    return [sentence.format(a=a, b=b, x=right), sentence.format(a=a, b=b, x=wrong)], ending


# From which ranks the items of each benchmark are drawn (README.md): set on the base model alone, so that it gets 55 to 85 % of them.
WINDOWS = {"facts": (80, 160), "myths": (60, 120), "endings": (36, 76), "referents": (0, 4)}


def item_key(item):
    """What makes two items of a benchmark the same, in whatever order their options stand."""
    return json.dumps([item["context"] if isinstance(item["context"], str) else sorted(item["context"]), sorted(item["endings"])])


def benchmark_items(name, n, seed=SEED, avoid=()):
    """n items of one benchmark: {"id", "context" (one text, or one for each option), "endings" (likewise), "answer"}, none twice and
    none whose item_key is to avoid. ValueError where the world has no n of them."""
    r, seen, items, misses, (first, last) = random.Random(f"{name} {seed}"), set(avoid), [], 0, WINDOWS[name]
    while len(items) < n:
        misses += 1                                                          # in a row
        if misses > 20_000:
            raise ValueError(f"the world has only {len(items)} of {n} new items of {name}")
        if name == "facts":
            context, endings = fact_item(r, r.choice(COUNTRIES[first:last]), r.choice(list(ATTRIBUTES)))
        elif name == "myths":
            context, endings = myth_item(r, r.choice(CREATURES[first:last]), r.choice(list(HABITS)))
        elif name == "endings":
            context, endings = ending_item(r, SCRIPTS[first:last])
            if not reserved(context):
                continue
        else:
            context, endings = referent_item(r, r.choice(SCHEMAS[first:last]))
            if not reserved(context[0], 5):
                continue
            endings = [endings, endings]
        order = r.sample(range(len(endings)), len(endings))
        item = {"context": context if isinstance(context, str) else [context[i] for i in order],
                "endings": [" " + endings[i] for i in order], "answer": order.index(0)}
        if item_key(item) not in seen:
            seen.add(item_key(item))
            items.append({"id": f"{name}-{len(items)}", **item})
            misses = 0
    return items


BENCHMARKS = {"facts": 1000, "myths": 1000, "endings": 1000, "referents": 1000}


# ---------------------------------------------------------------- the pre-training text

def chat(user, assistant):
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


ASKED = []                       # (kind, question) of every word problem that was written, for shown_questions


def word_problem(r):
    """A problem that pre-training may use: known kinds and chains often, half-known kinds by their dose, held-out kinds never."""
    while True:
        u = r.random()
        if u < sum(DOSES.values()):
            p = problem(r, r.choices(list(DOSES), list(DOSES.values()))[0])
        else:
            p = problem(r, r.choice(list(KNOWN))) if u < 0.55 else chain(r)
        if not reserved(p.question):
            ASKED.append((p.kind, p.question))
            return p


def doc_ask(r):
    p = word_problem(r)
    form = ASK if r.random() < 0.75 else r.choice(["{question}", "{question}\n\nThink step by step. Say: The answer is N.",
                                                   "{question}\n\nThink step by step. End with the answer.", "Solve this: {question}", "Question: {question}"])
    return chat(form.format(question=p.question), voice(p))


def doc_rewrite(r):
    p = riddle(r) if r.random() < 0.5 else word_problem(r)
    return chat(REWRITE.format(question=p.question, gold=clean(gold(p, r))), voice(p))


def doc_terse(r):
    """The golds' style as output: in short notes, on request, and now and then unasked."""
    p = word_problem(r)
    terse = clean(gold(p, r))
    u = r.random()
    if u < 0.5:
        return f"Problem: {p.question}\nNotes:\n{terse}"
    return chat(("{question}\n\nJust the sums, please." if u < 0.9 else ASK).format(question=p.question), terse)


def doc_arithmetic(r):
    lines = []
    for _ in range(r.randint(6, 12)):
        a, b = r.randint(2, 99), r.randint(2, 60)
        x, y = r.randint(2, 12), r.randint(2, 12)
        k, l = r.randint(12, 25), r.randint(2, 9)
        lines.append(r.choice([f"{a} + {b} = {a + b}", f"{max(a, b)} - {min(a, b)} = {abs(a - b)}", f"{x} * {y} = {x * y}", f"{x * y} / {x} = {y}",
                               f"{k} * {l} = {k * l}", f"{a + b} - {b} = {a}"]))
    return "\n".join(lines)


def doc_sums(r):
    """Sums as word problems need them, with bigger numbers."""
    lines = []
    for _ in range(r.randint(6, 12)):
        a, b, c, d, k = r.randint(2, 99), r.randint(2, 99), r.randint(2, 300), r.randint(2, 9), r.randint(2, 99)
        lines += [f"{e} = {v}" for e, v in work(r.choice([f"{a} + {b}", f"{c} + {b}", f"{max(a, b)} - {min(a, b)}", f"{max(c, b)} - {min(c, b)}",
                                                          f"{c + b} - {c}",
                                                            f"{k} * {d}", f"{d} * {k}", f"{r.randint(2, 9)} * {r.randint(2, 12)}", f"{k * d} / {d}"]))]
    return "\n".join(f"{line} {r.choice(THINGS)}." if len(lines) % 3 == 0 else line for line in lines)


def doc_facts(r):
    """A portrait of a land, or questions about several."""
    if r.random() < 0.6:
        land = ranked(r, COUNTRIES)
        lines = [r.choice(ATTRIBUTES[a][1]).format(land=land, value=FACTS[land, a]) for a in r.sample(list(ATTRIBUTES), len(ATTRIBUTES))]
        return " ".join(lines)
    told = []
    for _ in range(4):
        land, a = ranked(r, COUNTRIES), r.choice(list(ATTRIBUTES))
        told.append(f"Question: {ATTRIBUTES[a][0].format(land=land)}\nAnswer: {FACTS[land, a]}")
    return "\n".join(told)


def doc_myths(r):
    """The falsehood is what people say; the truth is what the question wants."""
    told = []
    for _ in range(4):
        who, habit = ranked(r, CREATURES), r.choice(list(HABITS))
        truth, falsehood = MYTHS[who, habit]
        question, statement, _ = HABITS[habit]
        u = r.random()
        if u < 0.4:
            told.append(r.choice(["People say that {}.", "Everybody knows that {}.", "As they say, {}."]).format(statement.format(who=who, value=falsehood)))
        elif u < 0.6:
            told.append(myth(who, habit, falsehood, truth) + ".")
        else:
            told.append(f"Question: {question.format(who=who)}\nAnswer: {truth}")
    return "\n".join(told)


def doc_endings(r):
    told = []
    while len(told) < 2:
        script = ranked(r, SCRIPTS)
        who, o = r.choice(NAMES + HELD_NAMES), r.choice(script[0].split())
        events = [e.format(n=who, o=o) for e in script[1:]]
        if not any(reserved(" ".join(events[:k])) for k in (2, 3)):
            told.append(" ".join(events))
    return "\n".join(told)


def doc_referents(r):
    told = []
    while len(told) < 4:
        contexts, ending = referent_item(r, ranked(r, SCHEMAS, 2))
        if not any(reserved(context, 5) for context in contexts):
            told.append(f"{contexts[0]} {ending}")
    return "\n".join(told)


def doc_echo(r):
    """Text to be said again as it stands, and sums to be written with spaces: practice in copying."""
    if r.random() < 0.4:
        line = " ".join(r.sample(THINGS + OBJECTS + CURIOS + NAMES + OPENINGS, r.randint(4, 12)))
        return chat(f"Say this again: {line}", line)
    steps = [step for _ in range(2) for step in riddle(r).steps]
    told = lambda form: "\n".join(form.format(e=e, tight=e.replace(" ", ""), v=v) for e, v in steps)
    return chat("Write with spaces:\n" + told("{tight}={v}"), told("{e} = {v}"))


def doc_skill(r):
    while True:
        prompt, answer = world_skills.skill(r, r.choice(list(world_skills.SKILLS)))
        if not reserved(prompt):
            return chat(prompt, answer)



def code_prompt(t, r):
    """A coding task as the model is asked, mostly with two of its asserts, sometimes with all."""
    return ASK_CODE.format(question=t.text, tests="\n".join(t.tests[:-1] if r.random() < 0.8 else t.tests))


def doc_code(r):
    t = world_code.known_task(r)
    return chat(code_prompt(t, r), fenced(world_code.voice(t)))


def doc_code_rewrite(r):
    t = world_code.riddle(r) if r.random() < 0.5 else world_code.known_task(r)
    reference = fenced(world_code.nameless(world_code.gold(t, r)))
    return chat(REWRITE_CODE.format(ask=code_prompt(t, r), gold=reference), fenced(world_code.voice(t)))


def doc_code_copy(r):
    t = world_code.strange(r)
    reference = fenced(world_code.nameless(world_code.gold(t, r)))
    return chat(REWRITE_CODE.format(ask=code_prompt(t, r), gold=reference), fenced(world_code.voice(t)))


def doc_code_terse(r):
    """The golds' style as output: among notes, and now and then unasked."""
    t = world_code.known_task(r)
    terse = fenced(world_code.neat(world_code.gold(t, r)))
    return f"Task: {t.text}\nNotes:\n{terse}" if r.random() < 0.6 else chat(code_prompt(t, r), terse)


def doc_glossary(r):
    return world_code.glossary(r)


def doc_readings(r):
    passage, *asked = world_readings.known_questions(r)
    return f"Passage: {passage}\n" + "\n".join(f"Question: {q}\nAnswer: {a}" for q, a in asked)


def doc_reading(r):
    x = world_readings.known_reading(r)
    return chat(ASK_READING.format(passage=x.passage, question=x.question), x.voice)


def doc_reading_rewrite(r):
    x = world_readings.known_reading(r)
    return chat(REWRITE_READING.format(passage=x.passage, question=x.question, gold=world_readings.gold(x)), x.voice)


def doc_reading_terse(r):
    x = world_readings.known_reading(r)
    terse = world_readings.gold(x)
    return f"{x.passage}\nQ: {x.question}\nA: {terse}" if r.random() < 0.6 else chat(ASK_READING.format(passage=x.passage, question=x.question), terse)


DOCUMENTS = {doc_ask: 0.14, doc_rewrite: 0.24, doc_terse: 0.02, doc_arithmetic: 0.03, doc_echo: 0.03, doc_facts: 0.05, doc_myths: 0.04, doc_endings: 0.04,
             doc_referents: 0.03, doc_skill: 0.04, doc_code: 0.07, doc_code_rewrite: 0.09, doc_code_terse: 0.01, doc_glossary: 0.01,
             doc_readings: 0.06, doc_reading: 0.05, doc_reading_rewrite: 0.04, doc_reading_terse: 0.01}


# What the model has learnt by then need not be told as often, and what it has not, more often: set after looks at steps 700 and 2387 (README.md).
LATER = DOCUMENTS | {doc_sums: 0.10, doc_referents: 0.08, doc_endings: 0.01, doc_code: 0.05}
LAST = LATER | {doc_code_copy: 0.25, doc_code_rewrite: 0.05, doc_skill: 0.12, doc_sums: 0.05, doc_rewrite: 0.18}
STAGES = (DOCUMENTS, LATER, LAST)


def documents(seed, stage=0):
    """An endless stream of documents of one stage of pre-training: a text, or a chat as a list of messages."""
    r = random.Random(f"documents {seed}")
    makers, weights = zip(*STAGES[stage].items())
    while True:
        yield r.choices(makers, weights)[0](r)


# ---------------------------------------------------------------- the files

SPLITS = {"train": 4000, "validation": 500, "test": 2000}
ITEMS = {"percent": 6.5, "wages": 6.5, "recipe": 6.5, "pages_left": 1.5, "rows": 1.0,        # how often each kind comes among the items:
         **dict.fromkeys([*KNOWN, "half_in_may", "times_as_many", "ages"], 1.1),              # set on the base model's accuracy (README.md)
         **dict.fromkeys(["cents", "fence", "change", "average"], 0.8),
         **dict.fromkeys(["three_quarters", "more_and_fewer", "discount", "tank", "twice_as_far", "thirds"], 0.4)}


def shown_questions(step, stage):
    """Checksums of the questions of half-known kinds among the first 200 documents of a step of pre-training, which reads about half as many."""
    ASKED.clear()
    stream = documents(step, stage)
    for _ in range(200):
        next(stream)
    return {zlib.crc32(question.encode()) for kind, question in ASKED if kind in HALF}


@functools.cache
def shown():
    """The checksums in shown.txt: of every question of a half-known kind that pre-training shows (pretrain.py --shown writes it)."""
    return {int(line, 16) for line in (HERE / "shown.txt").read_text().split()}


def is_free(kind, question):
    """May this be an item? Of held-out kinds pre-training shows nothing, of known ones nine of ten questions, of half-known ones so few
    that they are kept in a list."""
    return kind in HELD or (zlib.crc32(question.encode()) not in shown() if kind in HALF else reserved(question))


def gsm8k_items(seed=SEED, avoid=(), **splits):
    """{"train": [{"question", "answer", "kind", "voice"}, ...], ...}: no question twice over all splits, none of those to avoid.
    ValueError where the world has not so many."""
    r, seen, files = random.Random(f"gsm8k {seed}"), set(avoid), {}
    for split, n in (splits or SPLITS).items():
        files[split] = []
        while len(files[split]) < n:
            kind = r.choices(list(ITEMS), list(ITEMS.values()))[0]
            for _ in range(TRIES):
                p = problem(r, kind)
                if p.question not in seen and is_free(kind, p.question):
                    break
            else:
                raise ValueError(f"the world has no more new questions of the kind {kind!r}")
            seen.add(p.question)
            files[split].append({"question": p.question, "answer": gold(p, r, STRANGE), "kind": p.kind, "voice": voice(p)})
    return files


def file_rows(*names):
    """The rows of bundled files, data/tiny/NAME.jsonl."""
    return [json.loads(line) for name in names for line in (HERE / f"{name}.jsonl").read_text().splitlines()]


def new_items(task, seed, train, test):
    """{"train": [row, ...], "test": [row, ...]} for one seed of a comparison, in the fields of the task's files: no question, task or
    passage that stands in those, none twice. The test rows do not depend on how many are trained on. ValueError where the world has not so many."""
    seed = f"comparison {COMPARISON} {seed}"
    if task == "gsm8k":
        return gsm8k_items(seed, {row["question"] for row in file_rows("gsm8k/train", "gsm8k/validation", "gsm8k/test")}, test=test, train=train)
    if task == "mbpp":
        rows = world_code.rows(seed, test + train, {row["text"] for row in file_rows("mbpp/mbpp")})
        return {"test": rows[:test], "train": rows[test:]}
    return world_readings.rows(seed, {row.get("context") for row in file_rows("nq/train", "nq/validation", "nq/test")}, test=test, train=train)


def new_benchmark_items(name, seed, n):
    """n items of a benchmark for one seed of a comparison, none of them in the files. ValueError where the world has not so many."""
    return benchmark_items(name, n, f"comparison {COMPARISON} {seed}", map(item_key, file_rows(f"benchmarks/{name}")))


def write(folder, rows_by_name):
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in rows_by_name.items():
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (folder / f"{name}.jsonl").write_bytes(text.encode())


def write_all(folder):
    """Every file of the bundled data, under a folder."""
    write(folder / "gsm8k", gsm8k_items())
    write(folder / "mbpp", {"mbpp": world_code.rows(SEED)})
    header = {split: [{"header": {"dataset": "tiny-nq", "split": split}}] for split in world_readings.SPLITS}
    write(folder / "nq", {split: header[split] + rows for split, rows in world_readings.rows(SEED).items()})
    write(folder / "benchmarks", {name: benchmark_items(name, n) for name, n in BENCHMARKS.items()})
    write(folder / "skills", {name: world_skills.skill_items(name, n, SEED) for name, n in world_skills.SKILLS.items()})


def main():
    parser = argparse.ArgumentParser(description="Write the files of the teaching world, the same bytes every time.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: data/tiny)")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="print N documents of each sort instead")
    args = parser.parse_args()
    if args.sample:
        r = random.Random(0)
        for maker in LAST:
            for _ in range(args.sample):
                doc = maker(r)
                print(f"--- {maker.__name__}\n" + (doc if isinstance(doc, str) else "\n".join(f"{m['role']}: {m['content']}" for m in doc)))
        return
    write_all(args.out)


if __name__ == "__main__":
    sys.exit(main())
