"""rejudge.py - judge.py's command line: the table of cases, and the attempts of a run judged again.
"""
import json
import sys
from collections import Counter
from multiprocessing.pool import ThreadPool
from pathlib import Path

import judge
from data import is_list_of_texts, read_jsonl
from data.judging import sandbox
from data.judging.code_blocks import extract_code
from data.judging.numbers import fraction
from data.tasks.task import accept

USAGE = "usage: python judge.py --table, or: python judge.py attempts.jsonl [--unsafe-code]"
CASES = Path(__file__).parents[1] / "judging" / "cases.jsonl"
UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit")
# The rules that accept, in cases where the text is right by them.
ACCEPTED = (
    "pass", "hash", "boxed", "answer is", "last number", "gold", "exact", "contained", "abstained",
)


# ---- The table of cases --------------------------------------------------------------------------

def read_cases():
    """The cases of data/judging/cases.jsonl; without those of code where nothing contains it."""
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    try:
        sandbox.check()
    except ValueError as error:
        print(f"judge.py: the code cases are left out: {error}", file=sys.stderr)
        cases = [case for case in cases if case["kind"] != "code"]
    return cases


def table():
    """Try every case -> [(case, kind, what is judged, wanted, got, are they the same?), ..]

    A case with a "limit", which says why, is known to come out otherwise than wanted. "fault" names
    the kind of fault that it is an example of (data/judging/README.md).
    """
    cases = read_cases()
    with ThreadPool(sandbox.AT_ONCE) as pool:
        return [(case, *row) for case, row in zip(cases, pool.imap(try_case, cases))]


def try_case(case):
    kind = case["kind"]
    text = case["text"] * case.get("times", 1)
    wanted = case["wanted"]
    if kind == "number":
        rule, _, value = judge.final_number(text)
        same = str(value) == str(wanted and fraction(wanted))
        return "number", text, str(wanted), f"{value} ({rule})", same
    if kind == "steps":
        got = " ".join("right" if step.right else "wrong" for step in judge.steps(text))
        return "steps", text, wanted or "ignored", got or "ignored", got == wanted
    if kind == "exact":
        ok = judge.exact(text, case["gold"]).ok
        return "exact", f"{text} / {case['gold']}", str(wanted), str(ok), ok == wanted
    if kind == "program":
        rule, program = extract_code(text, ["f"])
        same = (rule, program) == (wanted, case["program"])
        return "program", text, wanted, rule, same

    title = text
    if kind == "target":
        kind = case["source"]
        attempt = {"finish_reason": "end", "gold": "The answer is 13."} | case
        attempt["text"] = text
        verdict = judge_attempt(attempt)
    elif kind == "span":
        title = f"{text} / {case['golds']}"
        verdict = judge.span(text, case["golds"])
    else:
        verdict = judge.code(f"```python\n{text}\n```", case["tests"])
    same = verdict.rule == wanted and verdict.ok == (wanted in ACCEPTED)
    return kind, title, wanted, verdict.rule, same


def print_table():
    """Print the table -> how many cases failed."""
    rows = table()
    failed = 0
    limits = 0
    for case, kind, text, wanted, got, same in rows:
        line = f"{case.get('fault', ''):4}{kind:17} {text!r} -> {got}"
        if "limit" in case and not same:
            print(f"lim  {line}; right were {wanted}, a known limit: {case['limit']}")
            limits += 1
        elif "limit" in case:
            print(f"FAIL {line}, which is right: it is no limit any more")
            failed += 1
        elif same:
            print(f"ok   {line}")
        else:
            print(f"FAIL {line}, but wanted: {wanted}")
            failed += 1
    print(f"{len(rows)} cases, {limits} known limits, {failed} failed")
    return failed


# ---- Attempts judged again -----------------------------------------------------------------------

def judge_file(path):
    """A run's attempts.jsonl -> lines of the report. ValueError where it cannot be judged."""
    attempts = read_attempts(path)
    if any(attempt.get("judge") == "code" for _, attempt in attempts):
        sandbox.check()
    with ThreadPool(sandbox.AT_ONCE) as pool:
        verdicts = list(pool.imap(judge_line, attempts))
    return report([attempt for _, attempt in attempts], verdicts)


def read_attempts(path):
    """[("PATH, line N", attempt), ..] of a file of JSON lines; ValueError with one line."""
    attempts = []
    for n, attempt in read_jsonl(path, ("source", "finish_reason")):
        place = f"{path}, line {n}"
        right_type = {"id": isinstance(attempt.get("id"), (str, int)),
                      "text": isinstance(attempt.get("text"), str),
                      "gold": isinstance(attempt.get("gold"), (str, int))}
        for field, judge_name in (("golds", "span"), ("tests", "code")):
            if attempt.get("judge") == judge_name:
                right_type[field] = is_list_of_texts(attempt.get(field))
        for field, fits in right_type.items():
            if not fits:
                raise ValueError(f"{place}: the field {field!r} is missing or has the wrong type")
        attempts.append((place, attempt))
    return attempts


def judge_line(line):
    """("PATH, line N", attempt) -> Verdict; ValueError with the place in front."""
    place, attempt = line
    try:
        return judge_attempt(attempt)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def judge_attempt(attempt):
    """May this attempt become a target? -> Verdict, of the judge that it names; ValueError."""
    if attempt["finish_reason"] == "length":
        return UNFINISHED
    verdict = accept(attempt, attempt["text"], attempt["source"])
    if verdict.rule in ("harness", "bad test"):
        raise ValueError(verdict.reason)
    return verdict


def report(attempts, verdicts):
    """The shares accepted and refused, by source and rule, as lines.

    Attempts that were sampled with other settings are counted apart.
    """
    ids = {attempt["id"] for attempt in attempts}
    lines = [f"{len(attempts)} attempts at {len(ids)} examples"]
    all_settings = {settings_of(attempt) for attempt in attempts}
    counts_of = {}                                     # source, and settings: Counter of (ok, rule)
    for attempt, verdict in zip(attempts, verdicts):
        source = attempt["source"]
        if len(all_settings) > 1:
            source += settings_of(attempt)
        counts = counts_of.setdefault(source, Counter())
        counts[verdict.ok, verdict.rule] += 1

    width = max(len(verdict.rule) for verdict in verdicts)
    for source, counts in counts_of.items():
        total = counts.total()
        accepted = sum(n for (ok, _), n in counts.items() if ok)
        lines.append(f"{source}: {accepted} of {total} accepted, {accepted / total:.1%}")
        accepted_first = sorted(counts.most_common(), key=lambda item: not item[0][0])
        for (ok, rule), n in accepted_first:
            word = "accepted" if ok else "refused"
            lines.append(f"    {word:8}  {rule:{width}} {n:6} {n / total:7.1%}")
    return lines


def settings_of(attempt):
    """The settings that an attempt was sampled with, as " (temperature 0.8, samples 4)", or ""."""
    settings = attempt.get("settings")
    if not isinstance(settings, dict):
        return ""
    return f" ({', '.join(f'{name} {value}' for name, value in settings.items())})"


# ---- The command line ----------------------------------------------------------------------------

def main(arguments):
    """-> the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(judge.__doc__.strip())
        return 0
    if arguments == ["--table"]:
        return 1 if print_table() else 0
    if "--unsafe-code" in arguments:
        sandbox.allow_limits_alone()
        arguments = [argument for argument in arguments if argument != "--unsafe-code"]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        print("\n".join(judge_file(arguments[0])))
        return 0
    except ValueError as error:
        print(f"judge.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("judge.py: stopped", file=sys.stderr)
        return 130
