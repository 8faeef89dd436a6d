"""rejudge.py - judge.py's command line: the table of cases, and the attempts of a run judged again.

    python judge.py --table
    python judge.py attempts.jsonl [--unsafe-code]
"""
import json
import sys
from collections import Counter

import judge
from data import sandbox
from data.arithmetic import fraction, plain


def table():
    """Run every case of data/cases.py: [(kind, text, wanted, got, right)]."""
    from data.cases import ACCEPTED, CODE_CASES, CODE_TESTS, EXACT_CASES, EXTRACT_CASES, NUMBER_CASES, SPAN_CASES, STEP_CASES, TARGET_CASES
    rows = []
    for text, want in NUMBER_CASES:
        rule, shown, value = judge.final_number(judge.cut(plain(text)))
        rows.append(("number", text, str(want), f"{value} ({rule})", str(value) == str(want and fraction(want))))
    for text, want in STEP_CASES:
        got = " ".join("right" if step.right else "wrong" for step in judge.steps(text))
        rows.append(("steps", text, want.strip() or "ignored", got or "ignored", got == want.strip()))
    for text, gold, want in EXACT_CASES:
        rows.append(("exact", f"{text} / {gold}", str(want), str(judge.exact(text, gold).ok), judge.exact(text, gold).ok == want))
    for source, finished, text, want in TARGET_CASES:
        verdict = judge.target_number(text, "The answer is 13.", source, finished)
        rows.append((source, text, want, verdict.rule, (verdict.rule, verdict.ok) == (want, want in ACCEPTED)))
    for text, golds, want in SPAN_CASES:
        verdict = judge.span(text, golds)
        rows.append(("span", f"{text} / {golds}", want, verdict.rule, (verdict.rule, verdict.ok) == (want, want in ACCEPTED)))
    for text, want, program in EXTRACT_CASES:
        rows.append(("program", text, want, judge.extract_code(text, ["f"])[0], judge.extract_code(text, ["f"]) == (want, program)))
    try:
        sandbox.check()
    except ValueError as error:
        print(f"judge.py: the code cases are left out: {error}", file=sys.stderr)
        return rows
    workers = sandbox.Workers()
    running = [workers.submit(judge.code, f"```python\n{case[0]}\n```", case[2] if len(case) == 3 else CODE_TESTS) for case in CODE_CASES]
    for (text, want, *_), verdict in zip(CODE_CASES, (future.result() for future in running)):
        rows.append(("code", text, want, verdict.rule, (verdict.rule, verdict.ok) == (want, want in ACCEPTED)))
    return rows


def judge_file(path):
    """Accepted and refused by source and rule, as lines. ValueError with one line for a file that cannot be judged."""
    attempts, counts = [], Counter()
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
        needs = {"span": "golds", "code": "tests"}.get(attempt.get("judge"))
        if needs and not (isinstance(attempt.get(needs), list) and all(isinstance(item, str) for item in attempt[needs])):
            raise ValueError(f"{path}:{n}: the field {needs!r} is missing or no list of texts")
        attempts.append((n, attempt))
    if any(attempt.get("judge") == "code" for _, attempt in attempts):
        sandbox.check()

    def again(item):
        n, attempt = item
        text, kind, source, finished = attempt["text"], attempt.get("judge"), attempt["source"], attempt["finish_reason"] != "length"
        try:
            if kind == "exact":
                return judge.exact(text, str(attempt["gold"])) if finished else judge.Verdict(False, "unfinished", None, "cut off by the length limit")
            if kind == "span":
                return judge.target_span(text, attempt["golds"], source, finished)
            if kind != "code":
                return judge.target_number(text, attempt["gold"], source, finished)
            verdict = judge.target_code(text, attempt["tests"], str(attempt.get("setup") or ""), source, finished)
            if verdict.rule in ("harness", "bad test"):
                raise ValueError(verdict.reason)
            return verdict
        except ValueError as error:
            raise ValueError(f"{path}:{n}: {error}")

    workers = sandbox.Workers()                           # programs run in processes of their own
    for attempt, verdict in [(attempt, workers.submit(again, (n, attempt))) for n, attempt in attempts]:
        verdict = verdict.result()
        counts[attempt["source"], verdict.ok, verdict.rule] += 1
    ids = {attempt["id"] for _, attempt in attempts}
    if not counts:
        raise ValueError(f"{path}: no attempts in it")
    report, width = [f"{counts.total()} attempts at {len(ids)} examples"], max(len(rule) for _, _, rule in counts)
    for source in dict.fromkeys(source for source, _, _ in counts):
        mine = {(ok, rule): n for (s, ok, rule), n in counts.items() if s == source}
        accepted, total = sum(n for (ok, _), n in mine.items() if ok), sum(mine.values())
        report.append(f"{source}: {accepted} of {total} accepted, {accepted / total:.1%}")
        for (ok, rule), n in sorted(mine.items(), key=lambda item: (not item[0][0], -item[1])):
            report.append(f"    {'accepted' if ok else 'refused':8}  {rule:{width}} {n:6} {n / total:7.1%}")
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
        print(judge.__doc__.strip())
        return 0
    if "--unsafe-code" in arguments:
        sandbox.UNSAFE, arguments = True, [a for a in arguments if a != "--unsafe-code"]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python judge.py --table, or: python judge.py attempts.jsonl [--unsafe-code]", file=sys.stderr)
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
