"""judge.py - is an answer right, and may it become a training target?

S3FT trains on the model's own answer wherever that answer is right, so something has to say what
"right" is. Here that is plain code and no second model. It can err in two ways:

    it accepts a wrong answer      then a wrong text becomes a training target
    it refuses a right answer      then the gold takes its place, and S3FT quietly turns into SFT

So every judge returns a Verdict, which names the rule that decided and what was read, and a run
writes both to disk. There is a judge for each kind of answer:

    number    a maths problem: the final number, and on request the steps to it      Part 1
    exact     a text that has to be equal                                            Part 1
    span      a few words from a passage                                             Part 2
    code      a program, run against its tests                                       Part 3
    target_number, target_span, target_code    may it become a training target?      Part 4

    python judge.py --table           the cases that fix what counts as right (also run as tests)
    python judge.py attempts.jsonl    judge a run's attempts again, without sampling them again
                                      (--unsafe-code: as for s3ft.py)
"""
import re
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from data.judging import arithmetic, sandbox, spans
from data.judging.asserts import check_tests, shortened, test_holds, wanted_values
from data.judging.code_blocks import LONGEST_ANSWER, extract_code
from data.judging.numbers import VALUE, fraction, prepare


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
                leak                            a paraphrase that talks about its prompt
                no step                         a paraphrase without a step to the final number
                empty                           a span that says nothing
    all         too long                        longer than any answer
    """
    ok: bool                      # right; of a target: accepted
    rule: str
    extracted: str | None         # what the judge took for the answer, as the text has it
    reason: str                   # one line for the reader
    scores: dict = field(default_factory=dict)


# ---- Part 1: numbers, and texts that have to be equal --------------------------------------------
# Texts are read as `prepare` in data/judging/numbers.py makes them: plain, and cut where the model
# ran on and posed itself a next question.

# A number with sign and currency.
#   accepted   -5      $18      -$18      $-18      1,234.50      1 1/2
#   refused    five    (5)
AMOUNT = rf"(?:[-+][ ]?)?(?:[$€£][ ]?)?[-+]?{VALUE}"

# One number and nothing else, but for a few words of what it counts.
#   accepted   18       $18.              18 dollars per day
#   refused    5 + 3 = 8      Step 1: add 30      2. Add them up
ONE_NUMBER = re.compile(rf"""
    ( {AMOUNT} ) [ ]? [$€£¢%]? [ ]? [a-z/'-]* (?: [ ][a-z/'-]+ ){{0,3}} [ ]? [.!]?""", re.VERBOSE)


class FinalNumber(NamedTuple):
    """The final number of a text."""
    rule: str                     # the rule that found it
    written: str | None           # as the text has it, "$1,234"; None: no clear number
    value: Fraction | None        # 1234; None also for "7/0"


# Each of the next four rules returns a FinalNumber, or None if the next rule is to be asked. Of
# several matches the last one counts, since people correct themselves. "passed on": the rule reads
# nothing there, and the next one is asked. "refused": no other rule may read a number there.

def hash_line(text):
    """The number after ####, as GSM8K's golds end, with a few words of what it counts.

    accepted    "so it is 17. #### 18 dollars per day"      18
    passed on   "#### Step 1: add 30"
    """
    for line in reversed(re.findall(r"####[ \t]*([^\n#]{1,200})", text)):
        match = ONE_NUMBER.fullmatch(line.strip())
        if match:
            return FinalNumber("hash", match[1], fraction(match[1]))
    return None


# \boxed{..}, with at most one level of braces inside: \boxed{\sqrt{9} = 3}
BOXED = re.compile(r"\\boxed[ ]?\{ ( (?: [^{}\n] | \{ [^{}\n]{0,60} \} ){1,100} ) \}", re.VERBOSE)


def boxed(text):
    r"""The number in a box, right of its last `=`.

    accepted    "so \boxed{x = 5 apples} in 2 days"      5
    passed on   "so \boxed{5 and then 7}"
    """
    for inside in reversed(BOXED.findall(text)):
        match = ONE_NUMBER.fullmatch(inside.split("=")[-1].strip())
        if match:
            return FinalNumber("boxed", match[1], fraction(match[1]))
    return None


# "The answer is" and the number behind it, perhaps on the next line.
#   accepted    The answer is about $18      Answer:\n- 18 apples
#   passed on   The answer is in the box     Answer:\n1. Buy 3.  (a list)
ANSWER_IS = re.compile(rf"""
    answer (?: [ ]is | [ ]was | [ ]would[ ]be | [ ]will[ ]be | [ ]= | [ ]?: )
    [ :$*]{{0,6}}
    (?: \n \s{{0,3}} (?: [-*•][ ] )? (?! [0-9]{{1,2}} [.)][ ] ) )?     # the next line; no list
    (?: (?: about | approximately | exactly | only )[ ] )?
    ( {AMOUNT} )""", re.VERBOSE | re.IGNORECASE)

# What follows that number and shows that it is only a part of what is meant.
#   matches          the answer is 6 * 3      13 or 14      2 and 1/2      3:30      1e5
#   does not match   the answer is 12 apples (3 boxes of 4)      20% of the total
GOES_ON = re.compile(rf"""
      [$€£¢%]? (?: [ ]? [a-z]+ (?: [ ][a-z]+ ){{0,2}} )?
          [ ]? [-+*/x^:] [ ]? [$€£(]? [0-9]                   # 6 * 3, $6 per hour * 3, 10-15, 3:30
    | [,.e] [0-9]                                             # 1e5
    | [ ]and[ ] [0-9]+ /                                      # 2 and 1/2
    | [ ](?:or|to)[ ] [0-9]                                   # 13 or 14
    | %[ ]of[ ] [$€£]? [0-9]                                  # 20% of 50
    | [ ]times[ ] [0-9]                                       # 6 times 3
    | [ ] [0-9]{{3}} (?! [0-9] )                              # 18 000
    | [ ] (?: {'|'.join(sorted(arithmetic.LARGER))} )
          (?: ,?[ ]and | , )? [ ] [0-9]+ [ ][a-z]             # 3 hours and 20 minutes
    """, re.VERBOSE)


def answer_is(text):
    """The number after "the answer is"; if a sum stands there, the number right of its `=`.

    Where the answer is unclear, the last number of the text is not asked for.

    accepted   "The answer is 6 * 3 = 18."           18
    accepted   "The answer is 18. He has 5 left."    18
    refused    "18 in all. The answer is 6 * 3."
    refused    "The answer is 13 or 14."
    """
    matches = list(ANSWER_IS.finditer(text))
    if not matches:
        return None
    written = matches[-1][1]
    end = matches[-1].end()
    rest_of_line = text[end:end + 200].split("\n")[0]
    # "6 * 3 = 18", and for "2 * 3 * 3 = 6 * 3 = 18" once more: what stands right of the next `=`.
    while GOES_ON.match(rest_of_line):
        right_side = rest_of_line.partition("=")[2].lstrip()
        result = re.match(AMOUNT, right_side)
        if not result:
            return FinalNumber("answer is", None, None)
        written = result[0]
        rest_of_line = right_side[result.end():]
    return FinalNumber("answer is", written, fraction(written))


# A number in running text.
#   accepted   It fell to -8 degrees (-8)      50-8 (8: this minus subtracts)      18kg
#   refused    model X5      3:30      12/25/2020      10^2      1e5      the 2nd day
IN_TEXT = re.compile(rf"""
    (?: (?<! [\w)%] ) - (?= [$€£.0-9] ) )? [$€£]?                   # a minus that does not subtract
    (?<! [^\W_] ) (?<! [0-9][.:/] ) (?<! \^ )                      # not the end of X5, 3:30, 10^2
    {VALUE}
    (?! :[0-9] | \^ | /[0-9] | e[-+]?[0-9] | (?:st|nd|rd|th)\b )   # nor the beginning of such
    """, re.VERBOSE)


def last_number(text):
    """The last number that stands in the text.

    accepted    "He needs 3 boxes on the 2nd day"      3
    passed on   "The model X5 has the power 10^2"
    """
    matches = list(IN_TEXT.finditer(text))
    if not matches:
        return None
    written = matches[-1][0]
    return FinalNumber("last number", written, fraction(written))


def final_number(text):
    """The final number of a text -> FinalNumber, by the first rule that reads one or refuses."""
    prepared = prepare(text)
    return (hash_line(prepared)
            or boxed(prepared)
            or answer_is(prepared)
            or last_number(prepared)
            or FinalNumber("none", None, None))


def steps(text):
    """The steps that a text surely states -> [Step(expression, stated, right, values), ..].

    values: what the stated result may mean, "20%" as 1/5 or as 20.

    It reads every `expression = result` on a line ("12 / 2 = 6 stamps") and ignores what it cannot
    read with certainty ("half of 12 + 4"; see data/judging/arithmetic.py): a right answer refused
    is a target lost. One step that is surely wrong refuses a whole answer, since a small model
    likes to copy the right number under steps that do not lead to it ("4 * 9 = 13").
    """
    return list(arithmetic.stated_steps(prepare(text)[:LONGEST_ANSWER]))


def number(text, gold, check_steps=False):
    """Is the final number of `text` exactly that of `gold`, a number or a text that ends in one?

    check_steps: a stated step that is wrong refuses the text too. ValueError: gold has no number.
    """
    wanted = final_number(str(gold)).value
    if wanted is None:
        raise ValueError(f"this gold has no number: {str(gold)[:60]!r}")
    if len(prepare(text)) > LONGEST_ANSWER:
        return Verdict(False, "too long", None, f"over {LONGEST_ANSWER} characters")
    rule, written, value = final_number(text)
    if value != wanted:
        reason = f"{written} is not {wanted}" if written else "no number found"
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
    """Is `text` equal to `gold`, but for white space?"""
    answer = " ".join(text.split())
    wanted = " ".join(gold.split())
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
    text = text.strip()
    golds = [gold.strip() for gold in golds if gold.strip()]
    answer = spans.normal(text)
    equal = [gold for gold in golds if text == gold or (answer and answer == spans.normal(gold))]
    declines = None if equal else spans.abstention(text, golds)    # a phrase, "" for no text, None
    scores = spans.squad_scores(text if declines is None else "", golds)

    if equal:
        return Verdict(True, "exact", equal[0], "a gold itself", scores)
    if len(text.split()) > LONGEST_SPAN and (golds or declines):   # else the next rule names it
        return Verdict(False, "too long", None, f"over {LONGEST_SPAN} words", scores)
    if not golds and declines is None:
        reason = "answers what the passage does not say"
        return Verdict(False, "answered an unanswerable", text[:200], reason, scores)
    if golds and declines is not None:
        reason = f"declines to answer; the passage says {golds[0][:60]!r}"
        return Verdict(False, "abstained though answerable", declines, reason, scores)
    marked = spans.mark_golds(text, golds)                         # "it was GOLD or kari lund"
    if spans.loops(marked):
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
    names = [name for test in parsed for name in test.names]       # what the program has to define
    where, program = extract_code(text, names)
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
# An own answer has to be right. A paraphrase is judged more strictly, because the model was shown
# the gold when it wrote it: it may copy the answer without any reasoning, or talk about the gold
# ("as the reference answer says"), which a target must not teach. Texts that were cut off at the
# length limit never get here: s3ft.choose_targets skips them.

BY_THE_MODEL = ("own", "paraphrase")           # who wrote a text: a source begins with one of them
GOLDS = ("gold", "raw", "voice")               # wordings of the gold
NUMBER_ALONE = ("own_number", "paraphrase_number")     # for experiments: steps are not checked
LEAKS = ("reference answer", "reference solution", "the reference", "your response", "my response",
         "rewrit", "own words")                                         # rewrite, rewritten
RIGHT_BY_DEFINITION = Verdict(True, "gold", None, "the gold itself")


def is_gold(source):
    """Is this source a wording of the gold? ValueError: unknown source."""
    if source not in GOLDS and not source.startswith(BY_THE_MODEL):
        raise ValueError(f"unknown source {source!r}; it has to be {', '.join(GOLDS)}, or to begin "
                         f"with {' or '.join(BY_THE_MODEL)}")
    return source in GOLDS


def unless_leaked(verdict, text, source):
    """The verdict as it is, or a refusal if a paraphrase talks about its prompt."""
    if not verdict.ok or not source.startswith("paraphrase") or source in NUMBER_ALONE:
        return verdict
    for phrase in LEAKS:
        if phrase in text.lower():
            reason = f"talks about its prompt: {phrase!r}"
            return Verdict(False, "leak", verdict.extracted, reason, verdict.scores)
    return verdict


def target_number(text, gold, source="own"):
    """May this text become a target for a maths problem? source: who wrote it, as in s3ft.METHODS.

    It needs the right number and no wrong step, and a paraphrase also has to state a step that
    gives the number. A new source, such as own_shortest, is judged as what it begins with. For a
    paraphrase and the gold 6:

    accepted   "12 / 2 = 6 stamps. The answer is 6."
    refused    "The answer is 6."
    """
    if is_gold(source):
        return RIGHT_BY_DEFINITION
    if source in NUMBER_ALONE:
        return number(text, gold)
    verdict = unless_leaked(number(text, gold, check_steps=True), text, source)
    if verdict.ok and source.startswith("paraphrase"):
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
    return unless_leaked(verdict, text, source)


def target_code(text, tests, setup="", source="own"):
    """May this text become a target for a programming task? It has to pass every test."""
    if is_gold(source):
        return RIGHT_BY_DEFINITION
    return unless_leaked(code(text, tests, setup), text, source)


if __name__ == "__main__":
    from data.run import rejudge      # the command line

    sys.exit(rejudge.main(sys.argv[1:]))
