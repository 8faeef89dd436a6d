"""cases.py - what counts as right, case by case.

`python judge.py --table` prints them, and tests/test_judge.py runs them.
"""

# (text, its final number, or None)
NUMBER_CASES = [
    ("#### 18.", "18"), ("#### $18", "18"), ("####18", "18"), ("#### 1,234", "1234"),
    ("#### -5", "-5"), ("#### −5", "-5"), ("#### 18.00", "18"), ("#### 5.50", "5.5"),
    ("The answer is $1,234.", "1234"), ("The answer is 72, in total, so..", "72"),
    ("Answer: 12 apples (3 boxes of 4)", "12"), (r"\boxed{42} after 3 steps", "42"),
    ("#### Step 1: add 30\n30 + 42 = 72\n#### 10", "10"),
    ("#### Step 1: add 30\nSo we add 30.\nThe answer is 72.", "72"),
    ("18\nQuestion: Tom has 99 pens", "18"), ("7 2 years", "2"), ("1/2 hour", "1/2"),
    ("**Answer: $18**", "18"),
    # after ####
    ("#### 18 dollars per day", "18"), ("#### -$1,234.50", "-1234.5"),
    ("#### 2. Add them up\nThat makes 72.", "72"), ("#### 5 + 3 = 8", "8"), ("#### 10%", "10"),
    ("so 18 #### 18", "18"), ("#### 1 1/2", "3/2"),
    # in a box
    (r"\boxed{\$1{,}250.50}", "1250.5"), (r"\boxed{\frac{3}{4}}", "3/4"),
    (r"\boxed{12 \text{ apples}}", "12"), (r"\boxed{18\,000}", "18000"),
    (r"\boxed{10,\!000}", "10000"), (r"\boxed{90^\circ}", "90"), (r"\boxed{90^{\circ}}", "90"),
    (r"\boxed{\frac12}", "1/2"), (r"\boxed{\frac{-1}{2}}", "-1/2"), (r"\boxed{x = 5}", "5"),
    (r"\boxed{5 and then 7", "7"), (r"First \boxed{3}, then \boxed{8}.", "8"),
    # after "answer is"
    ("The answer is 6 * 3 = 18.", "18"), ("The answer is 6 * 3.", None),
    ("The answer is 10-15 minutes.", None), ("The answer is 13 or 14.", None),
    ("The answer is 2 and 1/2.", None), ("The answer is 2½.", "5/2"),
    ("The answer is 3:30.", None), ("The answer is 12/25/2020.", None),
    ("The answer is 1e5.", None), ("The answer is 7/0.", None), ("The answer is 18 000.", None),
    ("The answer is 18\u202f000.", "18000"), ("The answer is 3 hours and 20 minutes.", None),
    ("The answer is 3 hours.", "3"), ("The answer is negative 5.", "-5"),
    ("The answer is 20% of 50.", None), ("The answer is 20% of 50 = 10.", "10"),
    ("The answer is 20% of the total.", "20"), ("The answer is 6 times 3, which is 18.", None),
    ("The answer is 5 dozen.", "5"), ("The answer is $6 per hour * 3 hours = $18.", "18"),
    ("Answer:\n- 18 apples", "18"), ("Answer:\n-18", "-18"),
    ("The answer is **72** (48 + 24).", "72"),
    ("The final answer is:\n\n**$72**\n\nCheck: 72 - 24 = 48", "72"),
    ("The answer is 18. Wait. The answer is 20.", "20"),
    ("Answer:\n1. Buy 3.\n2. Now 9 * 2 = $18", "18"),
    ("Answer: Ann has 16 eggs and eats 3, so 13", "13"),
    # the last number
    ("He needs 3 boxes on the 2nd day", "3"), ("50-8", "8"), ("It fell to -8 degrees", "-8"),
    ("a total of 18kg", "18"), ("10^2", None), ("model X5", None), ("no number here", None),
    ("", None), ("٣", None), ("1" * 40, None), ("Question: how many?\n18 pens", "18"),
    ("It is 18.\n\nQuestion 2: 3 + 4?\nThe answer is 7.", "18"),
]

# (line, a word for every step in it: right or wrong; steps that are ignored have none)
STEP_CASES = [
    # the teaching model's voice, and its golds
    ("First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. Finally, $3 * 4 = $12.",
     "right right right"),
    ("First, 12 / 2 = 6 stamps. Then, 6 + 7 = 14 stamps. The answer is 14.", "right wrong"),
    ("12 / 2 = 6", "right"), ("4 * 9 = 13", "wrong"), ("20% of 50 = 10", "right"),
    ("20% of 50 = 12", "wrong"), ("60 * 25 / 100 = 15.", "right"),
    # numbers and operators
    ("48 × 2 = 96, 96 ÷ 3 = 32, 32 − 2 = 30, 2 x 3 = 6, 2x3 = 6", "right right right right right"),
    ("1,000 * 3 = 3,000", "right"), ("$5.00 * 3 = $15", "right"), (".5 * 4 = 2", "right"),
    ("3 + 4 = **8**", "wrong"), ("1 1/2 * 4 = 6", "right"), ("1 1/2 * 4 = 7", "wrong"),
    ("2½ + 1 = 3.5", "right"), ("80/100 * 10 = 8", "right"), ("1/2 of 50 = 25", "right"),
    ("3/4 - 1/2 = 1/4", "right"), ("12/4 = 3/4", "wrong"), ("75/1.5 = 60", "wrong"),
    ("5000/1,000 = 6", "wrong"), ("10 - -5 = 15", "right"), ("-3 + 5 = 2", "right"),
    ("10-5 = 5", "right"), ("5 - 8 = 3", "wrong"), ("(3+4)*2 = 14", "right"),
    ("(3+4)*2 = 11", "wrong"), ("3(4) = 12", "right"), ("3(4) = 13", "wrong"),
    ("2 (3 + 4) = 7", "right"), (r"\( 12 \times 3 = 36 \)", "right"),
    (r"\frac{48}{2} = 24", "right"), ("5 / 0 = 0", "wrong"), ("((3 + 4 = 7", "right"),
    (r"\[ 3 \text{ red apples} \times 4 \text{ bags} = 12 \text{ apples} \]", "right"),
    (r"30 \text{ cm} - 12 \text{ cm} = 19 \text{ cm}", "wrong"),
    (r"\frac{20 \text{ km}}{5 \text{ km/hour}} = 4 \text{ hours}", "right"),
    (r"\text{Time} = \frac{20 \text{ km}}{5 \text{ km/hour}} = 8 \text{ hours}", "wrong"),
    (r"2 \text{ hours} + 30 \text{ minutes} = 150 \text{ minutes}", ""),
    ("1 hour 30 minutes + 30 minutes = 120 minutes", ""),
    ("5 feet 6 inches + 6 inches = 72 inches", ""), ("17 / 5 = 3 with 2 left", ""),
    ("20 / 3 = 6 boxes with 2 left over", ""), ("17 / 3 = 5 with a remainder of 2", ""),
    ("7 / 2 = 3 R1", ""), ("17 / 5 = 4 with care", "wrong"), ("3 + 4 = 8 with 2 left", "wrong"),
    ("20 / 5 = 5 left", "wrong"), ("3 + negative 5 = -2", "right"), ("30° + 60° = 80°", "wrong"),
    # per cent
    ("100% - 20% = 80%", "right"), ("100% - 20% = 80", "right"), ("10/50*100 = 20%", "right"),
    ("1/4 = 25%", "right"), ("50 * 20% = 1000", "wrong"), ("50 - 20% = 40", ""),
    ("168/20% = 840", "right"), ("15 / 60 * 100% = 25", "right"),
    ("20 percent of 50 = 12", "wrong"),
    # chains
    ("100 - 50 - 30 - 15 = $5", "right"), ("3 * 4 = 24 / 2 = 12", "right right"),
    ("2 + 3 = 1 + 5 = 6", "wrong right"), ("3 * 4 = 12 * 2 = 24", "right right"),
    ("3 * 4 = 12 * 2 = 25", "right wrong"), ("x = 5 * 3 = 15", "right"),
    ("6 + 7 = 13 = 14", "right wrong"), ("5 * 12 = 60 minutes = 1 hour", "right"),
    ("7 / 2 = 3.5 ≈ 4", "right"),
    # rounding
    ("10/3 = 3.33", "right"), ("10/3 = 3.34", "wrong"), ("10/3 = 3", "right"),
    ("10/3 ≈ 3.3", "right"), ("2/3 = 0.66", "right"), ("2/3 = 0.67", "right"),
    ("1/3 = 33%", "right"), ("25/2 = 13", "wrong"), ("2.5 * 3 = 8", "wrong"),
    ("0.5 + 0.25 = 1", "wrong"),
    # words before the expression, and after the result
    ("Step 1: 3 + 4 = 7", "right"), ("Step 1 - 3 + 4 = 7", "right"), ("1. 3 + 4 = 7", "right"),
    ("1) 3 + 4 = 8", "wrong"), ("- 3 + 4 = 7", "right"), ("* 3 + 4 = 8", "wrong"),
    ("So 3 + 4 = 8", "wrong"), ("Total: 3 + 4 = 8", "wrong"), ("Total - 3 * 4 = 12", "right"),
    ("Evan - 3 * 4 = 2", ""), ("half of 12 + 4 = 10", ""), ("That is half: 12 / 2 = 7", "wrong"),
    ("It grew by 2 * 3 = 7", "wrong"), ("In 2020 3 + 4 = 7", "right"),
    ("48 + 24 = 72 clips", "right"), ("3 * 4 = 13 more", "wrong"), ("500 - 240 = 250g", "wrong"),
    ("3 * 4 = 13 a day", "wrong"), ("5 + 4 = 8 non-fiction books", "wrong"),
    # units
    ("12 minutes / 2 minutes/dish = 6 dishes", "right"), ("3 apples * 4 = 13", "wrong"),
    ("$5 a day * 3 days = $15", "right"), ("3 red apples + 4 apples = 8 apples", "wrong"),
    ("2 hours + 30 minutes = 150 minutes", ""), ("3 dozen + 4 = 40", ""),
    ("$0.25 * 4 = 100 cents", ""), ("25 * 4 = 101 cents", "wrong"),
    ("5 * 3 = 15 thousand", "right"), ("600 x 30 = 18 000", ""),
    # no steps, or none that is sure
    ("5 apples = 5 apples", ""), ("1 hour = 60 minutes", ""), ("1/2 a cup = 4 ounces", ""),
    ("x = 5", ""), ("12 = 6 * 2", ""), ("Day 2 = 6 * 2", ""), ("15 + 2a = 35", ""),
    ("12 - 5 = 2A", ""), ("2 * x = 10", ""), ("2x + 3 = 13", ""), ("3x +4 - 4 = 28", ""),
    ("f(3) + 4 = 9", ""), ("8/3 = 24/Y", ""), ("10^2 + 1 = 101", ""), ("2**3 = 6", ""),
    ("9**9**9 = 1", ""), ("5! = 120", ""), ("3:30 + 2 = 5:30", ""), ("1,2,3 + 4 = 9", ""),
    ("10 / 1/2 = 5", ""), ("17 / 3 = 5 and 2/3", ""), ("17 / 3 = 5 remainder 2", ""),
    ("3 + 4 == 8", ""), ("3 + = 7", ""), ("= = 3 + 4 =", ""), ("3 + 4 = 7 - 2 of them", ""),
    ("a 15-year-old = 15 - 1", ""), ("1 + " * 60 + "1 = 61", ""),
]

# (text, gold, is it right?)
EXACT_CASES = [
    ("two  words\n", "two words", True), ("Two words", "two words", False), ("", "x", False),
]

# A text in the teaching model's voice.
VOICE = "First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. The answer is 13."
# (source, did the model end the text itself?, text, the rule that decides); the gold is 13
TARGET_CASES = [
    ("own", True, VOICE, "answer is"), ("own", True, "The answer is 13.", "answer is"),
    ("own", False, VOICE, "unfinished"), ("own", True, VOICE.replace("6 +", "5 +"), "wrong step"),
    ("own_number", True, VOICE.replace("6 +", "5 +"), "answer is"),
    ("paraphrase", True, VOICE, "answer is"),
    ("paraphrase", True, "The answer is 13.", "no step"),
    ("paraphrase", True, "12 / 2 = 6 stamps. The answer is 13.", "no step"),
    ("paraphrase_number", True, "The answer is 13.", "answer is"),
    ("paraphrase", True, "As the reference answer says: " + VOICE, "leak"),
    ("gold", True, "12 / 2 = 6\nThe answer is 13.", "gold"),
]

SAID = "The passage does not say."
TIDE = "The tide rises twice a day, as the harbour master Ole Berg wrote"        # 13 words
# (text, golds, the rule that decides); no golds: the passage does not say
SPAN_CASES = [
    # exact, in SQuAD's normal form
    ("Ole Berg", ["Ole Berg"], "exact"), ("the Ole  BERG.", ["Ole Berg"], "exact"),
    ("Ole Berg\n", ["A Ole Berg"], "exact"),
    ("twice a day", ["twice daily", "twice a day"], "exact"),
    ("well-known", ["wellknown"], "exact"), ("well known", ["well-known"], "no gold"),
    ("U.S.", ["US"], "exact"), ("1,234", ["1234"], "exact"), ("$5.50", ["550"], "exact"),
    ("Berg's", ["bergs"], "exact"), ("Ångström", ["ångström"], "exact"),
    ("Angstrom", ["Ångström"], "no gold"), ("«Berg»", ["Berg"], "no gold"),
    ("東京", ["東京"], "exact"), ("Straße", ["STRASSE"], "no gold"), ("٣", ["3"], "no gold"),
    ("A", ["A"], "exact"), ("a", ["an"], "abstained though answerable"),
    ("word " * 26, ["word " * 26], "exact"),
    # contained: whole words, in sequence
    ("It was Ole Berg who wrote it.", ["Ole Berg"], "contained"),
    ("It rises twice a day.", ["never", "twice a day"], "contained"),
    ("Berg, Ole", ["Ole Berg"], "no gold"), ("Ole M. Berg", ["Ole Berg"], "no gold"),
    ("the Bergens", ["Berg"], "no gold"), ("concatenate", ["cat"], "no gold"),
    ("in 1990-2000", ["1990"], "no gold"), ("in 1990 - 2000", ["1990"], "contained"),
    ("in 1990–2000", ["1990"], "no gold"), ("15", ["5"], "no gold"), ("5.5", ["5"], "no gold"),
    ("5 %", ["5%"], "exact"), ("Ole", ["Ole Berg"], "no gold"),
    ("not Ole Berg", ["Ole Berg"], "contained"),        # rules do not read, they compare
    # too long
    (TIDE + " down" * 12, ["Ole Berg"], "contained"),
    (TIDE + " down" * 13, ["Ole Berg"], "too long"),
    ("The passage. " * 13 + "Ole Berg", ["Ole Berg"], "too long"),
    ("x " * 26, ["Ole Berg"], "too long"),
    # the passage does not say
    (SAID, [], "abstained"), (SAID, [""], "abstained"),
    ("the passage doesn't say", [], "abstained"),
    ("The text doesn’t explicitly say who.", [], "abstained"),
    ("It is not mentioned in this article.", [], "abstained"),
    ("It can't be determined.", [], "abstained"), ("I don't know", [], "abstained"),
    ("Unanswerable.", [], "abstained"), ("Not stated", [], "abstained"), ("", [], "abstained"),
    (" \n", [""], "abstained"), ("...", [], "abstained"),
    ("Ole Berg", [], "answered an unanswerable"),
    ("Berg was not mentioned until 1990", [], "answered an unanswerable"),
    ("an unknown man", [""], "answered an unanswerable"),
    ("word " * 26, [], "answered an unanswerable"), (SAID + " word" * 21, [], "too long"),
    (SAID, ["Ole Berg"], "abstained though answerable"),
    ("", ["Ole Berg"], "abstained though answerable"),
    ("The passage does not say, perhaps Ole Berg.", ["Ole Berg"], "abstained though answerable"),
    ("The passage does not sayings", [], "answered an unanswerable"),
    ("unknown", ["unknown"], "exact"),
    ("There is no answer, he said", ["There is no answer"], "contained"),
    (SAID, ["Unknown"], "abstained though answerable"),
    # golds of which nothing is left
    ("the", ["the"], "exact"), ("%", [" % "], "exact"),
    ("&", ["%"], "abstained though answerable"), ("the percent sign", ["%"], "no gold"),
    ("the", ["The", "an article"], "abstained though answerable"),
    ("%", ["%", "per cent"], "exact"),
]

DOUBLE = "def f(x):\n    return 2 * x"
BLOCK = f"```python\n{DOUBLE}\n```"
# (text, rule, the program in it or None); the program has to define f
EXTRACT_CASES = [
    (BLOCK, "block", DOUBLE), (f"Sure!\n\n{BLOCK}\nIt doubles.", "block", DOUBLE),
    (f"```\n{DOUBLE}\n```", "block", DOUBLE), (f"~~~py\n{DOUBLE}\n~~~", "block", DOUBLE),
    (f"````python\n{DOUBLE}\n````", "block", DOUBLE),
    (BLOCK.replace("\n", "\r\n"), "block", DOUBLE),
    ("  ```python\n  def f(x):\n      return 2 * x\n  ```", "block", DOUBLE),
    ("```python\ndef f(x):\n\treturn x\n```", "block", "def f(x):\n\treturn x"),
    (f"```python\ndef f(x):\n    pass\n```\nBetter:\n{BLOCK}", "block", DOUBLE),
    (f"{BLOCK}\n```python\nprint(f(3))\n```", "block", DOUBLE),
    (f"{BLOCK}\n```bash\npython f.py\n```", "block", DOUBLE),
    ("```python\nf = lambda x: 2 * x\n```", "block", "f = lambda x: 2 * x"),
    ("```python\nfrom math import floor as f\n```", "block", "from math import floor as f"),
    (f"{BLOCK}\nFor example:\n```python\nf(", "block", DOUBLE),
    (f"```python\n{DOUBLE}", "unclosed", None), (f"~~~\n{DOUBLE}\n```", "unclosed", None),
    ("```\nx = 1\n```\n```\ny = 2\n```", "no function", None),
    ("```bash\nls\n```", "no code", None), (f"[BEGIN]\n{DOUBLE}\n[DONE]", "markers", DOUBLE),
    (f"[PYTHON]\n{DOUBLE}\n[/PYTHON] done", "markers", DOUBLE),
    (f"[BEGIN]\n{BLOCK}\n[DONE]", "block", DOUBLE), (f"[BEGIN]\n{DOUBLE}", "unclosed", None),
    (DOUBLE, "bare", DOUBLE), (f"{DOUBLE}\n[DONE] and so on", "bare", DOUBLE + "\n"),
    (f"Here is the function:\n\n{DOUBLE}\n\nThis function doubles x.", "bare", DOUBLE),
    ("I do not know.", "no code", None), ("", "no code", None),
    ("x = 1\n" * 4000, "too long", None),
]

CODE_TESTS = ["assert f(2) == 4", "assert f(3) == 6"]
# (program, the rule that decides), with CODE_TESTS
CODE_CASES = [
    (DOUBLE, "pass"), ("f = lambda x: x + x", "pass"), ("def f(x):\n    return 4", "fail"),
    ("def f(x):\n    print(2 * x)", "fail"), ("def f(x): return y", "error"),
    ("def f(x)\n    return 2 * x", "error"),
    ("def f(x): return 2 * x\nraise SystemExit", "error"), ("import sys\nsys.exit(0)", "error"),
    ("class E:\n    def __eq__(self, other): return True\nf = lambda x: E()", "fail"),
    ("f = lambda x: 1 << 10**12", "memory"),
    (DOUBLE + "\nif __name__ == '__main__':\n    exit()", "pass"),
    ("def f(x): return input()", "error"), (DOUBLE + "\0", "error"), ("f = '\ud800'", "error"),
]

# (program, the rule that decides, its tests)
TEST_CASES = [
    (DOUBLE, "pass", [
        "assert 4 == f(2)", "assert f(1)", "assert not f(0)", "assert f(2) != 5",
        "assert f(2) in (4, 5)", "assert 3 < f(2)"]),
    (DOUBLE, "pass", [
        "assert math.isclose(f(0.15), 0.3)", "assert abs(f(0.15) - 0.3) < 1e-9",
        "assert f(2) is not None", "assert len(f('a')) == 2"]),
    (DOUBLE, "pass", [
        "assert f(4) == len(str(10**7))", "assert f([1]) == [1, 1], 'twice'",
        "assert f((1,)) == (1, 1)"]),
    (DOUBLE, "fail", ["assert f((1,)) == [1, 1]"]), (DOUBLE, "fail", ["assert f(2) < 4"]),
    (DOUBLE, "fail", ["assert f(2) is True"]),
    ("def f(x): return None", "fail", ["assert f(2) < 4"]),
    ("import collections\nf = collections.Counter", "pass",
     ["assert f('aab') == {'a': 2, 'b': 1}"]),
    ("f = lambda x: [x, *f(x - 1)] if x else []", "pass", ["assert f(3) == [3, 2, 1]"]),
    ("f = lambda x: iter([x])", "fail", ["assert f(1) == [1]"]),
    (DOUBLE, "bad test", ["assert f(2) == 4 and f(3) == 6"]),
    (DOUBLE, "bad test", ["assert all(f(x) == 2 * x for x in (1, 2))"]),
    (DOUBLE, "bad test", ["assert f(2) == g(1)"]), (DOUBLE, "bad test", ["assert 4 == 4"]),
    (DOUBLE, "bad test", ["f(2) == 4"]), (DOUBLE, "bad test", []),
]

# The rules that accept, in cases where the text is right by them.
ACCEPTED = (
    "pass", "hash", "boxed", "answer is", "last number", "gold", "exact", "contained", "abstained",
)
