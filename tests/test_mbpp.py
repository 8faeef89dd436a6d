"""MBPP's files, prompts and golds: data/tasks/mbpp.py on self-written tasks in the official fields."""
import json
import shutil

import pytest

import judge
import s3ft
from data import TINY, UserError
from data.judging import sandbox
from data.tasks import load_task, mbpp

ROW = {"text": "Write a function to double a number.", "code": "def twice(x):\r\n\treturn 2*x \r\n", "task_id": 601,
       "test_setup_code": "",
       "test_list": ["assert twice(1) == 2", "assert twice(3) == 6", "assert twice(-5) == -10"],
       "challenge_test_list": []}


def task_of(tmp_path, *changes, **options):
    """A task on a file with one row for each dict of changes."""
    lines = [json.dumps(ROW | change) for change in changes or ({},)]
    (tmp_path / "mbpp.jsonl").write_text("\n".join(lines))
    return load_task("mbpp", tmp_path, **options)


def test_splits_are_the_official_ones(tmp_path):
    task = task_of(tmp_path, *({"task_id": i} for i in (1, 10, 11, 510, 511, 600, 601, 974)))
    assert {split: [e.id for e in task.load(split)] for split in ("train", "validation", "test")} == {
        "train": ["601", "974"], "validation": ["511", "600"], "test": ["11", "510"]}


def test_a_part_without_tasks_is_named(tmp_path):
    with pytest.raises(UserError, match="no task of the test part.*11 to 510"):
        task_of(tmp_path).load("test")


def test_the_last_assert_is_held_back_from_both_prompts_and_said_so(tmp_path):
    task = task_of(tmp_path)
    e = task.load("train")[0]
    for messages in (s3ft.ask(task, e), s3ft.rewrite(task, e)):
        text = messages[0]["content"]
        assert ROW["text"] in text and "twice(1) == 2" in text and "twice(3) == 6" in text
        assert "-10" not in text and "twice(-5)" not in text
    assert "held back" in task.notes[0]


def test_all_asserts_are_shown_when_asked_for(tmp_path):
    task = task_of(tmp_path, all_asserts=True)
    assert all(t in task.question(task.load("train")[0]) for t in ROW["test_list"])
    assert "held back" not in task.notes[0]


def test_all_asserts_decide_shown_or_not(tmp_path):
    if not sandbox.containment()[0]:
        pytest.skip("nothing here contains generated code")
    task = task_of(tmp_path)
    e = task.load("train")[0]
    hard_coded = "```python\ndef twice(x):\n    return {1: 2, 3: 6}[x]\n```"
    assert task.score(e, task.gold(e)).ok and task.accept(e, task.gold(e), "own").ok
    assert not task.score(e, hard_coded).ok and not task.accept(e, hard_coded, "own").ok


@pytest.mark.parametrize("code, want", [
    ("def f(x):\r\n\tif x:\r\n\t\treturn 1 \r\n\treturn 2", "def f(x):\n    if x:\n        return 1\n    return 2"),
    ("\n\ndef f(x):\n  return x\n\n", "def f(x):\n  return x"),
    ("def f():\n    return '''a \n\tb'''", "def f():\n    return '''a \n\tb'''"),        # a text that would change
    ("def f(:", "def f(:"),                                                            # no Python: as it is
])
def test_gold_is_normalised_and_stays_the_same_program(code, want):
    assert mbpp.normalise(code) == want


def test_gold_target_is_a_code_block_and_raw_is_the_file_s_text(tmp_path):
    task = task_of(tmp_path)
    e = task.load("train")[0]
    assert task.gold(e) == "```python\ndef twice(x):\n    return 2*x\n```" and task.text(e, "raw") == ROW["code"]
    with pytest.raises(UserError, match="voice"):
        task.text(e, "voice")


def test_the_rewrite_prompt_shows_the_gold_without_its_names(tmp_path):
    code = 'def twice(weight):\n    """Double it."""\n    # so\n    doubled = weight * 2\n    return doubled'
    task = task_of(tmp_path, {"code": code})
    text = s3ft.rewrite(task, task.load("train")[0])[0]["content"]
    assert "def twice(v1):\n    v2 = v1 * 2\n    return v2" in text
    assert "weight" not in text and "Double" not in text and "# so" not in text


@pytest.mark.parametrize("code, names, want", [
    ("def f(a, b=1):\n    return [a + i for i in b]  # sum", True, "def f(a, b=1):\n    return [a + i for i in b]"),
    ("def f(a, b=1):\n    return [a + i for i in b]", False, "def f(v1, v2=1):\n    return [v1 + v3 for v3 in v2]"),
    ("import math\ndef f(x):\n    return math.sqrt(x)", False, "import math\n\ndef f(v1):\n    return math.sqrt(v1)"),
    ("def g(n):\n    return f(n)\ndef f(n):\n    return n", False,
     "def g(v1):\n    return f(v1)\n\ndef f(v1):\n    return v1"),
    ("def f(x:", False, "def f(x:"),
])
def test_bare(code, names, want):
    assert mbpp.bare(code, names) == want


def test_copies_are_told_from_rewrites(tmp_path):
    task = task_of(tmp_path)
    e = task.load("train")[0]
    program = lambda code: judge.Verdict(True, "pass", code, "")
    same, renamed, other = (task.alike(e, program(code)) for code in (
        "def twice(x):\n  '''Says what.'''\n  return (2*x)  # here", "def twice(n):\n    return 2 * n",
        "def twice(x):\n    return x + x"))
    equal = [[a == b for a, b in pairs] for pairs in (same, renamed, other)]
    assert equal == [[True, True], [False, True], [False, False]]


@pytest.mark.parametrize("change, expected", [
    ({"test_list": ["assert twice(1) =="]}, "cannot be used"), ({"test_list": ["assert 1 == 1"]}, "calls no function"),
    ({"test_list": []}, "there is no test"), ({"test_list": "assert twice(1) == 2"}, "needs test_list"),
    ({"task_id": "601"}, "whole number"),
    ({"code": ""}, "the field 'code' is empty"), ({"text": 5}, "the field 'text' is no text"),
    ({"test_setup_code": None}, "needs test_list"),
    ({"code": "x\ud800"}, "half a character"),
])
def test_a_bad_row_is_one_line_that_names_file_and_line(tmp_path, change, expected):
    with pytest.raises(UserError) as error:
        task_of(tmp_path, change)
    assert expected in str(error.value) and "mbpp.jsonl, line 1" in str(error.value) and "\n" not in str(error.value)


def test_a_second_row_with_the_same_id_is_named(tmp_path):
    with pytest.raises(UserError, match="line 2: id '601' stands in line 1 too"):
        task_of(tmp_path, {}, {})


def test_a_folder_without_the_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="mbpp.jsonl: cannot be read .*; see --data"):
        load_task("mbpp", tmp_path)


def test_bundled_and_official_layout_are_the_same(tmp_path):
    (tmp_path / "mbpp").mkdir()
    shutil.copy(TINY / "mbpp" / "mbpp.jsonl", tmp_path / "mbpp" / "mbpp.jsonl")
    bundled, copied = load_task("mbpp", TINY), load_task("mbpp", tmp_path)
    assert (bundled.title, copied.title) == ("tiny-mbpp", "mbpp") and bundled.load("test") == copied.load("test")
    assert [len(bundled.load(split)) for split in ("train", "validation", "test")] == [374, 90, 500]
