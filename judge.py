"""judge.py - is an answer right, and may it become a training target?

S3FT trains on the model's own answer wherever that answer is right, so something has to say what
"right" is. Here that is plain code and no second model. It can err in two ways:

    it accepts a wrong answer      then a wrong text becomes a training target
    it refuses a right answer      then the gold takes its place, and S3FT quietly turns into SFT

So every judge returns a Verdict, which names the rule that decided and what was read. A run writes
what its judge says of each attempt to verdicts.jsonl. There is one for each kind of answer:

    number    a maths problem: the final number, and on request the steps to it      Part 1
    exact     a text that has to be equal                                            Part 1
    span      a few words from a passage                                             Part 2
    code      a program, run against its tests                                       Part 3
    target_number, target_span, target_code    may it become a training target?      Part 4

    python judge.py --table           the cases that fix what counts as right (also run as tests)
    python judge.py attempts.jsonl    judge a run's attempts again, without sampling them again
                                      (--unsafe-code: as for s3ft.py)
"""
import functools
import re
import sys
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from data.judging import arithmetic, sandbox, spans
from data.judging.answer_text import is_copy, leak, loops, run_on, without_thought
from data.judging.asserts import check_tests, shortened, test_holds, wanted_values
from data.judging.code_blocks import LONGEST_ANSWER, defines, extract_code
from data.judging.numbers import UNCLEAR, fraction, last_number, prepare
from data.judging.stated import NOT_PLAIN, stated_number


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a text. `rule` names what decided:

    number      hash, boxed, answer is          where the final number stood, be it right or wrong
                last number, none               it is the last one in the text; there is none
                wrong step                      the number is right, but a stated step is wrong
    exact       exact                           equal, or not
    span        exact, contained, no gold       a gold itself; a gold stands in it; none does
                several answers, loops          names others too, or is not sure; repeats itself
                abstained                       rightly says that the passage does not say
                abstained though answerable     but the passage does say
                answered an unanswerable        the passage does not say, and yet it answers
    code        pass, fail                      its tests
                error, timeout, memory          raised or left; ran too long; grew too big
                no code, unclosed, no function  no program to run (data/judging/code_blocks.py)
                bad test, harness               a test, or a machine, that cannot be used
    target_..   gold                            right by definition
                loops, copy, run-on             repeats itself; repeats the question; asks another
                leak                            a paraphrase that talks about its prompt
                no step                         a paraphrase without a step to the final number
                empty                           a span that says nothing
    not exact   too long                        over LONGEST_ANSWER characters, LONGEST_SPAN words
    all         unfinished                      its thoughts do not end, or it was cut off
    """
    ok: bool                      # right; of a target: accepted
    rule: str
    extracted: str | None         # what the judge took for the answer, or what it refuses
    reason: str                   # one line for the reader
    scores: dict = field(default_factory=dict)


UNFINISHED = Verdict(False, "unfinished", None, "its thoughts do not end, so it has no answer")


# ---- Part 1: numbers, and texts that have to be equal --------------------------------------------
# Mostly something announces the final number: ####, a box, "the answer is". What follows, to the
# end of its clause, is read by one grammar (data/judging/stated.py): exactly one number with its
# unit, or an equation whose last side is that. Other clauses with a number are unclear, so refused:
# no earlier number is tried instead. Where nothing announces it, the last number of the text counts
# (data/judging/numbers.py). A #### or "Answer:" with other words before its number is a heading:
# earlier announcements are tried, and where there is none the last number below it counts.
#
#   accepted   "18 dollars per day"    "6 * 3 = 18"    "12 apples (3 boxes of 4)"    "twelve"
#   refused    "5 or 6"    "6 * 3"     "2 hours 30 minutes"     "less than 18"

# What announces a final number. In its patterns a blank is layout; [ ] is a blank of the text.
#   hash         "#### 18", as GSM8K's golds end
#   boxed        "\boxed{18}", with at most two levels of braces inside: \boxed{\sqrt{9} = 3}
#   answer is    "the answer is 18"    "Answer: 18"    "Final Answer", and 18 on the next line
#                "the answer to the question is 18", but not "suppose the answer is 18"
HASH = r"\#{4} (?!\#)"
BRACES = r"\{ (?: [^{}\n] | \{ [^{}\n]{0,60} \} ){0,60} \}"         # at most one level inside
BOXED = rf"\\boxed[ ]?\{{ (?P<inside> (?: [^{{}}\n] | {BRACES} ){{1,100}} ) \}}"
ANSWER_IS = r"""
    (?<! \b if[ ]the[ ] ) (?<! suppose[ ]the[ ] ) (?<! assume[ ]the[ ] ) (?<! this[ ] )
    \b answer
    (?: (?: [ ] (?: to | for | in ) (?: [ ] [a-z']+ ){1,5} )?
        [ ] (?: (?: is | was | would[ ]be | will[ ]be | must[ ]be | should[ ]be | equals ) \b
              | (?= (?: isn't | wasn't | cannot | can't ) \b ) )
      | (?P<heading> [ \t]* (?: [:=>] | (?=\n) ) ) )"""
FLAGS = re.VERBOSE | re.IGNORECASE
ANNOUNCED_BY = {"hash": re.compile(HASH, FLAGS), "boxed": re.compile(BOXED, FLAGS),
                "answer is": re.compile(ANSWER_IS, FLAGS)}
ANNOUNCED = re.compile(rf"{HASH} | {BOXED} | {ANSWER_IS}", FLAGS)

LONGEST_CLAUSE = 300             # characters
ABOUT = set("about approximately around roughly exactly only just therefore".split())
# What begins under a heading: "1. Buy 3 boxes". But "Answer: 18. She sells .." states 18.
LIST_ITEM = {"hash": re.compile(r"\s*[0-9]{1,2}[.)] [^\W\d_]"),         # the last is a letter
             "answer is": re.compile(r"\s*(?:\n\s*[0-9]{1,2}|1)[.)] [^\W_]")}
# Or an equation whose result is used in a next one: "16 - 7 = 9. 9 * 2 = 18"
WORKING = re.compile(r"= ?\$?([0-9][0-9.,]*)\b[^=]*\b\1\b[^=]*=")
# Between two boxes of one answer: \boxed{5} hours and \boxed{20} minutes
BOX_BEFORE = re.compile(r"\}[$ ]*(?:[a-z]+ )?(?:,|and|or)[$ ]*(?:[a-z] ?= ?)?$")


class FinalNumber(NamedTuple):
    """The final number of a text."""
    rule: str                     # the rule that found it
    written: str | None           # as the text has it, "$1,234"; None: no clear number
    value: Fraction | None        # 1234; None also for "7/0"


def announced_number(text, rule, match):
    """What follows the words that announce a number -> FinalNumber; None: no number, or a heading.

    match: where they stand, of ANNOUNCED_BY[rule]. A #### or "Answer:" may also be a heading.

    accepted    "Solution. The answer is therefore 18 for 2 days."      18
    accepted    "That is \\boxed{x = 5 apples}"                         5
    refused     "18 in all. The answer is 6 * 3."
    passed on   "#### Step 1: add 30"
    """
    clause = text[match.end():match.end() + LONGEST_CLAUSE]
    if rule == "hash":
        clause = clause.split("\n")[0]
    if rule == "boxed":
        clause = match["inside"] + clause
    clause = re.sub(r"^\s*\n\s*[-*•] ", "", clause)             # a list of one item
    number, clear, words = stated_number(clause)    # "about 18 pens": 18, True, [about] before it
    heading = rule == "hash" or match.groupdict().get("heading") is not None
    # "Answer: no more than 18" is an answer, though not a clear one, and no heading
    bounded = len(words) <= 3 and bool(NOT_PLAIN & set(words))
    if heading and not bounded:     # "#### Step 1", "#### 2. Add them", "16 - 7 = 9. 9 * 2 = 18"
        if set(words) - ABOUT or LIST_ITEM[rule].match(clause) or WORKING.search(clause):
            return None
    if number is None and clear:                                # no number: "the answer is clear."
        return None
    if rule == "boxed" and BOX_BEFORE.search(text[:match.start()]):
        clear = False                                           # the second of two boxes
    if not clear:
        return FinalNumber(rule, None, None)
    return FinalNumber(rule, number, fraction(number))


@functools.lru_cache(maxsize=1)             # `number` asks for the same text several times
def readable(text):
    """The answer that stands in a text, made plain: without thoughts, run-on, LaTeX, bold type."""
    answer = without_thought(text)
    if answer is None:                      # all of it is thought
        return ""
    plain = prepare(answer)
    return plain[:run_on(plain, ANNOUNCED)]


def final_number(text):
    """The final number of a text -> FinalNumber.

    A #### goes before a box, and a box before "the answer is". Of several of one kind the last
    counts, since people correct themselves.
    """
    plain = readable(text)
    begin = 0                               # behind all that announces a number
    for rule, pattern in ANNOUNCED_BY.items():
        matches = list(pattern.finditer(plain))
        for match in reversed(matches[-20:]):       # a loop may announce it a thousand times
            begin = max(begin, match.end())
            number = announced_number(plain, rule, match)
            if number:
                return number
    written = last_number(plain[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def steps(text):
    """The steps that a text surely states -> [Step(expression, stated, right, values), ..].

    values: what the stated result may mean, "20%" as 1/5 or as 20.

    It reads every `expression = result` on a line ("12 / 2 = 6 stamps") and ignores what it cannot
    read with certainty ("half of 12 + 4"; see data/judging/arithmetic.py): a right answer refused
    is a target lost. One step that is surely wrong refuses a whole answer, since a small model
    likes to copy the right number under steps that do not lead to it ("4 * 9 = 13").
    """
    return list(arithmetic.stated_steps(readable(text)[:LONGEST_ANSWER]))


def number(text, gold, check_steps=False):
    """Is the final number of `text` exactly that of `gold`, a number or a text that ends in one?

    check_steps: a stated step that is wrong refuses the text too. ValueError: gold has no number.
    """
    wanted = final_number(str(gold)).value
    if wanted is None:
        raise ValueError(f"this gold has no number: {str(gold)[:60]!r}")
    if without_thought(text) is None:
        return UNFINISHED
    if len(readable(text)) > LONGEST_ANSWER:
        return Verdict(False, "too long", None, f"over {LONGEST_ANSWER} characters")
    rule, written, value = final_number(text)
    if value != wanted:
        reason = f"{written} is not {wanted}" if written else "no clear final number"
        return Verdict(False, rule, written, reason)
    if not check_steps:
        return Verdict(True, rule, written, "the final number is right")

    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if wrong:
        reason = f"wrong step: {wrong[0].expression} = {wrong[0].stated}"
        return Verdict(False, "wrong step", written, reason, scores)
    reason = f"the final number is right, and so are {len(stated)} steps"
    return Verdict(True, rule, written, reason, scores)


def exact(text, gold):
    """Is `text` equal to `gold`, but for white space and thoughts?"""
    if without_thought(text) is None:
        return UNFINISHED
    answer = " ".join(without_thought(text).split())
    wanted = " ".join((without_thought(gold) or gold).split())
    if answer == wanted:
        return Verdict(True, "exact", answer[:200], "equal")
    return Verdict(False, "exact", answer[:200], f"not {wanted[:60]!r}")


# ---- Part 2: an answer from a passage ------------------------------------------------------------

LONGEST_SPAN = 25       # words; a copy of the passage holds the gold too, but answers nothing


def span(text, golds):
    """Is `text` the answer that the passage gives: does a gold stand in it, word for word?

    golds: every accepted wording. [] or [""]: the passage does not say; then the text has to say
    so, in one of the ways in data/judging/spans.py, or to be empty. Text and golds are compared in
    SQuAD's normal form. If that leaves nothing of a gold ("the", "%"), it is compared unchanged.
    Verdict.scores has SQuAD's em, f1 and recall; a text that declines is scored as an empty one.

    accepted   "It was Ole Berg."   for the gold "Ole Berg"
    refused    "Berg, Ole"      "Ole Berg or Kari Lund"
    """
    text = without_thought(text)
    if text is None:
        return replace(UNFINISHED, scores={"em": 0, "f1": 0, "recall": 0})
    text = text.strip()
    golds = [gold.strip() for gold in golds if gold.strip()]
    answer = spans.normal(text)
    equal = [gold for gold in golds if text == gold or (answer and answer == spans.normal(gold))]
    declines = None if equal else spans.abstention(text, golds)    # its phrase; None: it answers
    said = text if declines is None else ""                        # who declines says nothing
    scores = spans.squad_scores(said, golds)
    if equal:
        return Verdict(True, "exact", equal[0], "a gold itself", scores)
    if len(text.split()) > LONGEST_SPAN and (golds or declines):   # else it answers: the next rule
        return Verdict(False, "too long", None, f"over {LONGEST_SPAN} words", scores)
    if not golds and declines is None:
        reason = "answers what the passage does not say"
        return Verdict(False, "answered an unanswerable", text[:200], reason, scores)
    if golds and declines is not None:
        reason = f"declines to answer; the passage says {golds[0][:60]!r}"
        return Verdict(False, "abstained though answerable", declines, reason, scores)
    marked = spans.mark_golds(text, golds)                         # "it was GOLD or kari lund"
    if spans.says_it_thrice(marked):
        return Verdict(False, "loops", text[:200], "says the same three times in a row", scores)
    if not golds:
        return Verdict(True, "abstained", declines, "rightly declines to answer", scores)
    if spans.GOLD not in marked:
        reason = f"no gold stands in it; the first is {golds[0][:60]!r}"
        return Verdict(False, "no gold", text[:200], reason, scores)
    if spans.names_others(marked):
        return Verdict(False, "several answers", text[:200], "names others, or is not sure", scores)
    stated = [gold for gold in golds if spans.GOLD in spans.mark_golds(text, [gold])]
    return Verdict(True, "contained", stated[0], "a gold stands in it", scores)


# ---- Part 3: a program that passes its tests -----------------------------------------------------
# A program is hostile until shown otherwise. It runs in a contained child process, which never
# learns what the tests expect: of `assert f(3) == 9` it gets f(3), and the comparison with 9 is
# made here. data/judging/sandbox.py says what that is good for.

def code(text, tests, setup=""):
    """Does the program in `text` pass all of `tests`, a list of assert lines?

    setup: code that runs after the program, whose classes it may use. Verdict.scores counts the
    tests and those passed. UserError where nothing contains generated code.

    accepted   def square(x): return x * x   in a code block, for "assert square(3) == 9"
    refused    def square(x): return 9       for "assert square(3) == 9", "assert square(2) == 4"
    """
    scores = {"passed": 0, "tests": len(tests)}
    try:
        parsed = check_tests(tests)
    except ValueError as error:
        return Verdict(False, "bad test", None, str(error), scores)
    # what the program has to define
    names = [name for test in parsed for name in test.names if not defines(setup, [name])]
    answer = without_thought(text)
    if answer is None:
        return replace(UNFINISHED, scores=scores)
    where, program = extract_code(answer, names)
    if program is None:
        return Verdict(False, where, None, "nothing to run", scores)
    outcome = sandbox.run(program, [test.expression for test in parsed], setup)
    if outcome.rule != "ok":
        return Verdict(False, outcome.rule, program, outcome.reason, scores)
    wanted = wanted_values(parsed)
    if wanted.rule != "ok":
        return Verdict(False, wanted.rule, program, wanted.reason, scores)

    failures = []                                                  # (rule, reason)
    for test, value, want in zip(parsed, outcome.values, wanted.values):
        call = test.expression[:80]
        if isinstance(value, sandbox.NoValue):
            rule = "error" if value.rule == "raised" else "fail"
            failures.append((rule, f"{call}: {value.rule}: {value.reason}"))
        elif not test_holds(test, value, want):
            failures.append(("fail", f"{call} is {shortened(value)}, wanted {shortened(want)}"))
    scores["passed"] = len(parsed) - len(failures)
    if failures:
        rule, reason = failures[0]
        return Verdict(False, rule, program, reason.replace("\n", " "), scores)
    reason = f"passes {len(parsed)} of {len(parsed)} tests ({where})"
    return Verdict(True, "pass", program, reason, scores)


# ---- Part 4: may it become a training target? ----------------------------------------------------
# An own answer has to be right and to teach no bad habit: a loop, a run-on, a wrong step. A
# paraphrase is judged more strictly, because the model saw the gold as it wrote: it may give the
# answer without any reasoning, or talk about the gold ("as the reference answer says"). With the
# exact judge a text need only be equal. What was cut off at the length limit never gets here:
# s3ft.choose_targets skips it.

BY_THE_MODEL = ("own", "paraphrase")           # the names of sampled sources begin with one of them
GOLDS = ("gold", "raw", "voice")               # wordings of the gold
NUMBER_ALONE = ("own_number", "paraphrase_number")     # for experiments: judged by the number alone
RIGHT_BY_DEFINITION = Verdict(True, "gold", None, "the gold itself")


def is_gold(source):
    """Is this source a wording of the gold? ValueError: unknown source."""
    if source not in GOLDS and not source.startswith(BY_THE_MODEL):
        raise ValueError(f"unknown source {source!r}; it has to be {', '.join(GOLDS)}, or to begin "
                         f"with {' or '.join(BY_THE_MODEL)}")
    return source in GOLDS


def fit_to_teach(verdict, text, source):
    """The verdict as it is, or a refusal of a right text that teaches what it should not."""
    if not verdict.ok or source in NUMBER_ALONE:
        return verdict
    loop = loops(text)
    if loop:
        reason = f"says the same again and again: {loop[:60]!r}"
        return Verdict(False, "loops", verdict.extracted, reason, verdict.scores)
    leaked = leak(text) if source.startswith("paraphrase") else None
    if leaked:
        reason = f"talks about its prompt: {leaked!r}"
        return Verdict(False, "leak", verdict.extracted, reason, verdict.scores)
    return verdict


def target_number(text, gold, source="own", question=""):
    """May this text become a target for a maths problem? source: who wrote it, as in s3ft.SOURCES.

    It needs the right number and no wrong step; it may not repeat itself, go on to another question
    or only repeat this one; and a paraphrase also has to state a step that gives the number. A new
    source in s3ft.SAMPLED is judged as what its name begins with. For a paraphrase and the gold 6:

    accepted   "12 / 2 = 6 stamps. The answer is 6."
    refused    "The answer is 6."
    """
    if is_gold(source):
        return RIGHT_BY_DEFINITION
    if source in NUMBER_ALONE:
        return number(text, gold)
    verdict = fit_to_teach(number(text, gold, check_steps=True), text, source)
    if not verdict.ok:
        return verdict
    whole = prepare(without_thought(text))
    if readable(text) != whole:                                 # what follows the answer is cut off
        reason = "goes on to another question"
        return Verdict(False, "run-on", verdict.extracted, reason, verdict.scores)
    if is_copy(text, question):
        reason = "is a piece of the question"
        return Verdict(False, "copy", verdict.extracted, reason, verdict.scores)
    if source.startswith("paraphrase"):
        answer = final_number(text).value
        if not any(answer in step.values for step in steps(text)):
            reason = "no stated step gives the final number"
            return Verdict(False, "no step", verdict.extracted, reason, verdict.scores)
    return verdict


def target_span(text, golds, source="own"):
    """May this text become a target for a question about a passage?

    It has to be right and to say something: the empty text rightly abstains, but teaches nothing.
    """
    if is_gold(source):
        return RIGHT_BY_DEFINITION
    verdict = span(text, golds)
    if verdict.ok and not verdict.extracted:
        return Verdict(False, "empty", None, "says nothing", verdict.scores)
    return fit_to_teach(verdict, text, source)


def target_code(text, tests, setup="", source="own"):
    """May this program become a target? It has to pass every test, without a loop or a leak."""
    if is_gold(source):
        return RIGHT_BY_DEFINITION
    return fit_to_teach(code(text, tests, setup), text, source)


if __name__ == "__main__":
    from data.run import rejudge      # the command line

    sys.exit(rejudge.main(sys.argv[1:]))
