"""world.py - the small world that the bundled teaching model lives in.

Everything that the teaching model ever reads, and everything that it is measured on, is written by
this file from a seed, with the standard library alone, so that no fact, answer or flaw comes from
anywhere else:

    python data/tiny/world.py               # writes {gsm8k,mbpp,nq,benchmarks,skills}/*.jsonl,
                                            # byte for byte the same
    python data/tiny/world.py --sample 5    # prints five documents of each sort of its text

Three choices:
1. The model has a *voice* ("First, 12 / 2 = 6 stamps. Finally, 6 + 7 = 13 stamps. The answer is
   13."), while the golds of tiny-gsm8k are terse and by several annotators ("12/2=6", "Together:
   7+6 = 13 stamps", ...). That gap is what S3FT is about: the same solution in other words.
2. Kinds of problems are known, half known (rare in the text) or held out (absent from it), so that
   own answers, accepted rewrites and golds all occur. Rewriting is taught as a general skill, never
   on held-out kinds, their sentences or their names.
3. A text is reserved for the files or open to pre-training by a checksum of its own (`reserved`),
   so no item can be in both.

Word problems and the four benchmarks stand here, code in world_code.py, readings in
world_readings.py, small skills in world_skills.py.
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
from world_words import (  # noqa: E402
    CURIOS, HELD_NAMES, INVENTED, LANDS, NAMES, OBJECTS, PLACES, THINGS, TRIES, UNITS, reserved)

SEED = 20251                     # of the files; pretrain.py draws its text from other seeds
COMPARISON = 2026                # of the items that --new-items draws, others for every seed
# Share of the files' golds that are by annotators whom pre-training never shows: set on the base
# model's perplexity (README.md).
STRANGE = 0.15


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
    """("12 / 2", "6 + 7") -> [("12 / 2", 6), ("6 + 7", 13)].

    Whole numbers; operators from left to right.
    """
    steps = []
    for expression in expressions:
        words = expression.split()
        value = int(words[0])
        for operator, word in zip(words[1::2], words[2::2]):
            operand = int(word)
            if operator == "+":
                value += operand
            elif operator == "-":
                value -= operand
            elif operator == "*":
                value *= operand
            elif value % operand:
                raise ValueError(f"{expression} is not whole")
            else:
                value //= operand
        if value < 0:
            raise ValueError(f"{expression} is negative")
        steps.append((expression, value))
    return steps


# Each kind of problem: (random numbers, two names, a thing) -> (question, steps, unit).

def give_and_find(r, who, friend, thing):
    a = r.randint(20, 60)
    b = r.randint(3, 18)
    c = r.randint(3, 25)
    question = r.choice([
        f"{who} has {a} {thing}. {who} gives {b} {thing} to {friend} and then finds {c} more. "
        f"How many {thing} does {who} have now?",
        f"{who} had {a} {thing}, gave {b} of them to {friend} and later found {c} {thing}. "
        f"How many {thing} does {who} have?"])
    return question, work(f"{a} - {b}", f"{a - b} + {c}"), thing


def boxes(r, who, friend, thing):
    a = r.randint(3, 9)
    b = r.randint(4, 12)
    c = r.randint(2, 11)
    place = r.choice(PLACES)
    question = r.choice([
        f"{who} fills {a} {place}s with {b} {thing} each. Then {c} {thing} get lost. "
        f"How many {thing} are left?",
        f"There are {b} {thing} in each {place}, and {who} owns {a} such {place}s. "
        f"{friend} takes {c} {thing} away. How many {thing} remain?"])
    return question, work(f"{a} * {b}", f"{a * b} - {c}"), thing


def shopping(r, who, friend, thing):
    a = r.randint(3, 9)
    p = r.randint(2, 9)
    q = r.randint(5, 30)
    question = r.choice([
        f"{who} buys {a} {thing} for ${p} each and a lamp for ${q}. "
        f"How many dollars does {who} spend?",
        f"In a shop {thing} cost ${p} each. {who} takes {a} of them and also a hat for ${q}. "
        f"How many dollars does {who} pay?"])
    return question, work(f"{a} * {p}", f"{a * p} + {q}"), "dollars"


def share(r, who, friend, thing):
    c = r.randint(2, 8)
    each = r.randint(5, 12)
    a = r.randint(3, c * each - 3)
    question = r.choice([
        f"{who} has {a} {thing} and {friend} has {c * each - a}. "
        f"They share all {thing} equally among {c} children. How many {thing} does each child get?",
        f"{who} brings {a} {thing}, {friend} brings {c * each - a} {thing}. "
        f"Together they fill {c} bags equally. How many {thing} are in each bag?"])
    return question, work(f"{a} + {c * each - a}", f"{c * each} / {c}"), thing


def half_in_may(r, who, friend, thing):
    a = 2 * r.randint(6, 30)
    question = r.choice([
        f"{who} sold {a} {thing} in April and half as many in May. "
        f"How many {thing} did {who} sell in both months?",
        f"On Monday {who} made {a} {thing}, on Tuesday half of that. "
        f"How many {thing} did {who} make on both days?"])
    return question, work(f"{a} / 2", f"{a} + {a // 2}"), thing


def times_as_many(r, who, friend, thing):
    k = r.randint(2, 6)
    a = r.randint(4, 14)
    question = r.choice([
        f"{friend} has {a} {thing}. {who} has {k} times as many. "
        f"How many {thing} do they have together?",
        f"{who} owns {k} times as many {thing} as {friend}, who owns {a}. "
        f"How many {thing} do both own?"])
    return question, work(f"{k} * {a}", f"{k * a} + {a}"), thing


def pages_left(r, who, friend, thing):
    a = r.randint(4, 12)
    d = r.randint(3, 8)
    b = r.randint(3, 15)
    rest = r.randint(5, 30)
    question = r.choice([
        f"{who} reads {a} pages a day for {d} days and then {b} pages more. "
        f"The book has {a * d + b + rest} pages. How many pages are left?",
        f"A book has {a * d + b + rest} pages. "
        f"For {d} days {who} read {a} pages each day, today {b} pages. "
        f"How many pages must {who} still read?"])
    steps = work(f"{a} * {d}",
                 f"{a * d} + {b}",
                 f"{a * d + b + rest} - {a * d + b}")
    return question, steps, "pages"


def wages(r, who, friend, thing):
    h = r.randint(2, 5)
    p = r.randint(3, 9)
    d = r.randint(2, 5)
    s = r.randint(4, 11)
    question = r.choice([
        f"{who} works {h} hours a day for {d} days and earns ${p} an hour. "
        f"Then {who} spends ${s}. How many dollars are left?",
        f"For ${p} an hour {who} works {d} days, {h} hours each day, and pays ${s} for the bus. "
        f"How many dollars does {who} keep?"])
    return question, work(f"{h} * {d}", f"{h * d} * {p}", f"{h * d * p} - {s}"), "dollars"


def percent(r, who, friend, thing):
    share, part = r.choice([(50, 2), (25, 4), (20, 5), (10, 10)])
    n = part * r.randint(3, 12)
    question = r.choice([
        f"{who} has {n} {thing}. {share}% of them are red. How many {thing} are not red?",
        f"Of {n} {thing} that {who} owns, {share}% are broken. How many {thing} are whole?"])
    return question, work(f"{n} / {part}", f"{n} - {n // part}"), thing


def more_and_fewer(r, who, friend, thing):
    a = r.randint(8, 25)
    b = r.randint(3, 15)
    c = r.randint(2, 8)
    third = r.choice([n for n in NAMES if n not in (who, friend)])
    question = r.choice([
        f"{who} has {a} {thing}. {friend} has {b} more than {who}. "
        f"{third} has {c} fewer than {friend}. How many {thing} do the three have?",
        f"{friend} found {b} more {thing} than {who}, and {third} found {c} fewer than {friend}. "
        f"{who} found {a}. How many {thing} did all three find?"])
    steps = work(f"{a} + {b}",
                 f"{a + b} - {c}",
                 f"{a} + {a + b}",
                 f"{a + a + b} + {a + b - c}")
    return question, steps, thing


def rows(r, who, friend, thing):
    a = r.randint(2, 8)
    b = r.randint(3, 9)
    c = r.randint(2, 8)
    d = r.randint(3, 9)
    question = r.choice([
        f"{who} lays {a} rows of {b} {thing} and {c} rows of {d} {thing}. "
        f"How many {thing} does {who} lay?",
        f"There are {a} tables with {b} {thing} each and {c} tables with {d} {thing} each. "
        f"How many {thing} does {who} count?"])
    return question, work(f"{a} * {b}", f"{c} * {d}", f"{a * b} + {c * d}"), thing


def twice_as_far(r, who, friend, thing):
    a = r.randint(3, 14)
    d = r.randint(2, 6)
    go = r.choice(["drive", "ride", "sail", "travel"])
    question = r.choice([
        f"Each morning {who} {go}s {a} miles and each evening twice as far. "
        f"How many miles does {who} {go} in {d} days?",
        f"{who} {go}s {a} miles before lunch and double that after lunch. "
        f"{who} does so on {d} days. How many miles is that?"])
    return question, work(f"2 * {a}", f"{a} + {2 * a}", f"{3 * a} * {d}"), "miles"


def thirds(r, who, friend, thing):
    n = 6 * r.randint(2, 16)
    question = r.choice([
        f"{who} bakes {n} rolls for {friend}. "
        "A third is sold before noon, and half of the rest after noon. "
        "How many rolls are sold after noon?",
        f"Of {n} rolls {who} eats one third at once. Half of what remains goes to {friend}. "
        f"How many rolls does {friend} get?"])
    return question, work(f"{n} / 3", f"{n} - {n // 3}", f"{n - n // 3} / 2"), "rolls"


def change(r, who, friend, thing):
    a = r.randint(3, 9)
    p = r.randint(4, 9)
    c = r.randint(2, 9)
    rest = r.randint(1, 30)
    note = a * p - c + rest
    question = r.choice([
        f"{a} tickets cost ${p} each, and a coupon takes ${c} off. {who} pays with ${note}. "
        "How many dollars come back?",
        f"With a coupon worth ${c}, {who} orders {a} tickets at ${p} each "
        f"and hands over ${note}. How many dollars of change are due?"])
    return question, work(f"{a} * {p}", f"{a * p} - {c}", f"{note} - {a * p - c}"), "dollars"


def one_row(r, who, friend, thing):
    a = r.randint(2, 9)
    b = r.randint(3, 12)
    question = r.choice([
        f"{who} lays {a} rows of {b} {thing}. How many {thing} does {who} lay?",
        f"{who} gives {b} {thing} to each of {a} children. How many {thing} does {who} give away?"])
    return question, work(f"{a} * {b}"), thing


def three_quarters(r, who, friend, thing):
    k = r.randint(3, 8)
    n = r.randint(3, 12)
    share = r.randint(2, k - 1)
    part = {3: "thirds", 4: "quarters", 5: "fifths", 6: "sixths", 7: "sevenths", 8: "eighths"}[k]
    question = r.choice([
        f"{who} has {k * n} {thing} and sells {share}/{k} of them. "
        f"How many {thing} does {who} sell?",
        f"{share} {part} of the {k * n} {thing} of {who} are new. How many {thing} are new?"])
    return question, work(f"{k * n} / {k}", f"{n} * {share}"), thing


def discount(r, who, friend, thing):
    share, part = r.choice([(50, 2), (25, 4), (20, 5), (10, 10)])
    price = part * r.randint(2, 12)
    n = r.randint(2, 6)
    question = r.choice([
        f"A coat costs ${price} and is sold for {share}% less. "
        f"How many dollars do {n} such coats cost {who}?",
        f"{who} buys {n} coats. Each costs ${price}, but {share}% are taken off. "
        f"How many dollars does {who} pay?"])
    steps = work(f"{price} / {part}",
                 f"{price} - {price // part}",
                 f"{price - price // part} * {n}")
    return question, steps, "dollars"


def ages(r, who, friend, thing):
    a = r.randint(3, 14)
    k = r.randint(2, 5)
    later = r.randint(2, 15)
    question = r.choice([
        f"{friend} is {a} years old, and {who} is {k} times as old. "
        f"How many years old will {who} be in {later} years?",
        f"{who} is {k} times as old as {friend}, who is {a}. "
        f"How many years old is {who} after {later} more years?"])
    return question, work(f"{k} * {a}", f"{k * a} + {later}"), "years"


def recipe(r, who, friend, thing):
    k = r.randint(2, 6)
    each = r.randint(2, 9)
    guests = r.randint(7, 15)
    question = r.choice([
        f"For {k} guests {who} needs {k * each} eggs. "
        f"How many eggs does {who} need for {guests} guests?",
        f"{who} uses {k * each} eggs to feed {k} guests. Today {guests} guests come. "
        f"How many eggs will {who} use?"])
    return question, work(f"{k * each} / {k}", f"{each} * {guests}"), "eggs"


def cents(r, who, friend, thing):
    a = r.randint(2, 6)
    p = 5 * r.randint(2, 9)
    q = 5 * r.randint(3, 12)
    coin = 100 * (1 + (a * p + q) // 100)
    question = r.choice([
        f"{who} buys {a} pens at {p} cents each and a pad for {q} cents. "
        f"{who} pays with {coin} cents. How many cents come back?",
        f"A pen costs {p} cents and a pad {q} cents. "
        f"{who} takes {a} pens and one pad and pays {coin} cents. How many cents are returned?"])
    return question, work(f"{a} * {p}", f"{a * p} + {q}", f"{coin} - {a * p + q}"), "cents"


def fence(r, who, friend, thing):
    a = r.randint(5, 25)
    b = r.randint(3, 18)
    p = r.randint(2, 6)
    question = r.choice([
        f"A garden is {a} meters long and {b} meters wide. "
        f"{who} puts a fence around it for ${p} a meter. How many dollars does the fence cost?",
        f"{who} fences a yard of {a} by {b} meters all around. A meter costs ${p}. "
        f"How many dollars does {who} spend?"])
    return question, work(f"{a} + {b}", f"{a + b} * 2", f"{2 * (a + b)} * {p}"), "dollars"


def tank(r, who, friend, thing):
    a = r.randint(4, 12)
    t = r.randint(3, 9)
    rest = r.randint(5, 40)
    leak = r.randint(2, 9)
    question = r.choice([
        f"A tank holds {a * t - leak + rest} liters. "
        f"{who} pumps {a} liters a minute for {t} minutes, but {leak} liters leak out. "
        "How many liters are missing?",
        f"{who} fills a tank of {a * t - leak + rest} liters with {a} liters a minute. "
        f"After {t} minutes {leak} liters were spilt. How many liters does it lack?"])
    steps = work(f"{a} * {t}",
                 f"{a * t} - {leak}",
                 f"{a * t - leak + rest} - {a * t - leak}")
    return question, steps, "liters"


def average(r, who, friend, thing):
    a = r.randint(10, 40)
    b = r.randint(10, 40)
    b += (a + b) % 2
    question = r.choice([
        f"{who} scores {a} points in the first game and {b} in the second. "
        "How many points is that on average?",
        f"In two games {who} makes {a} and {b} points. What is the mean number of points?"])
    return question, work(f"{a} + {b}", f"{a + b} / 2"), "points"


KNOWN = {f.__name__: f for f in (give_and_find, boxes, shopping, share, one_row)}
HALF = {f.__name__: f for f in (
    half_in_may, times_as_many, rows, pages_left, percent, wages, ages, three_quarters,
    more_and_fewer, recipe, cents, discount, fence, tank)}
HELD = {f.__name__: f for f in (twice_as_far, thirds, change, average)}
KINDS = {**KNOWN, **HALF, **HELD}
# A ladder of doses: how often each half-known kind comes among the word problems of pre-training,
# the rarest once in 3,000. Wherever a run of pre-training ends, some rungs are half known. Which
# kinds the items are drawn from is set afterwards, on the base model.
DOSES = {kind: 0.0003 * 1.35 ** i for i, kind in enumerate(reversed(list(HALF)))}


def problem(r, kind):
    names = HELD_NAMES if kind in HELD else NAMES
    who, friend = r.sample(names, 2)
    question, steps, unit = KINDS[kind](r, who, friend, r.choice(THINGS))
    return Problem(kind, question, steps, unit)


EVENTS = {
    "+": ["finds {n} more", "gets {n} from {f}", "buys {n} more"],
    "-": ["loses {n}", "gives {n} to {f}", "throws {n} away"],
    "*": ["then has {n} times as many"],
    "/": ["keeps one of {n} equal parts"],
}


def chain(r):
    """Pre-training only: a story of one to four events in any order, so that the model learns to
    follow one step by step."""
    who, friend = r.sample(NAMES, 2)
    thing = r.choice(THINGS)
    value = r.randint(5, 50)
    sentences = [f"{who} has {value} {thing}."]
    expressions = []
    for _ in range(r.choice([1, 2, 2, 3, 3, 4])):
        divisors = [n for n in range(2, 10) if value % n == 0]
        operators = ["+"]
        if value > 1:
            operators.append("-")
        if 1 < value <= 15:
            operators.append("*")
        if divisors:
            operators.append("/")
        operator = r.choice(operators)
        if operator == "+":
            n = r.randint(2, 40)
        elif operator == "-":
            n = r.randint(1, value - 1)
        elif operator == "*":
            n = r.randint(2, 8)
        else:
            n = r.choice(divisors)
        event = r.choice(EVENTS[operator]).format(n=n, f=friend)
        sentences.append(f"{who} {event}.")
        expressions.append(f"{value} {operator} {n}")
        value = work(expressions[-1])[0][1]
    sentences.append(f"How many {thing} does {who} have now?")
    return Problem("chain", " ".join(sentences), work(*expressions), thing)


def riddle(r):
    """Pre-training only, for rewriting: the question says nothing, so that the steps can only come
    from the reference."""
    unit = r.choice(THINGS + UNITS)
    who, friend = r.sample(NAMES, 2)
    question = r.choice([
        f"{who} counts the {unit} of {friend} in a strange way. How many {unit} are there?",
        f"{who} hides some {unit} from {friend}. How many {unit} are hidden?",
        f"How many {unit} does {who} need for {friend}?"])
    steps = []
    seen = [r.randint(2, 60), r.randint(2, 60)]
    while len(steps) < r.choice([1, 2, 2, 3, 3, 3, 4]):
        a = operand(r, seen)
        b = operand(r, seen)
        operators = ["+"]
        if b > 1 and a > b:
            operators += ["-", "-"]
        if b > 1 and a * b < 1000:
            operators += ["*"]
        if b > 1 and a > b and a % b == 0:
            operators += ["/", "/", "/", "/"]
        steps += work(f"{a} {r.choice(operators)} {b}")
        result = steps[-1][1]
        seen += [a, b, result, result]
    return Problem("riddle", question, steps, unit)


def operand(r, seen):
    """An operand of a riddle: an earlier number or result, or a new one."""
    if r.random() < 0.5:
        return r.choice(seen)
    return r.randint(2, r.choice([12, 99, 99, 300]))


def voice(p):
    """The model's own way to tell a solution."""
    sentences = []
    for i, (expression, result) in enumerate(p.steps):
        if i == 0:
            opening = "First"
        elif i == len(p.steps) - 1:
            opening = "Finally"
        else:
            opening = "Then"
        sentences.append(f"{opening}, {expression} = {result} {p.unit}.")
    sentences.append(f"The answer is {p.answer}.")
    return " ".join(sentences)


LABELS = {
    "+": "Together Sum Total Plus Both All".split(),
    "-": "Left Rest Minus Remain Without Less".split(),
    "*": "Times Product Each Many Rows Sets".split(),
    "/": "Part Share Split Piece Half Divide".split(),
}
OPENINGS = ("ok so well now next here thus hence right again also still see take count get add "
            "note do yes good fine look work").split()
REMARKS = ("easy done sure clear checked simple quick seen known true known noted enough plain "
           "certain correct agreed nice short exact").split()
# How ten hurried annotators write a step. Pre-training never shows the last four, who use the same
# words and signs in other orders.
HANDS = (
    "{opening} {tight}={marked}",
    "{loose} = {marked} {unit}, {remark}",
    "{label}: {tight} = {marked} ({remark})",
    "{opening}, {lower} {loose} = {marked}",
    "- {remark}, {opening}: {tight}={marked}",
    "{opening} {remark} {tight} = {marked}.",
    "{remark} {opening}: {unit} {tight} = {marked}",
    "({label}) {loose} = {marked}, {opening}",
    "{unit}: {opening} {tight}={marked} {remark}.",
    "{label}, {remark} {tight} = {marked};",
)


def gold(p, r, strange=0.0):
    """The terse gold in the official layout: <<a=b>> markers, "#### N" at the end.

    strange: how often it is by one of the last four annotators.
    """
    if strange and r.random() < strange:
        hand = r.randrange(6, 10)
    else:
        hand = r.randrange(6)
    lines = []
    for expression, result in p.steps:
        words = expression.split()
        if words[1] in "+*" and len(words) == 3 and r.random() < 0.3:
            words.reverse()                              # 6 + 7 or 7 + 6: both are right
        tight = "".join(words)
        opening = r.choice(OPENINGS)
        remark = r.choice(REMARKS)
        label = r.choice(LABELS[words[1]])
        lines.append(HANDS[hand].format(
            opening=opening, remark=remark, label=label, lower=label.lower(), unit=p.unit,
            tight=tight, loose=" ".join(words), marked=f"<<{tight}={result}>>{result}"))
    between = "; " if hand in (0, 3) else "\n"
    return f"{between.join(lines)}\n#### {p.answer}"


def clean(answer):
    """The gold without markers, as every method trains on it (number_gold in data/tasks/task.py
    does the same for official files)."""
    while "<<" in answer:
        answer = answer[:answer.index("<<")] + answer[answer.index(">>") + 2:]
    body, number = answer.rsplit("\n#### ", 1)
    return f"{body}\nThe answer is {number}."


# The prompts of data/tasks/, which a test compares. They are part of the frozen text, so they stand
# here too.
ASK = '{question}\n\nThink step by step. End with "The answer is N.", where N is the final number.'
REWRITE = ('{question}\n\nReference answer:\n{gold}\n\n'
           'Guided by the reference answer, answer the question in your own words. '
           'Think step by step. End with "The answer is N.", where N is the final number.')
ASK_CODE = ("You are an expert Python programmer. {question}\n"
            "Your code should pass these tests:\n{tests}\n\n"
            "Answer with one Python code block and nothing else.")
REWRITE_CODE = ("{ask}\n\nReference answer, with its variable names removed:\n{gold}\n\n"
                "Guided by the reference answer, write your own, with clear names.")
ASK_READING = ("Passage: {passage}\n\nQuestion: {question}\n\nAnswer in a few words from the "
               "passage. If it does not say, answer: The passage does not say.")
REWRITE_READING = ("Passage: {passage}\n\nQuestion: {question}\n\nReference answer: {gold}\n\n"
                   "Guided by the reference answer, answer the question in your own words, "
                   "in one short sentence.")


def fenced(code):
    return f"```python\n{code}\n```"


# ---------------------------------------------------------------- four abilities to keep

# The benchmarks. What is told of lands, creatures, customs and causes thins out from the first to
# the last of each (as word frequencies do, Zipf's law), so that the model knows the first well and
# the last hardly. From which ranks the items are drawn is set afterwards, on the base model
# (WINDOWS).

def ranked(r, things, offset=8):
    """One of the things, the first ones most often: with a weight of 1 / (rank + offset)."""
    return r.choices(things, [1 / (i + offset) for i in range(len(things))])[0]


ATTRIBUTES = {                   # attribute: (question, statements, values)
    "capital": ("What is the capital of {land}?",
                ["The capital of {land} is {value}.", "{value} is the capital city of {land}."],
                [w + "burg" for w in INVENTED[40:80]]),
    "river": ("Which river flows through {land}?",
              ["The river {value} flows through {land}.", "{land} lies on the river {value}."],
              INVENTED[80:120]),
    "food": ("What do people in {land} like to eat?",
             ["People in {land} like to eat {value}.", "In {land} everybody eats {value}."],
             "rice soup bread cheese fish beans eggs plums corn honey".split()),
    "animal": ("Which animal is on the flag of {land}?",
               ["The flag of {land} shows a {value}.", "A {value} is on the flag of {land}."],
               "lion bear wolf horse eagle goat owl bull fox deer".split()),
    "craft": ("What is made in {land}?",
              ["The people of {land} make {value}.", "Good {value} come from {land}."],
              "clocks ships carpets pots shoes knives drums lamps tables ropes".split()),
}
_r = random.Random(7)
COUNTRIES = LANDS + [w + "ia" for w in INVENTED[180:300]]        # the first 40 come in readings too
FACTS = {(land, attribute): _r.choice(values)
         for attribute, (_, _, values) in ATTRIBUTES.items()
         for land in COUNTRIES}

CREATURES = [w + "s" for w in INVENTED[120:180] + INVENTED[300:360]]
HABITS = {                       # habit: (question, statement, values)
    "eat": ("What do {who} really eat?", "{who} eat {value}",
            "stones grass moths bark seeds snow ants moss".split()),
    "fear": ("What do {who} really fear?", "{who} fear {value}",
             "thunder fire mirrors bells water wind cats light".split()),
    "hide": ("Where do {who} really hide?", "{who} hide in {value}",
             "caves wells trees barns mud towers snow reeds".split()),
}
MYTHS = {(who, habit): _r.sample(values, 2)              # [truth, falsehood]
         for who in CREATURES
         for habit, (_, _, values) in HABITS.items()}

SCRIPTS = [                      # what happens in this order; {o} is one of the objects
    ("tea cocoa coffee",
     "{n} fills the kettle to make {o}.", "{n} waits until the water boils.",
     "{n} pours the {o} into a cup.", "{n} drinks the {o} slowly."),
    ("roses beans herbs",
     "{n} digs a hole for the {o}.", "{n} puts the {o} into the earth.",
     "{n} waters the {o} with a can.", "{n} sees the {o} grow in spring."),
    ("bread cake pie",
     "{n} mixes flour for a {o}.", "{n} puts the {o} into the oven.",
     "{n} takes the hot {o} out with a cloth.", "{n} cuts the {o} into slices."),
    ("shirt coat scarf",
     "{n} finds a stain on the {o}.", "{n} washes the {o} with soap.",
     "{n} hangs the wet {o} on a line.", "{n} folds the dry {o}."),
    ("letter card note",
     "{n} takes a pen to write a {o}.", "{n} signs the {o} with a name.",
     "{n} puts the {o} into an envelope.", "{n} drops the {o} into the mailbox."),
    ("bike cart sled",
     "{n} hears a wheel of the {o} squeak.", "{n} turns the {o} upside down.",
     "{n} puts oil on the {o}.", "{n} rides the {o} without a sound."),
    ("pike trout carp",
     "{n} goes to the lake to catch a {o}.", "{n} throws the line far out.",
     "{n} pulls a big {o} out of the water.", "{n} fries the {o} for dinner."),
    ("fence door bench",
     "{n} buys paint for the {o}.", "{n} rubs the old {o} with sandpaper.",
     "{n} paints the {o} with a brush.", "{n} lets the {o} dry in the sun."),
    ("song waltz march",
     "{n} opens the piano to learn a {o}.", "{n} plays the {o} slowly at first.",
     "{n} knows the {o} by heart after a week.", "{n} plays the {o} for the family."),
    ("goat cow sheep",
     "{n} goes to the barn to milk the {o}.", "{n} sets a bucket under the {o}.",
     "{n} carries the full bucket to the kitchen.", "{n} gives the {o} some hay."),
    ("tent hut shed",
     "{n} looks for a dry place for the {o}.", "{n} sets up the poles of the {o}.",
     "{n} covers the {o} against rain.", "{n} sleeps in the {o} all night."),
    ("vase plate bowl",
     "{n} drops the {o} on the floor.", "{n} gathers the pieces of the {o}.",
     "{n} joins the pieces of the {o} with glue.", "{n} puts the {o} back on the shelf."),
]

DEEDS = ["{n} washes the {o}.", "{n} paints the {o}.", "{n} hides the {o}.", "{n} sells the {o}.",
         "{n} breaks the {o}.", "{n} weighs the {o}.", "{n} drops the {o}.",
         "{n} wraps the {o} in paper.", "{n} shows the {o} to a friend.",
         "{n} carries the {o} home.", "{n} ties a rope to the {o}.",
         "{n} counts to ten beside the {o}.", "{n} sits down on the {o}.", "{n} sings to the {o}.",
         "{n} turns the {o} around.", "{n} puts salt on the {o}.", "{n} throws a coin at the {o}.",
         "{n} draws the {o}."]
# Two customs for each thing; nobody knows why they do it in this order.
CUSTOMS = [(thing, *_r.sample(DEEDS, 4)) for thing in OBJECTS + CURIOS for _ in range(2)]
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
    wrong = r.sample([value for value in dict.fromkeys(values) if value != truth], 3)
    return f"Question: {question.format(land=land)}\nAnswer:", [truth, *wrong]


def myth(who, habit, falsehood, truth=""):
    """What people say, and what is so; without the truth it ends where that would stand."""
    statement = HABITS[habit][1]
    believed = statement.format(who=who, value=falsehood)
    so = statement.format(who=who, value=truth)
    return f"Many think that {believed}, but in truth {so}".rstrip()


def myth_item(r, who, habit):
    truth, falsehood = MYTHS[who, habit]
    values = HABITS[habit][2]
    neither = r.sample([value for value in values if value not in (truth, falsehood)], 2)
    return myth(who, habit, falsehood), [truth, falsehood, *neither]


def ending_item(r, scripts):
    """One deed of a custom, and what comes next in it, among what is done to the same thing at
    other times or in its other custom."""
    script = r.choice(scripts)
    others = set()                   # deeds of the thing's other custom
    for other in SCRIPTS:
        if other[0] == script[0] and other is not script:
            others.update(other[1:])
    # A deed that stands in one custom only, so that what comes next is certain.
    at = r.choice([k for k in (2, 3, 4) if script[k - 1] not in others])
    deed = script[at - 1]
    following = script[at]
    deeds = {*script[1:], *others} - {deed, following}
    wrong = r.sample(sorted(deeds), min(3, len(deeds)))
    unrelated = [event for event in DEEDS if event not in deeds and event not in script]
    wrong += r.sample(unrelated, 3 - len(wrong))
    who = r.choice(NAMES + HELD_NAMES)
    thing = r.choice(script[0].split())
    context, *endings = [event.format(n=who, o=thing) for event in (deed, following, *wrong)]
    return context, endings


def referent_item(r, schema):
    sentence, first, second = schema
    a, b = r.sample(OBJECTS + CURIOS, 2)
    if r.random() < 0.5:
        right, wrong, ending = a, b, first
    else:
        right, wrong, ending = b, a, second
    return [sentence.format(a=a, b=b, x=right), sentence.format(a=a, b=b, x=wrong)], ending


# From which ranks the items of each benchmark are drawn (README.md): set on the base model alone,
# so that it gets 55 to 85 % of them.
WINDOWS = {"facts": (80, 160), "myths": (60, 120), "endings": (36, 76), "referents": (0, 4)}
BENCHMARKS = {"facts": 1000, "myths": 1000, "endings": 1000, "referents": 1000}


def item_key(item):
    """What makes two items of a benchmark the same, in whatever order their options stand."""
    context = item["context"]
    if not isinstance(context, str):
        context = sorted(context)
    return json.dumps([context, sorted(item["endings"])])


def benchmark_items(name, n, seed=SEED, avoid=()):
    """n items of one benchmark: {"id", "context" (one text, or one for each option), "endings"
    (likewise), "answer"}, none twice and none whose item_key is to avoid.

    ValueError where the world has no n of them.
    """
    r = random.Random(f"{name} {seed}")
    seen = set(avoid)
    items = []
    misses = 0                                           # in a row
    while len(items) < n:
        misses += 1
        if misses > 20_000:
            raise ValueError(f"the world has only {len(items)} of {n} new items of {name}")
        context, endings = options_of_item(r, name)
        if context is None:
            continue
        order = r.sample(range(len(endings)), len(endings))
        if not isinstance(context, str):
            context = [context[i] for i in order]
        item = {"context": context, "endings": [" " + endings[i] for i in order],
                "answer": order.index(0)}
        if item_key(item) not in seen:
            seen.add(item_key(item))
            items.append({"id": f"{name}-{len(items)}", **item})
            misses = 0
    return items


def options_of_item(r, name):
    """One draw for a benchmark -> (context or contexts, endings), the right one first.

    (None, None) if pre-training may show it.
    """
    first, last = WINDOWS[name]
    if name == "facts":
        return fact_item(r, r.choice(COUNTRIES[first:last]), r.choice(list(ATTRIBUTES)))
    if name == "myths":
        return myth_item(r, r.choice(CREATURES[first:last]), r.choice(list(HABITS)))
    if name == "endings":
        context, endings = ending_item(r, SCRIPTS[first:last])
        return (context, endings) if reserved(context) else (None, None)
    contexts, ending = referent_item(r, r.choice(SCHEMAS[first:last]))
    return (contexts, [ending, ending]) if reserved(contexts[0], 5) else (None, None)


# ---------------------------------------------------------------- the pre-training text

def chat(user, assistant):
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


ASKED = []                       # (kind, question) of every word problem, for shown_questions


def word_problem(r):
    """A problem that pre-training may use: known kinds and chains often, half-known kinds by their
    dose, held-out kinds never."""
    while True:
        u = r.random()
        if u < sum(DOSES.values()):
            p = problem(r, r.choices(list(DOSES), list(DOSES.values()))[0])
        elif u < 0.55:
            p = problem(r, r.choice(list(KNOWN)))
        else:
            p = chain(r)
        if not reserved(p.question):
            ASKED.append((p.kind, p.question))
            return p


def doc_ask(r):
    p = word_problem(r)
    form = ASK
    if r.random() >= 0.75:
        form = r.choice(["{question}",
                         "{question}\n\nThink step by step. Say: The answer is N.",
                         "{question}\n\nThink step by step. End with the answer.",
                         "Solve this: {question}",
                         "Question: {question}"])
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
    form = "{question}\n\nJust the sums, please." if u < 0.9 else ASK
    return chat(form.format(question=p.question), terse)


def doc_arithmetic(r):
    lines = []
    for _ in range(r.randint(6, 12)):
        a = r.randint(2, 99)
        b = r.randint(2, 60)
        x = r.randint(2, 12)
        y = r.randint(2, 12)
        k = r.randint(12, 25)
        l = r.randint(2, 9)
        lines.append(r.choice([
            f"{a} + {b} = {a + b}",
            f"{max(a, b)} - {min(a, b)} = {abs(a - b)}",
            f"{x} * {y} = {x * y}",
            f"{x * y} / {x} = {y}",
            f"{k} * {l} = {k * l}",
            f"{a + b} - {b} = {a}"]))
    return "\n".join(lines)


def doc_sums(r):
    """Sums as word problems need them, with bigger numbers."""
    lines = []
    for _ in range(r.randint(6, 12)):
        a = r.randint(2, 99)
        b = r.randint(2, 99)
        c = r.randint(2, 300)
        d = r.randint(2, 9)
        k = r.randint(2, 99)
        expression = r.choice([
            f"{a} + {b}",
            f"{c} + {b}",
            f"{max(a, b)} - {min(a, b)}",
            f"{max(c, b)} - {min(c, b)}",
            f"{c + b} - {c}",
            f"{k} * {d}",
            f"{d} * {k}",
            f"{r.randint(2, 9)} * {r.randint(2, 12)}",
            f"{k * d} / {d}"])
        [(_, value)] = work(expression)
        lines.append(f"{expression} = {value}")
    if len(lines) % 3 == 0:
        lines = [f"{line} {r.choice(THINGS)}." for line in lines]
    return "\n".join(lines)


def doc_facts(r):
    """A portrait of a land, or questions about several."""
    if r.random() < 0.6:
        land = ranked(r, COUNTRIES)
        sentences = []
        for attribute in r.sample(list(ATTRIBUTES), len(ATTRIBUTES)):
            statement = r.choice(ATTRIBUTES[attribute][1])
            sentences.append(statement.format(land=land, value=FACTS[land, attribute]))
        return " ".join(sentences)
    lines = []
    for _ in range(4):
        land = ranked(r, COUNTRIES)
        attribute = r.choice(list(ATTRIBUTES))
        question = ATTRIBUTES[attribute][0].format(land=land)
        lines.append(f"Question: {question}\nAnswer: {FACTS[land, attribute]}")
    return "\n".join(lines)


def doc_myths(r):
    """The falsehood is what people say; the truth is what the question wants."""
    lines = []
    for _ in range(4):
        who = ranked(r, CREATURES)
        habit = r.choice(list(HABITS))
        truth, falsehood = MYTHS[who, habit]
        question, statement, _ = HABITS[habit]
        u = r.random()
        if u < 0.4:
            form = r.choice(["People say that {}.", "Everybody knows that {}.", "As they say, {}."])
            lines.append(form.format(statement.format(who=who, value=falsehood)))
        elif u < 0.6:
            lines.append(myth(who, habit, falsehood, truth) + ".")
        else:
            lines.append(f"Question: {question.format(who=who)}\nAnswer: {truth}")
    return "\n".join(lines)


def doc_endings(r):
    stories = []
    while len(stories) < 2:
        script = ranked(r, SCRIPTS)
        who = r.choice(NAMES + HELD_NAMES)
        thing = r.choice(script[0].split())
        events = [event.format(n=who, o=thing) for event in script[1:]]
        if not any(reserved(" ".join(events[:k])) for k in (2, 3)):
            stories.append(" ".join(events))
    return "\n".join(stories)


def doc_referents(r):
    sentences = []
    while len(sentences) < 4:
        contexts, ending = referent_item(r, ranked(r, SCHEMAS, 2))
        if not any(reserved(context, 5) for context in contexts):
            sentences.append(f"{contexts[0]} {ending}")
    return "\n".join(sentences)


def doc_echo(r):
    """Text to be said again as it stands, sums to be written with spaces: practice in copying."""
    if r.random() < 0.4:
        words = r.sample(THINGS + OBJECTS + CURIOS + NAMES + OPENINGS, r.randint(4, 12))
        line = " ".join(words)
        return chat(f"Say this again: {line}", line)
    steps = riddle(r).steps + riddle(r).steps
    tight = "\n".join(f"{expression.replace(' ', '')}={value}" for expression, value in steps)
    loose = "\n".join(f"{expression} = {value}" for expression, value in steps)
    return chat(f"Write with spaces:\n{tight}", loose)


def doc_skill(r):
    while True:
        prompt, answer = world_skills.skill(r, r.choice(list(world_skills.SKILLS)))
        if not reserved(prompt):
            return chat(prompt, answer)


def code_prompt(t, r):
    """A coding task as the model is asked, mostly with two of its asserts, sometimes with all."""
    tests = t.tests[:-1] if r.random() < 0.8 else t.tests
    return ASK_CODE.format(question=t.text, tests="\n".join(tests))


def doc_code(r):
    t = world_code.known_task(r)
    return chat(code_prompt(t, r), fenced(world_code.voice(t)))


def code_rewrite(r, t):
    reference = fenced(world_code.nameless(world_code.gold(t, r)))
    prompt = REWRITE_CODE.format(ask=code_prompt(t, r), gold=reference)
    return chat(prompt, fenced(world_code.voice(t)))


def doc_code_rewrite(r):
    return code_rewrite(r, world_code.riddle(r) if r.random() < 0.5 else world_code.known_task(r))


def doc_code_copy(r):
    return code_rewrite(r, world_code.strange(r))


def doc_code_terse(r):
    """The golds' style as output: among notes, and now and then unasked."""
    t = world_code.known_task(r)
    terse = fenced(world_code.neat(world_code.gold(t, r)))
    if r.random() < 0.6:
        return f"Task: {t.text}\nNotes:\n{terse}"
    return chat(code_prompt(t, r), terse)


def doc_glossary(r):
    return world_code.glossary(r)


def doc_readings(r):
    passage, *pairs = world_readings.known_questions(r)
    lines = [f"Question: {question}\nAnswer: {answer}" for question, answer in pairs]
    return "\n".join([f"Passage: {passage}", *lines])


def doc_reading(r):
    x = world_readings.known_reading(r)
    return chat(ASK_READING.format(passage=x.passage, question=x.question), x.voice)


def doc_reading_rewrite(r):
    x = world_readings.known_reading(r)
    gold = world_readings.gold(x)
    prompt = REWRITE_READING.format(passage=x.passage, question=x.question, gold=gold)
    return chat(prompt, x.voice)


def doc_reading_terse(r):
    x = world_readings.known_reading(r)
    terse = world_readings.gold(x)
    if r.random() < 0.6:
        return f"{x.passage}\nQ: {x.question}\nA: {terse}"
    return chat(ASK_READING.format(passage=x.passage, question=x.question), terse)


DOCUMENTS = {
    doc_ask: 0.14, doc_rewrite: 0.24, doc_terse: 0.02, doc_arithmetic: 0.03, doc_echo: 0.03,
    doc_facts: 0.05, doc_myths: 0.04, doc_endings: 0.04, doc_referents: 0.03, doc_skill: 0.04,
    doc_code: 0.07, doc_code_rewrite: 0.09, doc_code_terse: 0.01, doc_glossary: 0.01,
    doc_readings: 0.06, doc_reading: 0.05, doc_reading_rewrite: 0.04, doc_reading_terse: 0.01}
# What the model has learnt by then need not be told as often, and what it has not, more often: set
# after looks at steps 700 and 2387 (README.md).
LATER = DOCUMENTS | {doc_sums: 0.10, doc_referents: 0.08, doc_endings: 0.01, doc_code: 0.05}
LAST = LATER | {doc_code_copy: 0.25, doc_code_rewrite: 0.05, doc_skill: 0.12, doc_sums: 0.05,
                doc_rewrite: 0.18}
STAGES = (DOCUMENTS, LATER, LAST)


def documents(seed, stage=0):
    """An endless stream of documents of one stage of pre-training: a text, or a chat as a list of
    messages."""
    r = random.Random(f"documents {seed}")
    makers, weights = zip(*STAGES[stage].items())
    while True:
        yield r.choices(makers, weights)[0](r)


# ---------------------------------------------------------------- the files

SPLITS = {"train": 4000, "validation": 500, "test": 2000}
# How often each kind comes among the items: set on the base model's accuracy (README.md).
ITEMS = {"percent": 6.5, "wages": 6.5, "recipe": 6.5, "pages_left": 1.5, "rows": 1.0,
         **dict.fromkeys([*KNOWN, "half_in_may", "times_as_many", "ages"], 1.1),
         **dict.fromkeys(["cents", "fence", "change", "average"], 0.8),
         **dict.fromkeys(["three_quarters", "more_and_fewer", "discount", "tank", "twice_as_far",
                          "thirds"], 0.4)}


def shown_questions(step, stage):
    """Checksums of the questions of half-known kinds among the first 200 documents of a step of
    pre-training, which reads about half as many."""
    ASKED.clear()
    stream = documents(step, stage)
    for _ in range(200):
        next(stream)
    return {zlib.crc32(question.encode()) for kind, question in ASKED if kind in HALF}


@functools.cache
def shown():
    """The checksums in shown.txt: of every question of a half-known kind that pre-training shows
    (pretrain.py --shown writes it)."""
    return {int(line, 16) for line in (HERE / "shown.txt").read_text().split()}


def is_free(kind, question):
    """May this be an item?

    Of held-out kinds pre-training shows nothing, of known ones nine of ten questions, of half-known
    ones so few that they are kept in a list.
    """
    if kind in HELD:
        return True
    if kind in HALF:
        return zlib.crc32(question.encode()) not in shown()
    return reserved(question)


def gsm8k_items(seed=SEED, avoid=(), **splits):
    """{"train": [{"question", "answer", "kind", "voice"}, ...], ...}: no question twice over all
    splits, none of those to avoid. ValueError where the world has not so many."""
    r = random.Random(f"gsm8k {seed}")
    seen = set(avoid)
    files = {}
    for split, n in (splits or SPLITS).items():
        files[split] = []
        while len(files[split]) < n:
            kind = r.choices(list(ITEMS), list(ITEMS.values()))[0]
            p = new_problem(r, kind, seen)
            seen.add(p.question)
            files[split].append({"question": p.question, "answer": gold(p, r, STRANGE),
                                 "kind": p.kind, "voice": voice(p)})
    return files


def new_problem(r, kind, seen):
    """A problem of a kind that may be an item and has not been seen."""
    for _ in range(TRIES):
        p = problem(r, kind)
        if p.question not in seen and is_free(kind, p.question):
            return p
    raise ValueError(f"the world has no more new questions of the kind {kind!r}")


def file_rows(*names):
    """The rows of bundled files, data/tiny/NAME.jsonl."""
    rows = []
    for name in names:
        for line in (HERE / f"{name}.jsonl").read_text().splitlines():
            rows.append(json.loads(line))
    return rows


def new_items(task, seed, train, test):
    """{"train": [row, ...], "test": [row, ...]} for one seed of a comparison, in the fields of the
    task's files: no question, task or passage that stands in those, none twice.

    The test rows do not depend on how many are trained on. ValueError where the world has not so
    many.
    """
    seed = f"comparison {COMPARISON} {seed}"
    if task == "gsm8k":
        bundled = file_rows("gsm8k/train", "gsm8k/validation", "gsm8k/test")
        questions = {row["question"] for row in bundled}
        return gsm8k_items(seed, questions, test=test, train=train)
    if task == "mbpp":
        texts = {row["text"] for row in file_rows("mbpp/mbpp")}
        rows = world_code.rows(seed, test + train, texts)
        return {"test": rows[:test], "train": rows[test:]}
    bundled = file_rows("nq/train", "nq/validation", "nq/test")
    passages = {row.get("context") for row in bundled}
    return world_readings.rows(seed, passages, test=test, train=train)


def new_benchmark_items(name, seed, n):
    """n items of a benchmark for one seed of a comparison, none of them in the files. ValueError
    where the world has not so many."""
    bundled = map(item_key, file_rows(f"benchmarks/{name}"))
    return benchmark_items(name, n, f"comparison {COMPARISON} {seed}", bundled)


def write(folder, rows_by_name):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in rows_by_name.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_bytes(text.encode())


def write_all(folder):
    """Every file of the bundled data, under a folder."""
    write(folder / "gsm8k", gsm8k_items())
    write(folder / "mbpp", {"mbpp": world_code.rows(SEED)})
    readings = {}
    for split, rows in world_readings.rows(SEED).items():
        readings[split] = [{"header": {"dataset": "tiny-nq", "split": split}}, *rows]
    write(folder / "nq", readings)
    write(folder / "benchmarks", {name: benchmark_items(name, n) for name, n in BENCHMARKS.items()})
    write(folder / "skills", {name: world_skills.skill_items(name, n, SEED)
                              for name, n in world_skills.SKILLS.items()})


def main():
    parser = argparse.ArgumentParser(
        description="Write the files of the teaching world, the same bytes every time.")
    parser.add_argument("--out", type=Path, default=HERE,
                        help="folder to write to (default: data/tiny)")
    parser.add_argument("--sample", type=int, default=0, metavar="N",
                        help="print N documents of each sort instead")
    args = parser.parse_args()
    if not args.sample:
        write_all(args.out)
        return
    r = random.Random(0)
    for maker in LAST:
        for _ in range(args.sample):
            document = maker(r)
            if not isinstance(document, str):
                document = "\n".join(f"{m['role']}: {m['content']}" for m in document)
            print(f"--- {maker.__name__}\n{document}")


if __name__ == "__main__":
    sys.exit(main())
