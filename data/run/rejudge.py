"""rejudge.py - judge.py's command line: the table of cases, and the attempts of a run judged again.

    python judge.py --table
    python judge.py attempts.jsonl [--unsafe-code]
"""
import json
import sys
from collections import Counter

import judge
from data.judging import cases, sandbox
from data.judging.arithmetic import fraction

USAGE = "usage: python judge.py --table, or: python judge.py attempts.jsonl [--unsafe-code]"
UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit")


# ---- The table of cases --------------------------------------------------------------------------

def table():
    """Run every case of data/judging/cases.py -> [(kind, text, wanted, got, right), ..]"""
    return number_rows() + text_rows() + code_rows()


def number_rows():
    rows = []
    for text, want in cases.NUMBER_CASES:
        rule, _, value = judge.final_number(text)
        right = str(value) == str(want and fraction(want))
        rows.append(("number", text, str(want), f"{value} ({rule})", right))
    for text, want in cases.STEP_CASES:
        got = " ".join("right" if step.right else "wrong" for step in judge.steps(text))
        rows.append(("steps", text, want or "ignored", got or "ignored", got == want))
    return rows


def text_rows():
    rows = []
    for text, gold, want in cases.EXACT_CASES:
        ok = judge.exact(text, gold).ok
        rows.append(("exact", f"{text} / {gold}", str(want), str(ok), ok == want))
    for source, finished, text, want in cases.TARGET_CASES:
        verdict = judge_attempt({
            "text": text, "source": source, "gold": "The answer is 13.",
            "finish_reason": "end" if finished else "length"})
        rows.append((source, text, want, verdict.rule, as_wanted(verdict, want)))
    for text, golds, want in cases.SPAN_CASES:
        verdict = judge.span(text, golds)
        rows.append(("span", f"{text} / {golds}", want, verdict.rule, as_wanted(verdict, want)))
    return rows


def code_rows():
    rows = []
    for text, want, program in cases.EXTRACT_CASES:
        got = judge.extract_code(text, ["f"])
        rows.append(("program", text, want, got[0], got == (want, program)))
    try:
        sandbox.check()
    except ValueError as error:
        print(f"judge.py: the code cases are left out: {error}", file=sys.stderr)
        return rows
    code_cases = [(program, want, cases.CODE_TESTS) for program, want in cases.CODE_CASES]
    code_cases += cases.TEST_CASES
    workers = sandbox.Workers()
    running = []
    for program, want, tests in code_cases:
        running.append(workers.submit(judge.code, f"```python\n{program}\n```", tests))
    for (program, want, _), job in zip(code_cases, running):
        verdict = job.result()
        rows.append(("code", program, want, verdict.rule, as_wanted(verdict, want)))
    return rows


def as_wanted(verdict, rule):
    """Did this rule decide, and the way in which it does?"""
    return verdict.rule == rule and verdict.ok == (rule in cases.ACCEPTED)


# ---- Attempts judged again -----------------------------------------------------------------------

def judge_file(path):
    """A run's attempts.jsonl -> how many are accepted and refused by source and rule, as lines.

    ValueError with one line: the file, or a line of it, cannot be judged.
    """
    attempts = read_attempts(path)
    if not attempts:
        raise ValueError(f"{path}: no attempts in it")
    if any(attempt.get("judge") == "code" for attempt in attempts.values()):
        sandbox.check()
    workers = sandbox.Workers()                        # each program runs in a process of its own
    running = {n: workers.submit(judge_attempt, attempt) for n, attempt in attempts.items()}
    verdicts = []
    for n, job in running.items():
        try:
            verdicts.append(job.result())
        except ValueError as error:
            raise ValueError(f"{path}:{n}: {error}")
    return report(list(attempts.values()), verdicts)


def read_attempts(path):
    """{line number: attempt} of a file of JSON lines; ValueError with one line."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise ValueError(f"{path}: cannot be read ({reason})")
    attempts = {}
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            attempts[n] = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"{path}:{n}: this line is no JSON")
        try:
            check_fields(attempts[n])
        except ValueError as error:
            raise ValueError(f"{path}:{n}: {error}")
    return attempts


def check_fields(attempt):
    """ValueError if an attempt lacks something that judging it needs."""
    fields = {
        "id": (str, int), "source": str, "text": str, "finish_reason": str, "gold": (str, int)}
    for name, kind in fields.items():
        if not isinstance(attempt, dict) or not isinstance(attempt.get(name), kind):
            raise ValueError(f"the field {name!r} is missing or has the wrong type")
    list_field = {"span": "golds", "code": "tests"}.get(attempt.get("judge"))
    if list_field:
        texts = attempt.get(list_field)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"the field {list_field!r} is missing or no list of texts")


def judge_attempt(attempt):
    """May this attempt become a target? -> Verdict, of the judge that it names; ValueError."""
    if attempt["finish_reason"] == "length":
        return UNFINISHED
    text = attempt["text"]
    source = attempt["source"]
    kind = attempt.get("judge")
    if kind == "exact":
        return judge.exact(text, str(attempt["gold"]))
    if kind == "span":
        return judge.target_span(text, attempt["golds"], source)
    if kind == "code":
        setup = str(attempt.get("setup") or "")
        verdict = judge.target_code(text, attempt["tests"], setup, source)
        if verdict.rule in ("harness", "bad test"):
            raise ValueError(verdict.reason)
        return verdict
    return judge.target_number(text, attempt["gold"], source)


def report(attempts, verdicts):
    """The shares accepted and refused, by source and rule, as lines: a count for each settings."""
    ids = {attempt["id"] for attempt in attempts}
    lines = [f"{len(attempts)} attempts at {len(ids)} examples"]
    width = max(len(verdict.rule) for verdict in verdicts)
    settings = {settings_of(attempt) for attempt in attempts}
    by_source = {}                                     # source, and settings: Counter of (ok, rule)
    for attempt, verdict in zip(attempts, verdicts):
        source = attempt["source"]
        if len(settings) > 1:
            source += settings_of(attempt)
        counts = by_source.setdefault(source, Counter())
        counts[verdict.ok, verdict.rule] += 1
    for source, counts in by_source.items():
        total = counts.total()
        accepted = sum(n for (ok, _), n in counts.items() if ok)
        lines.append(f"{source}: {accepted} of {total} accepted, {accepted / total:.1%}")
        for ok in (True, False):
            for (rule_ok, rule), n in counts.most_common():
                if rule_ok == ok:
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
    if arguments in (["-h"], ["--help"]):
        print(judge.__doc__.strip())
        return 0
    if arguments == ["--table"]:
        return print_table()
    if "--unsafe-code" in arguments:
        sandbox.UNSAFE = True
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


def print_table():
    rows = table()
    failed = 0
    for kind, text, want, got, right in rows:
        if right:
            print(f"ok   {kind:17} {text!r} -> {got}")
        else:
            print(f"FAIL {kind:17} {text!r} -> {got}, but wanted: {want}")
            failed += 1
    print(f"{len(rows)} cases, {failed} failed")
    return 1 if failed else 0
