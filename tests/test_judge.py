"""The judges: the tables of judge.py, an independent oracle for the arithmetic, hostile texts, and the command line."""
import json
import random
import re
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import judge
from data.judging.numbers import UNCLEAR, last_number
from data.judging.stated import stated_number
from data.run import rejudge

# A text in the teaching model's voice.
VOICE = "First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. The answer is 13."


@pytest.mark.parametrize("row", rejudge.table(), ids=lambda row: f"{row[1]}: {row[2][:50]!r}")
def test_table(row):
    case, kind, text, want, got, right = row
    if "limit" in case:
        assert not right, f"{text!r} -> {got}, which is right: strike out its \"limit\""
    else:
        assert right, f"{text!r} -> {got}, wanted {want}"


@pytest.mark.parametrize("text, truth", [                  # the number table of the project's notes, row by row
    ("#### 18.", 18), ("#### $18", 18), ("####18", 18), ("#### 1,234", 1234), ("#### -5", -5), ("#### −5", -5),
    ("#### 18.00", 18), ("#### 5.50", 5.5), ("The answer is $1,234.", 1234), ("The answer is 72, in total, so..", 72),
    ("Answer: 12 apples (3 boxes of 4)", 12), (r"\boxed{42} after 3 steps", 42), ("#### Step 1 ..\n#### 10", 10),
    ("#### Step 1: add 30\nand so on\nThe answer is 72.", 72), ("18\nQuestion: Bo has 99 pens", 18),
    ("7 2 years", 2), ("1/2 hour", 0.5), ("**Answer: $18**", 18)])
def test_number_table(text, truth):
    assert judge.number(text, str(truth)).ok
    for wrong in (truth + 1, -truth, truth * 10, int(truth) if truth != int(truth) else truth + 0.5):
        assert not judge.number(text, str(wrong)).ok


def test_gold_in_any_form():
    for gold in ("13", 13, "13.0", "#### 13", "12 / 2 = 6\n6 + 7 = 13\nThe answer is 13.", "so $13"):
        assert judge.number(VOICE, gold, check_steps=True).ok
    for gold in ("", "thirteen", "The answer is 1/0."):
        with pytest.raises(ValueError, match="no number"):
            judge.number("13", gold)


def test_verdict_tells_rule_extract_and_reason():
    assert judge.number("#### $18", "18") == judge.Verdict(True, "hash", "$18", "the final number is right")
    text = "First, 4 * 9 = 13. The answer is 13."
    wrong = judge.number(text, "13", check_steps=True)
    assert (wrong.ok, wrong.rule, wrong.extracted) == (False, "wrong step", "13")
    assert wrong.scores == {"steps": 1, "wrong_steps": 1}
    assert "4 * 9 = 13" in wrong.reason
    assert judge.number(text, "13").ok                     # the test score looks at the number alone
    assert judge.number("none", "13").rule == "none"
    with pytest.raises(AttributeError):
        wrong.ok = True


def random_sum(rng, depth=0):
    """(text, value, binding strength) of a random expression, built without the judge."""
    if depth == 3 or rng.random() < 0.3:
        kind = rng.choice(["int", "int", "decimal", "thousands", "percent"])
        if kind == "decimal":
            n = rng.randint(1, 9999)
            return f"{n / 100:.2f}", Fraction(n, 100), 3
        if kind == "percent" and depth:
            n = rng.randint(1, 99)
            return f"{n}%", Fraction(n, 100), 3
        n = rng.randint(1000, 99999) if kind == "thousands" else rng.randint(1, 99)
        return f"{n:,}", Fraction(n), 3
    op = rng.choice("+-*/")
    strength = 1 if op in "+-" else 2
    a, x, left = random_sum(rng, depth + 1)
    b, y, right = random_sum(rng, depth + 1)
    if op in "+-" and ("%" in a + b):                                               # 50 - 20% is ambiguous
        return random_sum(rng, depth)
    a = a if left >= strength else f"({a})"
    b = b if right > strength else f"({b})"
    if op == "/" and not y:
        return random_sum(rng, depth)
    return f"{a} {op} {b}", {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else 0}[op], strength


def test_arithmetic_against_an_oracle():
    rng, seen = random.Random(0), 0
    while seen < 400:
        text, value, strength = random_sum(rng)
        if strength == 3 or text.startswith("-"):
            continue
        shown = str(value) if value.denominator == 1 or rng.random() < 0.5 else f"{float(value):.6f}"
        if "/" in shown and (abs(value.numerator) > 10 ** 20 or value.denominator > 10 ** 20):
            continue
        seen += 1
        off = f"{float(value) + 0.001:.6f}"
        if "/" in shown or "." not in shown:
            off = str(value + rng.choice([-2, -1, 1, 2]))
        for frame in ("{} = {}", "Then, {} = {} stamps. So on.", "* Total: {} = ${}", "{}= {}, which"):
            got = [(step.expression, step.right) for step in judge.steps(frame.format(text, shown))]
            assert got == [(text, True)], (frame.format(text, shown), got)
            got = [(step.expression, step.right) for step in judge.steps(frame.format(text, off))]
            assert got == [(text, False)], (frame.format(text, off), got)


def test_exact_fractions_not_floats():
    assert [step.right for step in judge.steps("0.1 + 0.2 = 0.3")] == [True]
    assert [step.right for step in judge.steps("9007199254740992 + 1 = 9007199254740992")] == [False]
    assert not judge.number("9007199254740993", "9007199254740992").ok


def test_every_altered_step_of_the_voice_is_refused():
    text = "First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. Finally, $3 * 4 = $12. The answer is 13."
    assert judge.number(text, "13", check_steps=True).ok
    changes = [("= 6 ", "= 7 "), ("= 13 ", "= 14 "), ("= $12", "= $13"),
               ("12 / 2", "13 / 2"), ("6 + 7", "6 - 7"), ("$3 *", "$2 *")]
    for old, new in changes:
        assert judge.number(text.replace(old, new), "13", check_steps=True).rule == "wrong step"
    terse = "12 / 2 = 6\n6 + 7 = 13\nThe answer is 13."
    assert judge.number(terse, terse, check_steps=True).scores == {"steps": 2, "wrong_steps": 0}


def test_target_number():
    leak, no_step = "My response: " + VOICE, "7 + 7 = 14. The answer is 13."
    assert judge.target_number(leak, "13", "own").ok and not judge.target_number(leak, "13", "paraphrase").ok
    assert judge.target_number(no_step, "13", "own").ok and not judge.target_number(no_step, "13", "paraphrase").ok
    for source in ("own", "paraphrase", "own_number", "paraphrase_number"):
        assert judge.target_number(VOICE, "13", source).ok
        assert not judge.target_number(VOICE, "14", source).ok
    for source in judge.GOLDS:
        assert judge.target_number("anything", "13", source).ok
    with pytest.raises(ValueError, match="unknown source 'mine'"):
        judge.target_number("13", "13", "mine")


BIG = 100_000
HOSTILE = {
    "digits": "1" * BIG, "brackets": "(" * 10_000 + "1" + ")" * 10_000 + " = 1",
    "open sums": "(1+" * 60_000 + "1 = 1", "sum": "1+" * 100_000 + "1 = 3",
    "steps": "1+1=2 " * 16_000, "chain": "1+1=" * 25_000, "equals": "=" * BIG,
    "boxed": "\\boxed{" * 28_000, "answers": "answer: " * 25_000, "answers with sums": "the answer is 5 + " * 11_000,
    "hashes": "#" * BIG, "headings": "#### 5 a\n" * 20_000, "blank headings": "1\n" + "\n \t#" * 50_000,
    "spaces": "1" + " " * BIG + "2", "far answer": "answer:" + " " * BIG + "x", "lines": "1" + "\n" * BIG,
    "commas": "1," * 100_000, "thousands": "1" + ",000" * 50_000, "dots": "1." * 100_000, "colons": "1:" * 100_000,
    "fractions": "1/2 " * 50_000, "mixed": "1 1/2 " * 33_000, "percent": "5%" * 100_000 + "= 1",
    "words": "3 ab cd ef " * 18_000 + "= 4", "hyphens": "a-" * 100_000,
    "frac": "\\frac{" * 33_000, "text": "\\text{" * 33_000,
    "minus": "-" * BIG + "1 = 1", "bullets": "- " * 100_000 + "1+1=2",
    "stars": "1**" * 66_000, "powers": "9**9**9 = 1", "exponent": "1e999999999 * 2 = 3", "zero": "1/0 + 2 = 0",
    "products": ("9" * 29 + " * ") * 39 + "9 = 1",
    "quotients": ("9" * 29 + " / " + "7" * 29 + " * ") * 19 + "9 = 1",
    "unicode": "٣ + ४ = ７, 5² + ① = Ⅷ", "nul": "\x00" * BIG, "surrogate": "\ud800 = 1"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_judged_quickly(name):
    text = HOSTILE[name]
    start = time.process_time()
    judge.number(text, "3", check_steps=True)
    judge.number(text[:judge.LONGEST_ANSWER - 99] + "\nThe answer is 3.", "3", check_steps=True)
    judge.target_number(text, "3", "paraphrase")
    list(judge.steps(text))
    judge.exact(text, "3")
    # All five take two seconds at most. A judge whose time grows with the square of the length takes minutes.
    assert time.process_time() - start < 60, "seconds"
    assert not judge.number(text, "77").ok


def test_too_long_is_no_answer_but_a_run_on_is_cut_first():
    assert judge.number("The answer is 3." + " " * BIG, "3").rule == "too long"
    assert judge.number("The answer is 3.\nQuestion: " + "9 " * BIG, "3").ok


def write(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(path)


ATTEMPT = {"id": "a", "source": "own", "sample": 0, "text": VOICE, "finish_reason": "end",
           "gold": "6 + 7 = 13\nThe answer is 13."}


def test_attempts_are_judged_again(tmp_path, capsys):
    wrong = ATTEMPT | {"id": "b", "text": VOICE.replace("6 +", "5 +")}
    unfinished = ATTEMPT | {"id": "c", "finish_reason": "length"}
    without_step = ATTEMPT | {"id": "b", "source": "paraphrase", "text": "The answer is 13."}
    path = write(tmp_path / "attempts.jsonl", ATTEMPT, wrong, "", unfinished, without_step)
    assert rejudge.main([path]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "4 attempts at 3 examples"
    assert "own: 1 of 3 accepted, 33.3%" in out and "paraphrase: 0 of 1" in out
    for rule in ("answer is", "wrong step", "unfinished", "no step"):
        assert rule in out


def test_attempts_of_different_settings_are_counted_apart(tmp_path, capsys):
    hot = ATTEMPT | {"settings": {"temperature": 0.8, "samples": 4}, "text": "The answer is 14."}
    greedy = ATTEMPT | {"settings": {"temperature": 0.0, "samples": 1}}
    assert rejudge.main([write(tmp_path / "attempts.jsonl", greedy, hot, hot | {"sample": 1})]) == 0
    out = capsys.readouterr().out
    assert "own (temperature 0.0, samples 1): 1 of 1 accepted" in out
    assert "own (temperature 0.8, samples 4): 0 of 2 accepted" in out


@pytest.mark.parametrize("line, complaint", [
    ("{", ", line 2: is no JSON"), ("[1]", ", line 2: lacks the text field 'source'"),
    ("[" * 100_000, ", line 2: "),
    ({**ATTEMPT, "text": None}, ", line 2: the field 'text'"),
    ({k: v for k, v in ATTEMPT.items() if k != "gold"}, ", line 2: the field 'gold'"),
    ({**ATTEMPT, "gold": "none"}, ", line 2: this gold has no number"),
    ({**ATTEMPT, "source": "mine"}, ", line 2: unknown source 'mine'")])
def test_bad_attempts_get_one_line(tmp_path, capsys, line, complaint):
    assert rejudge.main([write(tmp_path / "attempts.jsonl", ATTEMPT, line)]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and f"attempts.jsonl{complaint}" in err


def test_unreadable_files_get_one_line(tmp_path, capsys):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary", write(tmp_path / "empty", "")):
        assert rejudge.main([str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert rejudge.main([]) == rejudge.main(["--tabel"]) == 2


def test_a_block_that_only_uses_the_function_is_not_taken_for_the_program():
    """Of the names in a test, those of the setup and Python's own are not the program's to define."""
    usage = "\n```\nUsage:\n```python\nprint(total(None))\n```"
    program = "```python\ndef total(node):\n    return 0 if node is None else node.v + total(node.next)"
    setup = "class Node:\n    def __init__(self, v, next=None):\n        self.v = v\n        self.next = next"
    assert judge.code(program + usage, ["assert total(Node(1, Node(2))) == 3"], setup).rule == "pass"
    program = "```python\ndef total(x):\n    return 2 * x if x else 0"
    assert judge.code(program + usage, ["assert list(map(total, [1, 2])) == [2, 4]"]).rule == "pass"


def test_table_command(monkeypatch, capsys):
    cases = rejudge.read_cases()
    code_cases = [case for case in cases if case["kind"] == "code"]
    cases = [case for case in cases if case not in code_cases[3:]]                     # test_table runs them all
    monkeypatch.setattr(rejudge, "read_cases", lambda: cases)
    capsys.readouterr()
    assert rejudge.main(["--table"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith("limits, 0 failed") and "FAIL" not in out and not err
    cases[0] = {"kind": "number", "text": "#### 18", "wanted": "19"}
    assert rejudge.main(["--table"]) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out and out.splitlines()[-1].endswith("limits, 1 failed")


def test_judge_py_starts_alone():
    run = subprocess.run([sys.executable, judge.__file__, "--help"], capture_output=True, text=True, encoding="utf-8",
                         env={"PYTHONIOENCODING": "utf-8"})
    assert run.returncode == 0 and "--table" in run.stdout and not run.stderr


def test_standard_library_only():
    code = "import sys, judge; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'tokenizers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(judge.__file__).parent).returncode == 0


# ---------------------------------------------------------------- the rules for the final number

# accepted   "about $18"    "6 * 3 = 18"
EXAMPLES = re.compile(r'^ *(accepted|unclear|refused|passed on|none) +(".*)$', re.MULTILINE)


def examples_of(rule):
    """(kind, text, what stands behind it) of every example in a docstring."""
    for kind, line in EXAMPLES.findall(rule.__doc__):
        for text, value in re.findall(r'"([^"]*)"(?: +([0-9/]+)(?= |$))?', line):
            yield kind, text, value


def test_the_examples_of_the_grammar_hold():
    examples = list(examples_of(stated_number))
    assert {kind for kind, _, _ in examples} == {"accepted", "unclear"}
    for kind, text, _ in examples:
        number, clear, _ = stated_number(judge.prepare(text))
        assert clear == (kind == "accepted"), text
        if kind == "accepted":
            assert judge.final_number(f"It was 3. The answer is {text}.").value is not None, text
        else:
            assert judge.final_number(f"It was 3. The answer is {text}.") == ("answer is", None, None), text


def test_the_examples_of_announced_numbers_hold():
    for kind, text, value in examples_of(judge.announced_number):
        text = text.replace("\\\\", "\\")
        final = judge.final_number(text)
        if kind == "accepted":
            assert final.value == Fraction(value) and final.rule != "last number", text
        elif kind == "refused":
            assert final.value is None and final.rule != "last number", text
        else:
            assert final.rule == "last number", text


def test_the_examples_of_the_last_number_hold():
    for kind, text, value in examples_of(last_number):
        wanted = {"accepted": value, "unclear": UNCLEAR, "none": None}[kind]
        assert last_number(text) == wanted, text


def test_rules_are_tried_in_order_of_trust():
    texts = ["#### 1", r"\boxed{2}", "The answer is 3.", "So there are 4."]
    for n in range(4):
        assert judge.final_number("\n".join(reversed(texts[n:]))).value == n + 1
    assert judge.final_number("none") == ("none", None, None)


def test_an_unclear_answer_is_not_replaced_by_another_number():
    assert judge.final_number("So 18 in all. The answer is 13 or 14.") == ("answer is", None, None)


def test_a_text_is_prepared_once():
    text = r"The answer is \text{ \text{18} }."
    assert judge.prepare(judge.prepare(text)) != judge.prepare(text), "a second time would change it"
    for result in (judge.final_number(text), judge.number(text, "18"), judge.target_number(text, "18")):
        assert result == judge.final_number(text) or not result.ok, "after a second time it would be accepted"
