"""Judges: is an answer right, and may it become a training target?

S3FT trains on the model's own answer wherever that is right, so something has to say what "right" is. Here that
is plain code: no second model, no eval, no floats. Its two errors are not alike: a wrong answer accepted becomes a
wrong training target; a right answer refused is replaced by the gold, and S3FT quietly turns into SFT. So every
judge returns a Verdict that says which rule decided and what was extracted, and runs write both to disk.

    python judge.py --table           the cases that fix what counts as right (they are also the tests)
    python judge.py attempts.jsonl    judge the attempts of a run again, without sampling

A maths answer is read twice: for its final number (part 1), and for the equations that it states (part 2), because
a small model likes to copy the final number under steps that do not lead to it ("4 * 9 = 13").
"""
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple


@dataclass(frozen=True)
class Verdict:
    ok: bool
    rule: str                     # what decided: "hash", "boxed", "answer is", "last number", "none", "wrong step", ...
    extracted: str | None         # what the judge took for the answer, as the text has it
    reason: str                   # one line for the reader
    scores: dict = field(default_factory=dict)


# ---- Part 1: the final number ----------------------------------------------------------------------------------

CHARACTERS = str.maketrans({
    "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "⁄": "/", "≈": "=", "\u200b": "", "\r": "\n",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"})
MARKUP = [(re.compile(pattern), new) for pattern, new in (
    (r"(?<=[0-9)])\*\*(?=[0-9(])| \*\* (?=[0-9(])", "^"), (r"\*\*", ""),     # 2**3 is a power; any other ** is bold type
    (r"\\(?:times|cdot)(?![a-z])", "*"), (r"\\div(?![a-z])", "/"), (r"\\approx(?![a-z])", "="), (r"\{,\}", ","),
    (r"\\[dt]?frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}", r" \1/\2"),
    (r"\\[dt]?frac\{([^{}\n]{1,60})\}\{([^{}\n]{1,60})\}", r" ((\1)/(\2))"),
    (r"\\(?:text|mathrm|mathbf)\{([^{}\n]{0,60})\}", r" \1"), (r"\\\\", "\n"),
    (r"\\(?:left|right|quad)(?![a-z])|\\[,;!()\[\]]|&", " "), (r"\\([$%])", r"\1"))]


def plain(text):
    """The same text with one minus sign, * and / as operators, no bold type, and the commonest LaTeX resolved."""
    text = text.translate(CHARACTERS)
    for pattern, new in MARKUP:
        text = pattern.sub(new, text)
    return text


LONGEST_ANSWER = 20_000  # characters; what is longer is no answer and would only cost time
RUN_ON = re.compile(r"\n[ \t]{0,3}#{0,6}[ \t]{0,3}(?:Question|Q|Problem|Human|User|Instruction)(?: [0-9]{1,4})?[ \t]{0,3}:")


def cut(text):
    """The text up to where the model ran on and posed itself a next question (once it has said a number)."""
    said = re.search("[0-9]", text)
    run_on = RUN_ON.search(text, said.end()) if said else None
    return text[:run_on.start()] if run_on else text


# All repetitions are bounded, and no two of them can share characters, so that no text makes a pattern slow.
DECIMAL = (r"(?:(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9])|[0-9]{1,30}(?![0-9]))(?:\.[0-9]{1,30}(?![0-9]))?"
           r"|\.[0-9]{1,30}(?![0-9]))")                                                      # 7  1,234.50  .5
VALUE = rf"(?:(?:[0-9]{{1,30}} {{1,3}})?[0-9]{{1,30}}/[0-9]{{1,30}}(?![0-9]| ?%)|{DECIMAL})"     # 1 1/2  1/2  or a decimal
AMOUNT = rf"(?:[-+] ?)?(?:[$€£] ?)?[-+]?{VALUE}"                                             # -5  $18  -$18  $-18
ONE_NUMBER = re.compile(rf"({AMOUNT}) ?[$€£¢%]? ?[a-z/'-]*(?: [a-z/'-]+){{0,3}} ?[.!]?")     # 18 dollars per day.
BOXED = re.compile(r"\\boxed ?\{((?:[^{}\n]|\{[^{}\n]{0,60}\}){1,100})\}")                    # balanced
ANSWER_IS = re.compile(r"answer(?: is| was| would be| will be| =| ?:)[ :$*]{0,6}(?:\n\s{0,3}(?![0-9]{1,2}[.)] ))?"
                       rf"(?:(?:about|approximately|exactly|only) )?({AMOUNT})", re.IGNORECASE)
GOES_ON = re.compile(r"[$€£¢%]?(?: ?[a-z]+)? ?[-+*/x^:] ?[$€£(]?[0-9]|[,.e][0-9]| and [0-9]+/| (?:or|to) [0-9]")    # more than one number
# In running text a number is no part of a word (x2), a time (3:30), a power (10^2), an ordinal (2nd), a date or 1e5,
# and a minus is a sign only if nothing stands before it to subtract from.
IN_TEXT = re.compile(r"(?:(?<![\w)%])-(?=[$€£.0-9]))?[$€£]?(?<![^\W_])(?<![0-9][.:/])(?<!\^)"
                     rf"{VALUE}(?!:[0-9]|\^|/[0-9]|e[-+]?[0-9]|(?:st|nd|rd|th)\b)")


def fraction(amount):
    """'-$1,234.50' -> Fraction(-2469, 2), '1 1/2' -> Fraction(3, 2); None for a denominator of zero."""
    parts = re.sub("[-+$€£,]", "", amount).split()
    try:
        return (-1 if "-" in amount else 1) * sum(map(Fraction, parts))
    except ZeroDivisionError:
        return None


def final_number(text):
    """(rule, number as written, its Fraction) of a plain, cut text. Rules in order of trust; of each the last match."""
    for line in reversed(re.findall(r"####[ \t]*([^\n#]{1,200})", text)):
        if match := ONE_NUMBER.fullmatch(line.strip()):                # "#### Step 1: add" is a heading, no answer
            return "hash", match[1], fraction(match[1])
    for inside in reversed(BOXED.findall(text)):
        if match := ONE_NUMBER.fullmatch(inside.split("=")[-1].strip()):
            return "boxed", match[1], fraction(match[1])
    for match in reversed(list(ANSWER_IS.finditer(text))):
        rest = text[match.end():match.end() + 200].split("\n")[0]
        while match and GOES_ON.match(rest):                           # "The answer is 6 * 3 = 18."
            rest = rest.partition("=")[2].lstrip()
            match = re.match(f"({AMOUNT})", rest)
            rest = rest[match.end():] if match else ""
        return ("answer is", match[1], fraction(match[1])) if match else ("answer is", None, None)
    match = None
    for match in IN_TEXT.finditer(text):
        pass
    return ("last number", match[0], fraction(match[0])) if match else ("none", None, None)


# ---- Part 2: the steps, "12 / 2 = 6 stamps" --------------------------------------------------------------------
# A step is the longest arithmetic expression on one line left of `=`, with what stands right of it. People write
# loosely ("half of 12 + 4 = 10", "2 hours + 30 minutes = 150 minutes"), so a step that does not compute is wrong only
# if nothing about it is in doubt. Doubtful steps are ignored, like everything that is no expression.

class Token(NamedTuple):
    kind: str            # "number", "unit", "word", "unknown", "other", "end", or the character itself: + - * / ( ) % =
    text: str
    start: int           # place in the line
    end: int


class Step(NamedTuple):
    expression: str      # "12 / 2"
    stated: str          # "6"
    right: bool
    values: tuple        # what the stated result may mean: "20%" is 1/5, or 20


WORD = r"(?:a[ ])?(?!(?:and|or|of|so|is|are|because|then|which|that)\b)[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))+"
TOKEN = re.compile(rf"""
      (?P<other> [0-9]+(?::[0-9]+)+ | [<>!=]+= | [=-]> | [0-9]+e[-+]?[0-9]+ | 0[0-9]+(?![0-9.,]) | [0-9]{{31,}} )
    | (?P<number> (?:[$€£][ ]?)?(?:{VALUE.replace(" ", "[ ]")}) )
    | (?P<times> (?<=[\w)%][ ])[xX](?=[ ][$€£]?[.(0-9]) | (?<=[0-9)%])[xX](?=[.(0-9]) | (?<=(?:%|[0-9])[ ])of(?=[ ][$€£]?[.(0-9]) )
    | (?P<unit> (?<=[0-9)%])(?:[ ]?/[ ]?|[ ]|)(?:{WORD})(?:[ ]{WORD}){{0,3}}(?:[ ]?/[ ]?{WORD})?(?=[ ]{{0,3}}(?:[-+*/)=]|x[ ][$€£]?[0-9])) )
    | (?P<word> [^\W\d_](?:\w|['’-](?=[^\W\d_]))* ) | (?P<sign> [-+*/()%=] ) | (?P<money> [$€£] ) | (?P<rest> \S )""", re.VERBOSE)
BULLET = re.compile(r"[ \t]*(?:(?:[-*+•>]|#+|\w{1,2}[.)]|step [0-9]{1,3} ?[-.:)])[ \t]+)+", re.IGNORECASE)
SCALES = set("dozen dozens hundred thousand million billion percent halves thirds quarters remainder".split())
OPERATIONS = set("half third quarter twice double triple times plus minus less more than by".split())
OPERATORS = {"+", "-", "*", "/", "("}
ARITHMETIC = OPERATORS | {"number", "unit", ")", "%"}
LONGEST = 80             # tokens of an expression, which bounds its nesting too


def tokenize(line):
    """Tokens of one line. `x`, and `of` after a fraction or a percentage, are *. Words after an operand with arithmetic
    after them are its unit: 12 minutes / 2 minutes/dish = 6."""
    tokens = []
    bullet = BULLET.match(line)
    for match in TOKEN.finditer(line, bullet.end() if bullet else 0):
        kind, text = match.lastgroup, match[0]
        if kind == "sign":
            kind = text
        elif kind == "times":
            fraction_before = tokens and (tokens[-1].kind == "%" or "/" in tokens[-1].text)
            kind = "word" if text == "of" and not fraction_before else "*"
        elif kind == "word" and len(text) == 1 and (text != "a" or line[match.start() - 1:match.start()] != " "):
            kind = "unknown"                                           # x, 2a, but not "$5 a day"
        elif kind == "rest" or kind == "number" and " " in text and "/" in text and (fraction(text.split()[-1]) or 1) >= 1:
            kind = "other"                                             # "in 20 12/2" is no mixed number
        if kind != "money":
            tokens.append(Token(kind, text, *match.span()))
    return tokens


class Unparsed(Exception):
    """These tokens form no arithmetic expression."""


class Expression:
    """The exact value of a run of tokens, by recursive descent:

        total   = product {(+ | -) product}
        product = factor {(* | / | nothing, before a bracket) factor}
        factor  = (+ | -) factor  |  (number | "(" total ")") {% | unit}
    """
    def __init__(self, tokens):
        self.tokens, self.at, self.doubt = tokens, 0, False
        self.value, self.percent = self.total()                        # percent: a plain percentage, such as 100% - 20%
        if self.at < len(tokens):
            raise Unparsed

    def kind(self):
        return self.tokens[self.at].kind if self.at < len(self.tokens) else "end"

    def take(self, *kinds):
        if self.kind() not in kinds:
            raise Unparsed
        self.at += 1
        return self.tokens[self.at - 1]

    def total(self):
        value, percent = self.product()
        while self.kind() in ("+", "-"):
            sign = -1 if self.take("+", "-").kind == "-" else 1
            other, other_percent = self.product()
            self.doubt |= percent != other_percent                     # 50 - 20%: per cent of what?
            value, percent = value + sign * other, percent and other_percent
        return value, percent

    def product(self):
        value, percent = self.factor()
        while self.kind() in ("*", "/", "("):
            divide = self.kind() == "/"
            if self.kind() != "(":
                self.take("*", "/")
            start = self.at
            other, other_percent = self.factor()
            self.doubt |= divide and ("/" in self.tokens[start].text or self.kind() == "(")     # 10 / 1/2, 12 / 2(3)
            percent = not divide and other_percent and other == 1      # 1 / 4 * 100% is a percentage
            value = value / other if divide else value * other
        return value, percent

    def factor(self):
        if self.kind() in ("+", "-"):
            sign = self.take("+", "-").kind
            value, percent = self.factor()
            return (-value if sign == "-" else value), percent
        if self.kind() == "(":
            self.take("(")
            value, percent = self.total()
            self.take(")")
        else:
            value, percent = fraction(self.take("number").text), False
            if value is None:
                raise ZeroDivisionError
        while self.kind() in ("%", "unit"):
            if self.take("%", "unit").kind == "%":
                value, percent = value / 100, True
        return value, percent


def joined(a, b):
    """May these neighbours stand in one expression? Two operands side by side only as 3(4) or (3)(4)."""
    if a.kind in ("number", "%", "unit", ")") and b.kind in ("number", "("):
        return b.kind == "(" and a.end == b.start and a.kind != "unit"
    return True


def around(tokens, equals):
    """(start, end) of the longest runs of arithmetic that touch the `=` at this index, on its left and on its right."""
    start, depth = equals, 0
    while start and equals - start < LONGEST and tokens[start - 1].kind in ARITHMETIC:
        depth += {")": 1, "(": -1}.get(tokens[start - 1].kind, 0)
        if depth < 0 or start < equals and not joined(tokens[start - 1], tokens[start]):
            break
        start -= 1
    end, depth = equals + 1, 0
    while end < len(tokens) and end - equals < LONGEST and tokens[end].kind in ARITHMETIC:
        depth += {"(": 1, ")": -1}.get(tokens[end].kind, 0)
        if depth < 0 or end > equals + 1 and not joined(tokens[end - 1], tokens[end]):
            break
        end += 1
    while end > equals + 1 and tokens[end - 1].kind in OPERATORS:
        end -= 1
    return start, end


def doubtful(tokens, start, equals, end):
    """Does something in or beside tokens[start:end] leave it open whether the statement was read as it was meant?"""
    before2, before, after, after2 = [
        tokens[i] if 0 <= i < len(tokens) else Token("end", "", -1, -1) for i in (start - 2, start - 1, end, end + 1)]
    first, numbers = tokens[start], [token.text for token in tokens[start:end] if token.kind == "number"]
    units = [re.findall(r"\w+", token.text.lower()) for token in tokens[start:end] if token.kind == "unit"]
    words = {after.text.lower(), *sum(units, [])}
    return any((
        before.text.lower() in OPERATIONS | SCALES or before.text == "of" and before2.text.lower() in OPERATIONS,    # half of 12 + 4
        before.kind in ("number", ")", "unknown") or before.text in ("^", "√"),                                     # 7 2 + 3, x 2 + 3
        before.end == first.start and before.text not in tuple("([{:;'\"=_|"),                                       # f(3), 1,2, 5:30
        after.kind in ("number", "unknown", "+", "-", "*", "/") or after.text[:1] in tuple("^!0123456789"),         # 2x, 24/Y, 18 000
        before.text == "and" and "/" in first.text or after.text == "and" and "/" in after2.text,                   # 5 and 2/3
        words & SCALES or words & {"cent", "cents"} and "$" in "".join(numbers),                                    # 6 dozen
        len({unit[-1].rstrip("s") for unit in units}) > 1 and {"+", "-"} & {token.kind for token in tokens[start:equals]}))


def readings(tokens):
    """What a stated result may mean: [(value, digits shown after the point, or None if it is no single decimal)]."""
    value, numbers = Expression(tokens).value, [token.text for token in tokens if token.kind == "number"]
    digits = len(numbers[0].partition(".")[2]) if len(numbers) == 1 and "/" not in numbers[0] else None
    if tokens[-1].kind != "%":
        return [(value, digits)]
    return [(value, digits if digits is None else digits + 2), (value * 100, digits)]      # 20%: 1/5, or 10 / 50 * 100


def agrees(value, stated, digits):
    """Equal to the digits shown: rounded (10 / 3 = 3.33), or cut off after the point (2 / 3 = 0.66). But what two
    decimals hold exactly is no whole number: 25 / 2 = 13 is a mistake."""
    if value == stated or digits is None or digits == 0 and (100 * value).denominator == 1:
        return value == stated
    unit = Fraction(1, 10 ** digits)
    return abs(value - stated) <= unit / 2 or digits > 0 and 0 <= value - stated < unit


def step_at(line, tokens, equals):
    """The Step around the `=` at this index; None where the text does not surely state one."""
    start, end = around(tokens, equals)
    left, right = tokens[start:equals], tokens[equals + 1:end]
    doubt = bool(left) and doubtful(tokens, start, equals, end)
    if left and left[0].kind in ("+", "-") and (start and tokens[start - 1].kind == "word" or left[0].end < tokens[start + 1].start):
        left, doubt = left[1:], True                                   # "Total - 3 * 4 = 12": a dash
    if not right or OPERATORS.isdisjoint(token.kind for token in left[1:]) and not (len(left) == 1 and "/" in left[0].text):
        return None                                                    # no arithmetic: 5 apples = 5 apples
    shown = line[left[0].start:left[-1].end], line[right[0].start:right[-1].end]
    try:
        expression, stated = Expression(left), readings(right)
        values = [expression.value, expression.value * 100][:2 if expression.percent and right[-1].kind != "%" else 1]
        operators = [i for i, token in enumerate(right) if i and token.kind in ("+", "-", "*", "/")]
        if operators and right[0].kind == "number":
            first = readings(right[:operators[0]])
            if end < len(tokens) and tokens[end].kind == "=":          # 3 * 4 = 12 * 2 = 24: a running chain
                stated += first
            else:                                                      # 3 + 4 = 7 - 2 of them are gone
                doubt |= agrees(values[0], *first[0])
    except Unparsed:
        return None
    except ZeroDivisionError:
        return Step(*shown, False, ())
    right_ = any(agrees(value, *reading) for value in values for reading in stated)
    if not right_ and (doubt or expression.doubt):
        return None
    return Step(*shown, right_, tuple(value for value, _ in stated))


def steps(text):
    """Every step that the text surely states, in order."""
    for line in cut(plain(text))[:LONGEST_ANSWER].split("\n"):
        tokens = tokenize(line) if "=" in line else []
        for i, token in enumerate(tokens):
            if token.kind == "=" and (step := step_at(line, tokens, i)):
                yield step


# ---- Part 3: the judges ----------------------------------------------------------------------------------------

def number(text, gold, check_steps=False):
    """Is the final number of `text` that of `gold` (a number, or a text that ends in one), exactly? With check_steps a
    step that the text states wrong refuses it as well. ValueError if the gold has no number."""
    _, _, truth = final_number(cut(plain(str(gold))))
    if truth is None:
        raise ValueError(f"this gold has no number: {str(gold)[:60]!r}")
    text = cut(plain(text))
    if len(text) > LONGEST_ANSWER:
        return Verdict(False, "too long", None, f"over {LONGEST_ANSWER} characters")
    rule, extracted, value = final_number(text)
    if value != truth:
        return Verdict(False, rule, extracted, f"{extracted} is not {truth}" if extracted else "no number found")
    if not check_steps:
        return Verdict(True, rule, extracted, "the final number is right")
    found = list(steps(text))
    wrong = [step for step in found if not step.right]
    scores = {"steps": len(found), "wrong_steps": len(wrong)}
    if wrong:
        return Verdict(False, "wrong step", extracted, f"wrong step: {wrong[0].expression} = {wrong[0].stated}", scores)
    return Verdict(True, rule, extracted, f"the final number is right, and so are {len(found)} steps", scores)


def exact(text, gold):
    """Equal but for white space."""
    said, want = " ".join(text.split()), " ".join(gold.split())
    return Verdict(said == want, "exact", said, "equal" if said == want else f"not {want[:60]!r}")


GOLDS = ("gold", "raw", "voice")                    # sources that are right by definition
LEAKS = ("reference answer", "reference solution", "the reference", "your response", "my response", "rewrit", "own words")


def target_number(text, gold, source="own", finished=True):
    """May this text become a training target for a maths problem? `finished`: the model ended it by itself.
    An own answer needs the right number and no wrong step; a paraphrase was shown the gold, so besides it has to state
    a step that gives the number, and not talk about its prompt (as in SDFT). own_number and paraphrase_number, for experiments, need
    the number alone."""
    if not finished:
        return Verdict(False, "unfinished", None, "cut off at the length limit")
    if source in GOLDS:
        return Verdict(True, "gold", None, "the gold itself")
    if source not in ("own", "paraphrase", "own_number", "paraphrase_number"):
        raise ValueError(f"unknown source {source!r}; known: own, paraphrase, own_number, paraphrase_number, {', '.join(GOLDS)}")
    verdict = number(text, gold, check_steps=not source.endswith("_number"))
    if not verdict.ok or source != "paraphrase":
        return verdict
    if leak := next((leak for leak in LEAKS if leak in text.lower()), None):
        return Verdict(False, "leak", verdict.extracted, f"talks about its prompt: {leak!r}", verdict.scores)
    answer = final_number(cut(plain(text)))[2]
    if not any(answer in step.values for step in steps(text)):
        return Verdict(False, "no step", verdict.extracted, "no stated step gives the final number", verdict.scores)
    return verdict


# ---- Part 4: the cases that fix all this; tests/test_judge.py runs them ----------------------------------------

NUMBER_CASES = [                                    # (text, its final number; None: it has none)
    ("#### 18.", "18"), ("#### $18", "18"), ("####18", "18"), ("#### 1,234", "1234"), ("#### -5", "-5"), ("#### −5", "-5"),
    ("#### 18.00", "18"), ("#### 5.50", "5.5"), ("The answer is $1,234.", "1234"), ("The answer is 72, in total, so..", "72"),
    ("Answer: 12 apples (3 boxes of 4)", "12"), (r"\boxed{42} after 3 steps", "42"),
    ("#### Step 1: add 30\n30 + 42 = 72\n#### 10", "10"), ("#### Step 1: add 30\nSo we add 30.\nThe answer is 72.", "72"),
    ("18\nQuestion: Tom has 99 pens", "18"), ("7 2 years", "2"), ("1/2 hour", "1/2"), ("**Answer: $18**", "18"),
    # and more of their kind
    ("#### 18 dollars per day", "18"), ("#### -$1,234.50", "-1234.5"), ("#### 2. Add them up\nThat makes 72.", "72"),
    ("#### 5 + 3 = 8", "8"), ("#### 10%", "10"), ("so 18 #### 18", "18"), ("#### 1 1/2", "3/2"), ("The answer is 2½.", "5/2"),
    (r"\boxed{\$1{,}250.50}", "1250.5"), (r"\boxed{\frac{3}{4}}", "3/4"), (r"\boxed{12 \text{ apples}}", "12"),
    (r"\boxed{x = 5}", "5"), (r"\boxed{5 and then 7", "7"), (r"First \boxed{3}, then \boxed{8}.", "8"),
    ("The answer is 6 * 3 = 18.", "18"), ("The answer is 6 * 3.", None), ("The answer is 10-15 minutes.", None),
    ("The answer is 3:30.", None), ("The answer is 12/25/2020.", None), ("The answer is 1e5.", None), ("The answer is 7/0.", None),
    ("The answer is **72** (48 + 24).", "72"), ("The answer is 13 or 14.", None), ("The answer is 2 and 1/2.", None),
    ("The final answer is:\n\n**$72**\n\nCheck: 72 - 24 = 48", "72"), ("The answer is 18. Wait. The answer is 20.", "20"),
    ("Answer:\n1. Buy 3.\n2. Now 9 * 2 = $18", "18"), ("Answer: Ann has 16 eggs and eats 3, so 13", "13"),
    ("He needs 3 boxes on the 2nd day", "3"), ("50-8", "8"), ("It fell to -8 degrees", "-8"), ("a total of 18kg", "18"),
    ("10^2", None), ("model X5", None), ("no number here", None), ("", None), ("٣", None), ("1" * 40, None),
    ("Question: how many?\n18 pens", "18"), ("It is 18.\n\nQuestion 2: 3 + 4?\nThe answer is 7.", "18"),
]
STEP_CASES = [                                      # (line, one word for every step in it; what is ignored has none)
    # the teaching model's voice, and its golds
    ("First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. Finally, $3 * 4 = $12.", "right right right"),
    ("First, 12 / 2 = 6 stamps. Then, 6 + 7 = 14 stamps. The answer is 14.", "right wrong"), ("12 / 2 = 6", "right"),
    ("4 * 9 = 13", "wrong"), ("20% of 50 = 10", "right"), ("20% of 50 = 12", "wrong"), ("60 * 25 / 100 = 15.", "right"),
    # number formats and operators
    ("48 × 2 = 96, 96 ÷ 3 = 32, 32 − 2 = 30, 2 x 3 = 6, 2x3 = 6", "right " * 5), ("1,000 * 3 = 3,000", "right"),
    ("$5.00 * 3 = $15", "right"), ("1 1/2 * 4 = 6", "right"), ("1 1/2 * 4 = 7", "wrong"), ("2½ + 1 = 3.5", "right"),
    ("80/100 * 10 = 8", "right"), ("1/2 of 50 = 25", "right"), ("3/4 - 1/2 = 1/4", "right"), ("12/4 = 3/4", "wrong"),
    ("100% - 20% = 80%", "right"), ("100% - 20% = 80", "right"), ("10/50*100 = 20%", "right"), ("1/4 = 25%", "right"),
    ("50 * 20% = 1000", "wrong"), ("50 - 20% = 40", ""), ("168/20% = 840", "right"), ("15 / 60 * 100% = 25", "right"),
    ("(3+4)*2 = 14", "right"), ("(3+4)*2 = 11", "wrong"), ("3(4) = 12", "right"), ("3(4) = 13", "wrong"), ("2 (3 + 4) = 7", "right"),
    ("10 - -5 = 15", "right"), ("-3 + 5 = 2", "right"), ("10-5 = 5", "right"), ("5 - 8 = -3", "right"), ("5 - 8 = 3", "wrong"),
    (r"\( 12 \times 3 = 36 \)", "right"), (r"\frac{48}{2} = 24", "right"), ("3 + 4 = **8**", "wrong"), (".5 * 4 = 2", "right"),
    # chains
    ("100 - 50 - 30 - 15 = $5", "right"), ("3 * 4 = 24 / 2 = 12", "right right"), ("2 + 3 = 1 + 5 = 6", "wrong right"),
    ("3 * 4 = 12 * 2 = 24", "right right"), ("3 * 4 = 12 * 2 = 25", "right wrong"), ("x = 5 * 3 = 15", "right"),
    # rounding
    ("10/3 = 3.33", "right"), ("2/3 = 0.66", "right"), ("2/3 = 0.67", "right"), ("10/3 = 3.34", "wrong"), ("10/3 = 3", "right"),
    ("10/3 ≈ 3.3", "right"), ("0.5 + 0.25 = 1", "wrong"), ("1/3 = 33%", "right"), ("2.5 * 3 = 8", "wrong"), ("25/2 = 13", "wrong"), ("3 * 4 = 13 a day", "wrong"), ("$5 a day * 3 days = $15", "right"),
    # labels, bullets and words before the expression
    ("Step 1: 3 + 4 = 7", "right"), ("Step 1 - 3 + 4 = 7", "right"), ("1. 3 + 4 = 7", "right"), ("1) 3 + 4 = 8", "wrong"),
    ("- 3 + 4 = 7", "right"), ("* 3 + 4 = 8", "wrong"), ("So 3 + 4 = 8", "wrong"), ("Total: 3 + 4 = 8", "wrong"),
    ("Total - 3 * 4 = 12", "right"), ("Evan - 3 * 4 = 2", ""), ("half of 12 + 4 = 10", ""), ("In 2020 3 + 4 = 7", "right"),
    # units
    ("48 + 24 = 72 clips", "right"), ("12 minutes / 2 minutes/dish = 6 dishes", "right"), ("3 apples * 4 = 13", "wrong"),
    ("3 red apples + 4 apples = 8 apples", "wrong"), ("2 hours + 30 minutes = 150 minutes", ""), ("3 dozen + 4 = 40", ""),
    ("$0.25 * 4 = 100 cents", ""), ("25 * 4 = 101 cents", "wrong"), ("That is half: 12 / 2 = 7", "wrong"), ("5 * 3 = 15 thousand", "right"), ("600 x 30 = 18 000", ""), ("17 / 3 = 5 and 2/3", ""),
    # no steps, or none that is sure
    ("5 apples = 5 apples", ""), ("1 hour = 60 minutes", ""), ("x = 5", ""), ("15 + 2a = 35", ""), ("1/2 a cup = 4 ounces", ""), ("12 - 5 = 2A", ""), ("2 * x = 10", ""), ("2x + 3 = 13", ""), ("3x +4 - 4 = 28", ""),
    ("12 = 6 * 2", ""), ("Day 2 = 6 * 2", ""), ("3:30 + 2 = 5:30", ""), ("1,2,3 + 4 = 9", ""), ("f(3) + 4 = 9", ""), ("10^2 + 1 = 101", ""),
    ("2**3 = 6", ""), ("5! = 120", ""), ("3 + 4 == 8", ""), ("8/3 = 24/Y", ""), ("3 + = 7", ""), ("10 / 1/2 = 5", ""), ("= = 3 + 4 =", ""),
    ("5 / 0 = 0", "wrong"), ("((3 + 4 = 7", "right"), ("9**9**9 = 1", ""), ("3 + 4 = 7 - 2 of them", "") , ("a 15-year-old = 15 - 1", ""),
]
EXACT_CASES = [("two  words\n", "two words", True), ("Two words", "two words", False), ("", "x", False)]
VOICE = "First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. The answer is 13."
TARGET_CASES = [                                    # (source, finished, text, the rule that decides), gold: 13
    ("own", True, VOICE, "answer is"), ("own", True, "The answer is 13.", "answer is"), ("own", False, VOICE, "unfinished"),
    ("own", True, VOICE.replace("6 +", "5 +"), "wrong step"), ("own_number", True, VOICE.replace("6 +", "5 +"), "answer is"),
    ("paraphrase", True, VOICE, "answer is"), ("paraphrase", True, "The answer is 13.", "no step"),
    ("paraphrase", True, "12 / 2 = 6 stamps. The answer is 13.", "no step"), ("paraphrase_number", True, "The answer is 13.", "answer is"),
    ("paraphrase", True, "As the reference answer says: " + VOICE, "leak"), ("gold", True, "12 / 2 = 6\nThe answer is 13.", "gold"),
]
ACCEPTED = ("hash", "boxed", "answer is", "last number", "gold")


def table():
    """Run every case: [(kind, text, wanted, got, right)]."""
    rows = []
    for text, want in NUMBER_CASES:
        rule, shown, value = final_number(cut(plain(text)))
        rows.append(("number", text, str(want), f"{value} ({rule})", str(value) == str(want and fraction(want))))
    for text, want in STEP_CASES:
        got = " ".join("right" if step.right else "wrong" for step in steps(text))
        rows.append(("steps", text, want.strip() or "ignored", got or "ignored", got == want.strip()))
    for text, gold, want in EXACT_CASES:
        rows.append(("exact", f"{text} / {gold}", str(want), str(exact(text, gold).ok), exact(text, gold).ok == want))
    for source, finished, text, want in TARGET_CASES:
        verdict = target_number(text, "The answer is 13.", source, finished)
        rows.append((source, text, want, verdict.rule, (verdict.rule, verdict.ok) == (want, want in ACCEPTED)))
    return rows


# ---- Part 5: the command line ----------------------------------------------------------------------------------

def judge_file(path):
    """Accepted and refused by source and rule, as lines. ValueError with one line for a file that cannot be judged."""
    counts, ids = Counter(), set()
    try:
        lines = open(path, encoding="utf-8").read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'no UTF-8 text'})")
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            attempt = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"{path}:{n}: this line is no JSON")
        for name in ("id", "source", "text", "finish_reason", "gold"):
            if not isinstance(attempt, dict) or not isinstance(attempt.get(name), (str, int) if name in ("id", "gold") else str):
                raise ValueError(f"{path}:{n}: the field {name!r} is missing or has the wrong type")
        try:
            verdict = target_number(attempt["text"], attempt["gold"], attempt["source"], attempt["finish_reason"] != "length")
        except ValueError as error:
            raise ValueError(f"{path}:{n}: {error}")
        ids.add(attempt["id"])
        counts[attempt["source"], verdict.ok, verdict.rule] += 1
    if not counts:
        raise ValueError(f"{path}: no attempts in it")
    report = [f"{counts.total()} attempts at {len(ids)} examples"]
    for source in dict.fromkeys(source for source, _, _ in counts):
        mine = {(ok, rule): n for (s, ok, rule), n in counts.items() if s == source}
        accepted, total = sum(n for (ok, _), n in mine.items() if ok), sum(mine.values())
        report.append(f"{source}: {accepted} of {total} accepted, {accepted / total:.1%}")
        for (ok, rule), n in sorted(mine.items(), key=lambda item: (not item[0][0], -item[1])):
            report.append(f"    {'accepted' if ok else 'refused':8}  {rule:11} {n:6} {n / total:7.1%}")
    return report


def main(arguments):
    if arguments == ["--table"]:
        rows = table()
        for kind, text, want, got, right in rows:
            print(f"{'ok  ' if right else 'FAIL'} {kind:17} {text!r} -> {got}{'' if right else f', but wanted: {want}'}")
        failed = sum(not right for *_, right in rows)
        print(f"{len(rows)} cases, {failed} failed")
        return 1 if failed else 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python judge.py --table  |  python judge.py attempts.jsonl", file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        print("\n".join(judge_file(arguments[0])))
        return 0
    except ValueError as error:
        print(f"judge.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
