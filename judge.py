"""Judges: is an answer right, and may it become a training target?

S3FT trains on the model's own answer wherever that is right, so something has to say what "right" is. Here that
is plain code and no second model. Its two errors are not alike: a wrong answer accepted becomes a
wrong training target; a right answer refused is replaced by the gold, and S3FT quietly turns into SFT. So every
judge returns a Verdict that says which rule decided and what was extracted, and runs write both to disk.

    python judge.py --table           the cases that fix what counts as right (they are also the tests)
    python judge.py attempts.jsonl    judge the attempts of a run again, without sampling (--unsafe-code: as for s3ft.py)

A maths answer is read twice: for its final number (here), and for the equations that it states (data/arithmetic.py),
because a small model likes to copy the final number under steps that do not lead to it ("4 * 9 = 13"). A program is run
against its tests, as hostile until shown otherwise (data/sandbox.py), and what the tests expect stays here (data/asserts.py).
"""
import re
import string
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field

from data import arithmetic, sandbox
from data.arithmetic import VALUE, fraction, plain
from data.asserts import check_tests, modules


@dataclass(frozen=True)
class Verdict:
    ok: bool
    rule: str                     # what decided: "answer is", "wrong step", "pass", "timeout", "contained", ...; each judge names its own
    extracted: str | None         # what the judge took for the answer, as the text has it
    reason: str                   # one line for the reader
    scores: dict = field(default_factory=dict)


# ---- Part 1: the final number ------------------------------------------------------------------------------------

LONGEST_ANSWER = 20_000  # characters; what is longer is no answer and would only cost time
RUN_ON = re.compile(r"\n[ \t]{0,3}#{0,6}[ \t]{0,3}(?:Question|Q|Problem|Human|User|Instruction)(?: [0-9]{1,4})?[ \t]?:")


def cut(text):
    """The text up to where the model ran on and posed itself a next question (once it has said a number)."""
    said = re.search("[0-9]", text)
    run_on = RUN_ON.search(text, said.end()) if said else None
    return text[:run_on.start()] if run_on else text


AMOUNT = rf"(?:[-+] ?)?(?:[$€£] ?)?[-+]?{VALUE}"                                             # -5  $18  -$18  $-18
ONE_NUMBER = re.compile(rf"({AMOUNT}) ?[$€£¢%]? ?[a-z/'-]*(?: [a-z/'-]+){{0,3}} ?[.!]?")     # 18 dollars per day.
BOXED = re.compile(r"\\boxed ?\{((?:[^{}\n]|\{[^{}\n]{0,60}\}){1,100})\}")                    # balanced
ANSWER_IS = re.compile(r"answer(?: is| was| would be| will be| =| ?:)[ :$*]{0,6}(?:\n\s{0,3}(?:[-*•] )?(?![0-9]{1,2}[.)] ))?"
                       rf"(?:(?:about|approximately|exactly|only) )?({AMOUNT})", re.IGNORECASE)
GOES_ON = re.compile(r"[$€£¢%]?(?: ?[a-z]+(?: [a-z]+){0,2})? ?[-+*/x^:] ?[$€£(]?[0-9]|[,.e][0-9]| and [0-9]+/| (?:or|to) [0-9]"   # 6 * 3
                     r"|% of [$€£]?[0-9]| times [0-9]| [0-9]{3}(?![0-9])"                     # 20% of 50, 18 000
                     rf"| (?:{'|'.join(sorted(arithmetic.LARGER))})(?:,? and|,)? [0-9]+ [a-z]")      # 3 hours and 20 minutes
# In running text a number is no part of a word (x2), a time (3:30), a power (10^2), an ordinal (2nd), a date or 1e5,
# and a minus is a sign only if nothing stands before it to subtract from.
IN_TEXT = re.compile(r"(?:(?<![\w)%])-(?=[$€£.0-9]))?[$€£]?(?<![^\W_])(?<![0-9][.:/])(?<!\^)"
                     rf"{VALUE}(?!:[0-9]|\^|/[0-9]|e[-+]?[0-9]|(?:st|nd|rd|th)\b)")


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


# ---- Part 2: numbers and texts: right, and fit to train on -------------------------------------------------------

def steps(text):
    """Every equation that the text surely states: Step(expression, stated, right, values); see data/arithmetic.py."""
    return arithmetic.steps(cut(plain(text))[:LONGEST_ANSWER])


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
    return Verdict(said == want, "exact", said[:200], "equal" if said == want else f"not {want[:60]!r}")


GOLDS = ("gold", "raw", "voice")                    # sources that are right by definition
LEAKS = ("reference answer", "reference solution", "the reference", "your response", "my response", "rewrit", "own words")


def settled(source, finished):
    """The verdict on a target that nobody need read: cut off, or right by definition. None for those to be judged."""
    if not finished:
        return Verdict(False, "unfinished", None, "cut off at the length limit")
    if source in GOLDS:
        return Verdict(True, "gold", None, "the gold itself")
    if source not in ("own", "paraphrase", "own_number", "paraphrase_number"):
        raise ValueError(f"unknown source {source!r}; known: own, paraphrase, own_number, paraphrase_number, {', '.join(GOLDS)}")


def leaked(text):
    """The phrase by which a text talks about its prompt, or None."""
    return next((leak for leak in LEAKS if leak in text.lower()), None)


def target_number(text, gold, source="own", finished=True):
    """May this text become a training target for a maths problem? `finished`: the model ended it by itself.
    An own answer needs the right number and no wrong step; a paraphrase was shown the gold, so besides it has to state
    a step that gives the number, and not talk about its prompt (as in SDFT). own_number and paraphrase_number, for experiments, need
    the number alone."""
    if verdict := settled(source, finished):
        return verdict
    verdict = number(text, gold, check_steps=not source.endswith("_number"))
    if not verdict.ok or source != "paraphrase":
        return verdict
    if leak := leaked(text):
        return Verdict(False, "leak", verdict.extracted, f"talks about its prompt: {leak!r}", verdict.scores)
    answer = final_number(cut(plain(text)))[2]
    if not any(answer in step.values for step in steps(text)):
        return Verdict(False, "no step", verdict.extracted, "no stated step gives the final number", verdict.scores)
    return verdict


# ---- Part 3: an answer from a passage ----------------------------------------------------------------------------

LONGEST_SPAN = 25       # words; a whole sentence may hold the gold; a copy of the passage holds it too, but answers nothing
ABSTAIN = ("The passage does not say.",              # the first is the gold of a question that the passage does not answer
           *(f"the passage does not {verb}" for verb in "mention state specify provide contain give tell answer indicate".split()),
           *(f"not {done} in the passage" for done in "mentioned stated specified provided given found".split()),
           "not in the passage", "there is no answer", "there is no mention", "there is no information", "not enough information",
           "can not be answered", "can not be determined", "can not answer", "i do not know", "is unanswerable")
ABSTAIN_ALONE = ("no answer", "unanswerable", "unknown", "it does not say", "not mentioned", "not stated", "not specified", "not given")


def normal(text):
    """SQuAD's normal form, in its order: lower case, no ASCII punctuation, no a/an/the, single spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def normal_golds(golds):
    """What a prediction is compared with, as in the official script: the golds of which something is left, else the empty text."""
    return [left for gold in golds if (left := normal(gold))] or [""]


def em(prediction, golds):
    """SQuAD's exact match, 0 or 1: equal in normal form to one of the golds, or without golds to the empty text."""
    return int(normal(prediction) in normal_golds(golds))


def overlap(prediction, golds):
    """SQuAD's F1, and recall, of the words that prediction and gold share, each the best over the golds. An empty side: 1 if both are."""
    said, best = normal(prediction).split(), []
    for want in map(str.split, normal_golds(golds)):
        shared = (Counter(said) & Counter(want)).total()
        precision, recall = shared / max(len(said), 1), shared / max(len(want), 1)
        best.append((2 * precision * recall / (precision + recall), recall) if shared else (int(said == want),) * 2)
    return tuple(max(values) for values in zip(*best))


def f1(prediction, golds):
    """SQuAD's F1 over words, 0 to 1: the best over the golds."""
    return overlap(prediction, golds)[0]


def spelled_out(text):
    """For abstentions: words in lower case, "doesn't" and "can't" in full, every kind of passage a passage, "explicitly" dropped."""
    text = re.sub(r"\bcan(?:[^\w\s]?t|not)\b", "can not", text.lower())
    text = re.sub(r"\b(do|does|did|is|was)n[^\w\s]?t\b", r"\1 not", text)
    text = re.sub(r"\b(?:(?:the|this) (?:given |provided |above )?)?(?:passage|text|context|article|paragraph)\b", "the passage", text)
    return " ".join(re.findall(r"\w+", re.sub(r"\b(?:explicitly|directly|specifically|clearly)\b", " ", text)))


def abstention(text, golds):
    """The phrase with which a text declines to answer: "" for a text of which nothing is left, None if it does not decline.
    A phrase that stands in a gold is part of an answer."""
    said, known = spelled_out(text), [f" {spelled_out(gold)} " for gold in golds]
    found = [phrase for phrase in map(spelled_out, ABSTAIN) if f" {phrase} " in f" {said} "] + [said] * (said in ABSTAIN_ALONE)
    return next((phrase for phrase in found if not any(f" {phrase} " in gold for gold in known)), None if normal(text) else "")


def span(text, golds):
    """Is this the answer that the passage gives? Right if a gold stands in it, whole words in sequence, within 25 words.

    golds: every accepted wording; [] or [""]: the passage does not say, and the text has to say so (ABSTAIN) or be empty.
    A gold of which the normal form leaves nothing ("the", "%") is compared as it stands. Verdict.scores: the official em and f1,
    and recall, of the text as it is; an abstention counts as the empty prediction."""
    text, golds = text.strip(), [gold.strip() for gold in golds if gold.strip()]
    said, words = normal(text), len(text.split())
    same = next((gold for gold in golds if text == gold or said and said == normal(gold)), None)
    held = next((gold for gold in golds if normal(gold) and f" {normal(gold)} " in f" {said} "), None)
    phrase = None if same else abstention(text, golds)
    prediction = text if phrase is None else ""
    scores = dict(zip(("em", "f1", "recall"), (em(prediction, golds), *overlap(prediction, golds))))
    if same:
        return Verdict(True, "exact", same, "a gold itself", scores)
    if words > LONGEST_SPAN and (golds or phrase):
        return Verdict(False, "too long", None, f"{words} words, where an answer has at most {LONGEST_SPAN}", scores)
    if not golds and phrase is None:
        return Verdict(False, "answered an unanswerable", text[:200], "answers what the passage does not say", scores)
    if not golds:
        return Verdict(True, "abstained", phrase, "rightly declines to answer", scores)
    if phrase is not None:
        return Verdict(False, "abstained though answerable", phrase, f"declines to answer; the passage says {golds[0][:60]!r}", scores)
    if held:
        return Verdict(True, "contained", held, "a gold stands in it", scores)
    return Verdict(False, "no gold", text[:200], f"no gold stands in it; the first is {golds[0][:60]!r}", scores)


def target_span(text, golds, source="own", finished=True):
    """May this text become a training target for a reading question? An own answer and a paraphrase have to be right (and not
    empty: officially that abstains, but it teaches nothing), and a paraphrase must not talk about its prompt."""
    if verdict := settled(source, finished):
        return verdict
    verdict = span(text, golds)
    if not verdict.ok:
        return verdict
    if not verdict.extracted:
        return Verdict(False, "empty", None, "says nothing", verdict.scores)
    if source == "paraphrase" and (leak := leaked(text)):
        return Verdict(False, "leak", verdict.extracted, f"talks about its prompt: {leak!r}", verdict.scores)
    return verdict


# ---- Part 4: a program that passes its tests ---------------------------------------------------------------------
# The program runs in a child (data/sandbox.py), and the child never learns what the tests expect: of `assert f(3) == 9`
# (data/asserts.py) it gets f(3), sends back a plain value, and the comparison is made here. So nothing that a program does to its own
# process (an object equal to everything, a patched assert, sys.exit(0), a printed "passed") makes it pass.

FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*")                              # ```python
MARKED = re.compile(r"\[(BEGIN|PYTHON)\](?:(.*?)(?:\[DONE\]|\[/\1\])|.*)", re.DOTALL)         # the paper's markers, and CodeLlama's
BARE = re.compile(r"^(?:from \S+ import |import \w|def \w+ ?\(|class \w+ ?[:(]|async def |@\w|\w+ ?= ?\S)", re.MULTILINE)
PROSE = re.compile(r"\n\n[A-Z][a-z]+ [a-z]+[ :.]")                                            # "This function ..." after it


def extract_code(text, names=()):
    """-> (rule, program or None): the last closed code block that defines all of `names`; without any block what stands
    between markers, or bare code. An unclosed block is a cut answer. Text only: nothing is parsed that a model wrote."""
    if len(text) > LONGEST_ANSWER:
        return "too long", None
    text, blocks, lines, opened = text.replace("\r\n", "\n").replace("\r", "\n"), [], [], None
    for line in text.split("\n"):
        match = FENCE.fullmatch(line)
        if match and not opened:
            opened, lines = match, []
        elif match and match[2].startswith(opened[2]) and not line.strip(" \t" + opened[2][0]):
            if opened[3].lower() in ("", "python", "py", "python3"):
                blocks.append(textwrap.dedent("\n".join(lines)) if opened[1] else "\n".join(lines))
            opened = None
        else:
            lines.append(line)
    define = [re.compile(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^{name}[ \t]*=", re.MULTILINE) for name in names]
    defining = [block for block in blocks if all(name.search(block) for name in define)]
    if defining or len(blocks) == 1:
        return "block", (defining or blocks)[-1]
    if opened or blocks:
        return ("unclosed" if opened else "no function"), None
    if match := MARKED.search(text):
        return ("unclosed", None) if match[2] is None else ("markers", match[2].strip("\n"))
    start = BARE.search(text)
    return ("bare", PROSE.split(text[start.start():].split("[DONE]")[0])[0]) if start else ("no code", None)


def code(text, tests, setup=""):
    """Does the program in `text` pass all `tests` (assert lines)? `setup` runs after the program, whose classes it may use.

    rule: pass, fail, error (the program raised or left), timeout, memory; no code, unclosed, too long, no function;
    bad test; harness (our own trouble, never a wrong answer). UserError where nothing contains generated code."""
    scores = {"passed": 0, "tests": len(tests)}
    try:
        read = check_tests(tests)
    except ValueError as error:
        return Verdict(False, "bad test", None, str(error), scores)
    rule, program = extract_code(text, dict.fromkeys(name for test in read for name in test.names))
    if program is None:
        return Verdict(False, rule, None, "nothing to run", scores)
    outcome = sandbox.run(program, [test.expression for test in read], setup)
    if outcome.rule != "ok":
        return Verdict(False, outcome.rule, program, outcome.reason, scores)
    wanted = [test.wanted for test in read]
    if others := [test.other for test in read if test.other]:
        known = sandbox.run("".join(f"import {name}\n" for name in modules(others)), others)
        if known.rule != "ok" or any(isinstance(value, sandbox.NoValue) for value in known.values):
            return Verdict(False, "harness" if known.rule == "harness" else "bad test", program, f"no expected value: {others[0][:80]}", scores)
        values = iter(known.values)
        wanted = [next(values) if test.other else test.wanted for test in read]
    failed = []
    for test, value, want in zip(read, outcome.values, wanted):
        if isinstance(value, sandbox.NoValue):
            failed.append(("error" if value.rule == "raised" else "fail", f"{test.expression[:80]}: {value.rule}: {value.reason}"))
        elif not test_holds(test, value, want):
            failed.append(("fail", f"{test.expression[:80]} is {shown(value)}, wanted {shown(want)}"))
    scores["passed"] = len(read) - len(failed)
    if failed:
        return Verdict(False, failed[0][0], program, failed[0][1].replace("\n", " "), scores)
    return Verdict(True, "pass", program, f"passes {len(read)} of {len(read)} tests ({rule})", scores)


def test_holds(test, value, wanted):
    try:
        return bool(test.holds(value, wanted))
    except Exception:             # None < 3
        return False


def shown(value):
    try:
        return ascii(value)[:60]
    except (ValueError, MemoryError, RecursionError):
        return "too long to print"


def target_code(text, tests, setup="", source="own", finished=True):
    """May this text become a training target for a programming task? An own answer and a paraphrase have to pass every test,
    and a paraphrase must not talk about its prompt, in comments or around the code."""
    if verdict := settled(source, finished):
        return verdict
    verdict = code(text, tests, setup)
    if verdict.ok and source == "paraphrase" and (leak := leaked(text)):
        return Verdict(False, "leak", verdict.extracted, f"talks about its prompt: {leak!r}", verdict.scores)
    return verdict


if __name__ == "__main__":
    from data import rejudge      # the command line
    sys.exit(rejudge.main(sys.argv[1:]))
