"""Probes of lab 2: the judge."""
import functools
import re

from probes import Probe, raises


# ---------------------------------------------------------------- final_number

def read(judge, texts):
    """What is read in each text: [text, rule, as it is written, value]."""
    found = []
    for text in texts:
        rule, written, value = judge.final_number(text)
        found.append([text, rule, written, None if value is None else float(value)])
    return found


def numbers(draw, n):
    return draw.sample(range(11, 99), n)


def announced(draw, judge):
    a, b, c = numbers(draw, 3)
    return read(judge, [f"6 + {a} = {a + 6}\n#### {a + 6}", f"So it is \\boxed{{{b}}}.",
                        f"The answer is {c} apples."])


def hash_first(draw, judge):
    a, b, c = numbers(draw, 3)
    return read(judge, [f"#### {a}\nThe answer is {b}.", f"#### {a}\nThat is \\boxed{{{c}}}."])


def box_first(draw, judge):
    a, b = numbers(draw, 2)
    return read(judge, [f"\\boxed{{{a}}} hours. So the answer is {b}."])


def last_counts(draw, judge):
    a, b, c = numbers(draw, 3)
    return read(judge, [f"The answer is {a}. No, wait: the answer is {b}.",
                        f"#### {b}\n#### {c}"])


def nothing_announced(draw, judge):
    a, b, c = numbers(draw, 3)
    return read(judge, [f"Ben has {a} and finds {b}, which makes {c}"])


def no_number(draw, judge):
    words = draw.sample(["apples", "boxes", "coins", "pears"], 2)
    return read(judge, [f"There are {words[0]} and {words[1]}.", ""])


def unclear(draw, judge):
    a, b, c = numbers(draw, 3)
    return read(judge, [f"It could be {a}. The answer is {b} or {c}.",
                        f"The answer is {a}. No, the answer is {b} or {c}."])


def last_unclear(draw, judge):
    a, b = numbers(draw, 2)
    return read(judge, [f"It takes {a}-{a + b} minutes"])


def heading(draw, judge):
    a, b = numbers(draw, 2)
    return read(judge, [f"The answer is {a}.\n#### Step 2: add {b}",
                        f"#### Step 1: add {b}\n{a} + {b} = {a + b}"])


def behind_headings(draw, judge):
    a, b = numbers(draw, 2)
    return read(judge, [f"We have {a} boxes.\n#### Step 1: count them\n{a} + {b} = {a + b} boxes",
                        f"We have {a} boxes and {b} pens.\n#### Now we count them all"])


def readable_part(draw, judge):
    a, b = numbers(draw, 2)
    return read(judge, [f"<think>Is it #### {a}</think>The answer is {b}.",
                        f"The answer is {b}.\n\nQuestion: Ben has 3 pens. How many?\n#### {a}"])


def fractions(draw, judge):
    a = draw.choice([3, 5, 7, 9])
    values = [judge.final_number(text)[2] for text in (f"#### {a}/2", f"#### {a}.5", f"In all {a}")]
    return [[type(value).__name__, str(value)] for value in values]


# ---------------------------------------------------------------- number

def verdicts(judge, cases):
    """[text, ok, rule, steps, wrong steps] of each (text, gold, check_steps)."""
    found = []
    for text, gold, check_steps in cases:
        verdict = judge.number(text, gold, check_steps)
        found.append([text[:60], verdict.ok, verdict.rule, verdict.scores])
    return found


def right_number(draw, judge):
    a, b = numbers(draw, 2)
    return verdicts(judge, [(f"The answer is {a}.", str(a), False),
                            (f"The answer is {b}.", str(a), False)])


def same_value(draw, judge):
    a = draw.randrange(2, 9)
    return verdicts(judge, [(f"#### {a},000.00", f"{a}000", False),
                            (f"#### 0.{a}", f"{a}/10", False),
                            (f"#### {a}1", str(a), False),
                            (f"#### {a}.001", str(a), False)])


def gold_text(draw, judge):
    a, b = numbers(draw, 2)
    gold = f"{a} + {b} = <<{a}+{b}={a + b}>>{a + b} pens\n#### {a + b}"
    return verdicts(judge, [(f"The answer is {a + b}.", gold, False),
                            (f"The answer is {a}.", gold, False)])


def steps_only_on_request(draw, judge):
    a = draw.randrange(20, 60)
    return verdicts(judge, [(f"4 * 9 = {a}. The answer is {a}.", str(a), False)])


def wrong_step(draw, judge):
    a, b = numbers(draw, 2)
    wrong = f"First, {a} + {b} = {a + b + 1}. Finally, {a} - 1 = {a - 1}. The answer is {a - 1}."
    return verdicts(judge, [(wrong, str(a - 1), True)])


def right_steps(draw, judge):
    a, b = numbers(draw, 2)
    right = f"First, {a} + {b} = {a + b}. Finally, {a + b} * 2 = {2 * (a + b)}. The answer is " \
            f"{2 * (a + b)}."
    return verdicts(judge, [(right, str(2 * (a + b)), True)])


def wrong_both(draw, judge):
    a, b = numbers(draw, 2)
    return verdicts(judge, [(f"{a} + {b} = {a + b + 1}. The answer is {b}.", str(a), True)])


def no_gold(draw, judge):
    a, = numbers(draw, 1)
    return raises(ValueError, judge.number, f"The answer is {a}.", "no number here")


def unfinished(draw, judge):
    a, = numbers(draw, 1)
    return verdicts(judge, [(f"<think>The answer is {a}.", str(a), False)])


def too_long(draw, judge):
    a, = numbers(draw, 1)
    return verdicts(judge, [("so it is " * 20_000 + f"\n#### {a}", str(a), False)])


# ---------------------------------------------------------------- fool

def fooling_texts(draw, sheet):
    """Texts for three questions drawn from the bundled ones, each [number of the line, text]."""
    texts = []
    for number, row in drawn_problems(draw):
        text = sheet.fool(row["question"], row["answer"])
        if not isinstance(text, str):
            raise TypeError(f"it returns {str(text)[:60]}, which is no text")
        texts.append([number, text])
    return texts


def drawn_problems(draw):
    problems = bundled_problems()
    numbers_of_lines = draw.sample(range(len(problems)), 3)
    return [(number, problems[number]) for number in numbers_of_lines]


@functools.cache
def bundled_problems():
    from data import TINY, read_jsonl
    return [row for _, row in read_jsonl(TINY / "gsm8k" / "train.jsonl")]


def is_accepted(texts):
    import judge
    for number, text in texts:
        row = bundled_problems()[number]
        verdict = judge.target_number(text, row["answer"], "own", row["question"])
        if not verdict.ok:
            return f"refused ({verdict.rule}: {verdict.reason}): {text[:200]!r}"
    return ""


def is_wrong(texts):
    from data.tiny import world_truth
    for number, text in texts:
        row = bundled_problems()[number]
        plain = re.sub("<<.*?>>", "", text)             # what golds have beside their steps
        if world_truth.right(row["voice"], plain, row["question"]):
            return f"this is a right solution of {row['question']!r}: {text[:200]!r}"
    return ""


PROBES = [
    Probe("final_number", "#### and a box and \"the answer is\" announce a number (each: text, "
                          "rule, as written, value)", announced),
    Probe("final_number", "#### goes before a box and before \"the answer is\", wherever it stands",
          hash_first),
    Probe("final_number", "a box goes before \"the answer is\"", box_first),
    Probe("final_number", "of several announcements of one kind the last counts", last_counts),
    Probe("final_number", "where nothing announces a number, the last number of the text counts, "
                          "by the rule \"last number\"", nothing_announced),
    Probe("final_number", "a text without a number: the rule \"none\", and None twice", no_number),
    Probe("final_number", "an announced number that is unclear stays so: no earlier number is "
                          "tried instead", unclear),
    Probe("final_number", "where last_number says UNCLEAR, the rule is \"last number\", and the "
                          "number None", last_unclear),
    Probe("final_number", "where announced_number says None, it was a heading: the announcements "
                          "before it are tried, then those of the next kind", heading),
    Probe("final_number", "where only headings announce something, the last number BEHIND them "
                          "counts", behind_headings),
    Probe("final_number", "what `readable` leaves of a text is read: no thoughts, and no next "
                          "question", readable_part),
    Probe("final_number", "the value is exact: a Fraction, no float", fractions),
    Probe("number", "the final number decides (each: text, ok, rule, scores), and the rule is the "
                    "one that found it, be it right or wrong", right_number),
    Probe("number", "the gold may be a whole solution: its final number counts, not the first one",
          gold_text),
    Probe("number", "values are compared, exactly, and not texts: 3,000.00 is 3000, 0.5 is 5/10, "
                    "but 31 is not 3, and 3.001 neither", same_value),
    Probe("number", "steps are looked at only where check_steps asks for it",
          steps_only_on_request),
    Probe("number", "a wrong number is refused by the rule that read it, before any step is looked "
                    "at", wrong_both),
    Probe("number", "with check_steps one wrong step refuses a right number, by the rule \"wrong "
                    "step\", and the scores count steps and wrong_steps", wrong_step),
    Probe("number", "with check_steps a text whose steps are right is accepted, and the scores "
                    "count its steps", right_steps),
    Probe("number", "a gold without a number is the caller's mistake: ValueError", no_gold),
    Probe("number", "a text whose thoughts do not end is UNFINISHED, whatever number is in them",
          unfinished),
    Probe("number", "a text longer than LONGEST_ANSWER is refused by the rule \"too long\"",
          too_long),
    Probe("fool", "the judge accepts your text as an own answer, whatever the question",
          fooling_texts, is_accepted),
    Probe("fool", "your text is no right solution: some number in it comes from nowhere, or its "
                  "steps do not lead to the answer", fooling_texts, is_wrong),
]
