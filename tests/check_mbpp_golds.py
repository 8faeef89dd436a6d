"""Do the official MBPP golds pass judge.code, and do they fail once their tests expect something else?

    python tests/check_mbpp_golds.py FOLDER        FOLDER holds the official mbpp.jsonl

1. every gold of the file, as a code block, against its tests: those that do not pass are listed with the reason
2. every gold against the same tests with every expected value altered (4 -> 5, "ab" -> "ab?", True -> False, ...):
   none may pass a single one
3. what one contained run costs above the bare program, and verdicts per second with two threads
Exit code 1 if more than 5 golds fail, an altered test passes, or the golds take over 60 seconds.
"""
import ast
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import judge
from data import UserError
from data.judging import sandbox
from data.judging.asserts import literal


def other(value):
    """A value of the same kind that is not equal to this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1
    if isinstance(value, (str, bytes)):
        return value + type(value)("?" if isinstance(value, str) else b"?")
    if isinstance(value, (list, tuple)):
        return type(value)([other(value[0]), *value[1:]]) if value else type(value)([0])
    if isinstance(value, set):
        return value | {"?"}
    return {**value, "?": 0} if isinstance(value, dict) else 0


def altered(test):
    """The same assert, expecting something else."""
    tree = ast.parse(test.strip())
    compare = tree.body[0].test
    right = compare.comparators[0]
    known, value = literal(right)
    new = ast.parse(repr(other(value)), mode="eval").body if known else ast.BinOp(right, ast.Add(), ast.Constant(1))
    compare.comparators[0] = new
    return ast.unparse(ast.fix_missing_locations(tree))


def all_verdicts(rows, change):
    """([(row, Verdict), ...], seconds), with two threads."""
    def one(row):
        tests = [change(test) for test in row["test_list"]]
        return row, judge.code(f"```python\n{row['code']}\n```", tests, row["test_setup_code"])

    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, rows)), time.perf_counter() - start


def cost(n=40):
    """(milliseconds of the bare interpreter on an empty program, of one contained run of it), medians of n in turn."""
    times = [], []
    for _ in range(n):
        start = time.perf_counter()
        subprocess.run([sandbox.interpreter(), "-s", "-S", "-B", "-c", "x = 1"], env={}, check=True)
        middle = time.perf_counter()
        sandbox.run("x = 1", ["x"])
        times[0].append(middle - start)
        times[1].append(time.perf_counter() - middle)
    return [1000 * sorted(row)[n // 2] for row in times]


def main(folder):
    try:
        way = sandbox.check()
        rows = [json.loads(line) for line in open(Path(folder) / "mbpp.jsonl", encoding="utf-8") if line.strip()]
    except (OSError, UserError) as error:
        print(error, file=sys.stderr)
        return 2
    golds, seconds = all_verdicts(rows, str)
    failed = [f"task {row['task_id']}: {verdict.rule}: {verdict.reason}" for row, verdict in golds if not verdict.ok]
    print(f"way: {way}\ngolds that do not pass:", *failed or ["none"], sep="\n")
    print(f"{len(rows)} golds: {len(rows) - len(failed)} pass; {seconds:.1f} s, "
          f"{len(rows) / seconds:.1f} verdicts a second with two threads")
    spoilt, later = all_verdicts(rows, altered)
    passed = []
    for row, verdict in spoilt:
        if verdict.scores["passed"]:
            passed.append(f"task {row['task_id']}: {verdict.scores['passed']} test(s)")
    print("altered and yet passed:", *passed or ["none"], sep="\n")
    odd = [verdict for _, verdict in spoilt if verdict.rule not in ("fail", "error", "timeout")]
    print(f"{len(rows)} golds with altered tests: {len(rows) - len(passed)} pass none of them "
          f"({len(odd)} of these for odd reasons); {later:.1f} s")
    bare, contained = cost()
    print(f"an empty program: {bare:.1f} ms bare, {contained:.1f} ms contained, so {contained - bare:.1f} ms above it")
    return bool(len(failed) > 5 or passed or seconds > 60)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
