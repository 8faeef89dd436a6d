"""Judges: is an answer right, and may it become a training target?

S3FT trains on the model's own answer wherever that is right, so something has to say what "right" is. Here that
is plain code: no second model, no eval, no floats. Its two errors are not alike: a wrong answer accepted becomes a
wrong training target; a right answer refused is replaced by the gold, and S3FT quietly turns into SFT. So every
judge returns a Verdict that says which rule decided and what was extracted, and runs write both to disk.

    python judge.py --table           the cases that fix what counts as right (they are also the tests)
    python judge.py attempts.jsonl    judge the attempts of a run again, without sampling

A maths answer is read twice: for its final number (here), and for the equations that it states (data/arithmetic.py),
because a small model likes to copy the final number under steps that do not lead to it ("4 * 9 = 13").
"""
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field

from data import arithmetic
from data.arithmetic import VALUE, fraction, plain


@dataclass(frozen=True)
class Verdict:
    ok: bool
    rule: str                     # what decided: "hash", "boxed", "answer is", "last number", "none", "wrong step", ...
    extracted: str | None         # what the judge took for the answer, as the text has it
    reason: str                   # one line for the reader
    scores: dict = field(default_factory=dict)


# ---- Part 1: the final number ----------------------------------------------------------------------------------

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
ANSWER_IS = re.compile(r"answer(?: is| was| would be| will be| =| ?:)[ :$*]{0,6}(?:\n\s{0,3}(?![0-9]{1,2}[.)] ))?"
                       rf"(?:(?:about|approximately|exactly|only) )?({AMOUNT})", re.IGNORECASE)
GOES_ON = re.compile(r"[$€£¢%]?(?: ?[a-z]+)? ?[-+*/x^:] ?[$€£(]?[0-9]|[,.e][0-9]| and [0-9]+/| (?:or|to) [0-9]")   # 6 * 3
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


# ---- Part 2: the judges ----------------------------------------------------------------------------------------

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


# ---- Part 3: the command line ----------------------------------------------------------------------------------

def table():
    """Run every case of data/cases.py: [(kind, text, wanted, got, right)]."""
    from data.cases import ACCEPTED, EXACT_CASES, NUMBER_CASES, STEP_CASES, TARGET_CASES
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
            finished = attempt["finish_reason"] != "length"
            if attempt.get("judge") == "exact":
                verdict = exact(attempt["text"], str(attempt["gold"])) if finished else Verdict(False, "unfinished", None, "cut off by the length limit")
            else:
                verdict = target_number(attempt["text"], attempt["gold"], attempt["source"], finished)
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
    if arguments in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python judge.py --table, or: python judge.py attempts.jsonl", file=sys.stderr)
        return 2
    try:
        print("\n".join(judge_file(arguments[0])))
        return 0
    except ValueError as error:
        print(f"judge.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
