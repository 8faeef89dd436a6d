"""Code and readings through the whole command on the bundled model, kept verdicts, pass@k, the paper's three tables."""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import judge
import s3ft
from data import ALL, BUNDLED, SKILLS, TINY, Example, UserError, cli
from data.cli.ending import guard
from data.judging import sandbox
from data.report import paper, table
from data.results import scores
from data.run import rejudge
from data.tasks import load_task
from data.run import plan, verdicts

SMALL = ["--limit", "6", "--test-limit", "4", "--benchmark-limit", "2", "--epochs", "1",
         "--benchmarks", "facts,referents"]
ALL_THREE = [*SMALL, "--limit", "4", "--max-new-tokens", "64"]
contained = pytest.mark.skipif(not sandbox.containment()[0], reason="nothing here contains generated code")


@pytest.fixture(autouse=True)
def quick_plan(monkeypatch):
    monkeypatch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3, "trainable": 1000})


def run(out, *more, capsys=None):
    """Run the command in this process -> results.json; with capsys (exit code, stderr)."""
    code = guard(lambda: s3ft.main([*SMALL, "--out", str(out), *more]))
    if capsys:
        return code, capsys.readouterr().err.strip()
    assert code == 0
    return json.loads((out / "results.json").read_text())


@pytest.fixture(scope="module")
def all_three(tmp_path_factory):
    """--task all, once: (folder, what was printed)."""
    import contextlib
    import io
    out, said = tmp_path_factory.mktemp("all") / "all", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3, "trainable": 1000})
        assert guard(lambda: s3ft.main(["--task", "all", *ALL_THREE, "--out", str(out)])) == 0
    return out, said.getvalue()


# ---------------------------------------------------------------- the whole command

def test_task_all_without_more_measures_the_bundled_benchmarks_on_each_task():
    for task, options in zip(ALL, cli.each_task(cli.parse(["--task", "all"], s3ft.METHODS, s3ft.SOURCES)), strict=True):
        assert options.task == task
        assert options.benchmarks == [*BUNDLED, *SKILLS]


@contained
def test_task_all_runs_the_three_and_ends_with_the_papers_tables(all_three):
    out, said = all_three
    assert all((out / task / "results.json").is_file() for task in ALL)
    for heading in ("Table 2:", "Table 3:", "Table 4:"):
        assert said.count(heading) == 1
    results = [json.loads((out / task / "results.json").read_text()) for task in ALL]
    assert paper.three_tables(results) in said, "the tables are a pure function of the three results.json"
    assert [r["task"] for r in results] == ["tiny-gsm8k", "tiny-mbpp", "tiny-nq"]


@contained
def test_attempts_of_code_and_readings_carry_what_judging_them_again_needs(all_three):
    for task, fields in (("mbpp", {"tests", "setup"}), ("nq", {"golds"})):
        path = all_three[0] / task / "attempts.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows and all(fields <= set(row) for row in rows)
        verdicts = [json.loads(line) for line in (all_three[0] / task / "verdicts.jsonl").read_text().splitlines()]
        again = rejudge.judge_file(path)
        for source in {v["source"] for v in verdicts}:
            its_own = [v for v in verdicts if v["source"] == source]
            accepted = sum(v["ok"] for v in its_own)
            total = len(its_own)
            assert f"{source}: {accepted} of {total} accepted, {accepted / total:.1%}" in again


@contained
def test_a_second_run_keeps_the_verdicts_on_programs(all_three, tmp_path, monkeypatch):
    shutil.copytree(all_three[0] / "mbpp", tmp_path / "mbpp")
    before = json.loads((tmp_path / "mbpp" / "results.json").read_text())
    assert (tmp_path / "mbpp" / "verdicts" / "rows.jsonl").read_text(), "programs were run"
    monkeypatch.setattr(sandbox, "run", lambda *a, **k: pytest.fail("a program was run again"))
    after = run(tmp_path / "mbpp", "--task", "mbpp", *ALL_THREE)
    assert [c["test"] for c in after["cells"]] == [c["test"] for c in before["cells"]]
    assert after["verdicts"] == before["verdicts"]


@contained
def test_readings_report_em_f1_and_the_two_errors_of_abstaining(all_three):
    results = json.loads((all_three[0] / "nq" / "results.json").read_text())
    for cell in results["cells"]:
        summary = cell["test"]["summary"]
        assert summary["answerable"] + summary["unanswerable"] == 4 and 0 <= summary["em"] <= summary["f1"] <= 1
        assert cell["test"]["accuracy"] >= summary["em"], "what matches a gold exactly is right"
    assert "reading: base EM" in all_three[1]


@contained
def test_the_held_back_assert_is_said_in_print_and_in_the_results(all_three):
    assert "held back for judging" in all_three[1]
    results = json.loads((all_three[0] / "mbpp" / "results.json").read_text())
    assert any("held back" in note for note in results["notes"])


def test_several_answers_to_a_test_question_give_pass_at_k(tmp_path):
    results = run(tmp_path / "out", "--task", "nq", "--methods", "base",
                  "--test-samples", "3", "--test-temperature", "1")
    test = results["cells"][0]["test"]
    assert len(test["right"]) == 4 and list(test["pass_at"]) == ["1", "2", "3"]
    assert test["pass_at"]["1"] == test["accuracy"] == pytest.approx(np.mean(test["right"]))
    answers = [json.loads(line) for line in (tmp_path / "out" / "base-s0" / "answers.jsonl").read_text().splitlines()]
    assert [a["sample"] for a in answers] == [0, 1, 2] * 4
    assert len({a["text"] for a in answers if a["id"] == answers[0]["id"]}) > 1, "each sample has noise of its own"
    line = "pass@k (3 answers each at temperature 1, the column above is pass@1; unbiased), k = 1, 2, 3: base"
    assert line in " ".join(table.final_table(results).split())


def squad_file(path, n, answerable=True):
    paragraphs = []
    for i in range(n):
        answers = [] if i % 3 == 0 else [{"text": f"number {i}", "answer_start": 0}]
        qa = {"id": f"q{path.stem}-{i}", "question": f"What is the number of box {i}?", "is_impossible": i % 3 == 0,
              "answers": answers}
        paragraphs.append({"context": f"Box {i} has the number {i}.", "qas": [qa]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": [{"title": "boxes", "paragraphs": paragraphs}]}))


def test_squad_without_a_training_file_measures_the_base_model_and_says_what_training_lacks(tmp_path, capsys):
    squad_file(tmp_path / "squad" / "dev-v2.0.json", 7)
    results = run(tmp_path / "out", "--task", "squad", "--data", str(tmp_path), "--methods", "base")
    assert results["task"] == "squad" and results["cells"][0]["test"]["summary"]["unanswerable"] > 0
    code, err = run(tmp_path / "other", "--task", "squad", "--data", str(tmp_path), capsys=capsys)
    assert code == 2 and "train-v2.0.json" in err and len(err.splitlines()) == 1 and not (tmp_path / "other").exists()


def test_a_prompt_that_fills_the_context_is_wrong_even_where_silence_would_be_right(tmp_path):
    squad_file(tmp_path / "squad" / "dev-v2.0.json", 3)
    file = tmp_path / "squad" / "dev-v2.0.json"
    data = json.loads(file.read_text())
    data["data"][0]["paragraphs"][0]["context"] *= 200                       # the unanswerable one
    file.write_text(json.dumps(data))
    results = run(tmp_path / "out", "--task", "squad", "--data", str(tmp_path), "--methods", "base")
    answers = [json.loads(line) for line in (tmp_path / "out" / "base-s0" / "answers.jsonl").read_text().splitlines()]
    [long] = [i for i, a in enumerate(answers) if a["finish_reason"] == "too long"]
    assert answers[long]["golds"] == [] and results["cells"][0]["test"]["right"][long] == "0"


def test_train_on_one_reading_set_and_test_on_another(tmp_path):
    squad_file(tmp_path / "squad" / "train-v2.0.json", 12)
    squad_file(tmp_path / "squad" / "dev-v2.0.json", 4)
    shutil.copytree(TINY / "nq", tmp_path / "nq")
    results = run(tmp_path / "out", "--task", "squad", "--test", "nq", "--data", str(tmp_path), "--methods", "sft")
    trained = [json.loads(line)["id"] for line in (tmp_path / "out" / "targets-sft.jsonl").read_text().splitlines()]
    answers = (tmp_path / "out" / "base-s0" / "answers.jsonl").read_text().splitlines()
    tested = [json.loads(line)["id"] for line in answers]
    assert all(id.startswith("qtrain") for id in trained)
    assert all(id.startswith("test-") for id in tested)
    assert len(tested) == 4
    assert "squad" in results["task"] and "nq" in results["task"]


@pytest.mark.parametrize("kind, extra, answer", [
    pytest.param("code", {"test_list": ["assert f(1) == 2"]}, "```python\ndef f(x):\n    return x + 1\n```",
                 marks=contained),
    ("span", {"golds": ["two", "2"]}, "two")])
def test_own_data_with_code_and_span_judges_run_to_the_table(tmp_path, kind, extra, answer):
    file = tmp_path / "mine.jsonl"
    rows = [{"question": f"Question {n}?", "answer": answer, **extra} for n in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = run(tmp_path / "out", "--task", str(file), "--judge", kind, "--methods", "ssr", "--max-new-tokens", "8")
    assert results["settings"]["judge"] == kind
    task = load_task(str(file), judge=kind)
    e = task.load("train")[0]
    assert task.score(e, answer).ok and task.accept(e, answer, "own").ok and not task.score(e, "three").ok
    assert "own: 0 of" in "\n".join(rejudge.judge_file(tmp_path / "out" / "attempts.jsonl"))


# ---------------------------------------------------------------- what bad input gets

@pytest.mark.parametrize("arguments, expected", [
    (["--task", "mbpp", "--judge", "code"], "has its own"),
    (["--task", "gsm8k", "--test", "nq"], "--test squad with --task nq"),
    (["--task", "squad"], "tiny-nq"),
    (["--task", "nq", "--test", "squad"], "one reading set"),
    (["--task", "nq", "--test", "mine.jsonl"], "reading set"),
    (["--task", "nq", "--all-asserts"], "about the prompts of mbpp"), (["--task", "alll"], "did you mean 'all'"),
    (["--task", "all", "--judge", "number"], "has its own"),
    (["--task", "nq", "--test-samples", "4"], "--test-temperature"),
    (["--task", "nq", "--test-samples", "0"], "at least 1"),
    (["--task", "mbpp", "--data", "EMPTY"], "mbpp.jsonl"), (["--task", "nq", "--data", "EMPTY"], "nq"),
    (["--task", "CODE", "--judge", "code"], "cannot be used"),
    (["--task", "SPAN", "--judge", "span"], "a text of the field 'golds' is no text but 3"),
])
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, capsys, arguments, expected):
    (tmp_path / "empty").mkdir()
    row = {"question": "q", "answer": "a"}
    for name, extra in (("code", {"test_list": ["assert f(1) = 2"]}), ("span", {"golds": [3]})):
        rows = [row | {"question": f"{n}"} | extra for n in range(5)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    files = {"EMPTY": tmp_path / "empty", "CODE": tmp_path / "code.jsonl", "SPAN": tmp_path / "span.jsonl"}
    code, err = run(tmp_path / "out", *[str(files.get(a, a)) for a in arguments], capsys=capsys)
    assert code == 2 and expected in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists(), err


def test_without_containment_a_code_task_stops_before_anything_is_sampled(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sandbox, "containment", lambda: (None, "made up"))
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)              # whatever this machine has
    monkeypatch.setattr(s3ft.model, "generate", lambda *a, **k: pytest.fail("sampled"))
    code, err = run(tmp_path / "out", "--task", "mbpp", capsys=capsys)
    assert code == 2
    assert "--unsafe-code" in err
    assert "bubblewrap" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_task_all_says_what_its_last_task_lacks_before_the_first_begins(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(s3ft.model, "load", lambda *a, **k: pytest.fail("begun"))
    shutil.copytree(TINY / "gsm8k", tmp_path / "gsm8k")
    code, err = run(tmp_path / "out", "--task", "all", "--data", str(tmp_path), capsys=capsys)
    assert code == 2 and "mbpp.jsonl" in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_task_all_goes_on_without_code_where_nothing_contains_programs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sandbox, "containment", lambda: (None, "this system has no name spaces"))
    compared = []
    monkeypatch.setattr(s3ft, "compare", lambda options, task: compared.append(options.task))
    assert guard(lambda: s3ft.main(["--task", "all", "--plan", "--out", str(tmp_path)])) == 0
    assert compared == ["gsm8k", "nq"]
    assert "mbpp is left out: nothing here contains generated code" in capsys.readouterr().out
    code, err = run(tmp_path, "--task", "mbpp", capsys=capsys)
    assert code == 2 and "nothing here contains generated code" in err


# ---------------------------------------------------------------- verdicts

class Programs:
    """A task whose verdicts are counted."""
    name, runs_code = "programs", True

    def __init__(self, rule="pass"):
        self.rule, self.count = rule, 0

    def score(self, example, text):
        self.count += 1
        return judge.Verdict(self.rule == "pass", self.rule, text, "made up", {"passed": 1})

    accept = lambda self, example, text, source: self.score(example, text)
    truth = lambda self, example: {"judge": "code", "tests": [example.question]}


def test_verdicts_on_programs_are_kept_by_program_and_tests(tmp_path):
    task, e = Programs(), Example("1", "t", "")
    first = verdicts.Verdicts(task, tmp_path).score(e, "a")
    later = verdicts.Verdicts(task, tmp_path)
    assert later.score(e, "a") == first and task.count == 1
    later.score(e, "b"), later.score(Example("1", "other test", ""), "a"), later.accept(e, "a", "own")
    assert task.count == 4


def test_an_edited_judge_gives_new_verdicts_on_programs(tmp_path, monkeypatch):
    task, e = Programs(), Example("1", "t", "")
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    monkeypatch.setattr(verdicts, "code_of", lambda *_: "another")
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    assert task.count == 2


def test_a_judge_that_is_edited_during_a_run_is_not_the_one_that_judges(tmp_path, monkeypatch):
    task, e = Programs(), Example("1", "t", "")
    running = verdicts.Verdicts(task, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "code_of", lambda *_: "edited")
        running.score(e, "a")
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    assert task.count == 1, "it was judged by the code of the run's start, and is known by that"


def test_an_edited_task_gives_new_verdicts_on_programs(tmp_path, monkeypatch):
    task, e = Programs(), Example("1", "t", "")
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    real = verdicts.code_of
    for edited in (sys.modules[__name__], Path(sandbox.__file__).with_name("asserts.py")):
        monkeypatch.setattr(verdicts, "code_of", lambda part: "edited" if part == edited else real(part))
        verdicts.Verdicts(task, tmp_path).score(e, "a")
    assert task.count == 3, "the task's own file, and any file that judge.py leans on"


def test_trouble_of_the_harness_stops_the_run_and_is_never_a_wrong_answer(tmp_path):
    with pytest.raises(UserError, match="give the same command again"):
        verdicts.Verdicts(Programs("harness"), tmp_path).score(Example("1", "t", ""), "a")
    assert not (tmp_path / "verdicts" / "rows.jsonl").exists()


def test_damaged_verdicts_are_made_again(tmp_path):
    task, e = Programs(), Example("1", "t", "")
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    path = tmp_path / "verdicts" / "rows.jsonl"
    path.write_text(path.read_text()[:-9])
    assert verdicts.Verdicts(task, tmp_path).score(e, "a").ok and task.count == 2
    verdicts.Verdicts(task, tmp_path).score(e, "a")
    assert task.count == 2, "a line after a torn one is read"


# ---------------------------------------------------------------- figures

def test_pass_at_k_is_the_unbiased_estimator():
    ids, right = ["a"] * 4 + ["b"] * 4, [1, 0, 0, 0, 1, 1, 1, 1]
    row = scores.split_row(ids, right)
    assert row["right"] == [0.25, 1.0] and row["accuracy"] == pytest.approx(0.625)
    # a: 1 - C(3,2)/C(4,2) = 1/2
    assert row["pass_at"] == {"1": pytest.approx(0.625), "2": pytest.approx((0.5 + 1) / 2), "4": 1.0}


def test_one_answer_to_an_item_is_a_row_of_bits():
    assert scores.split_row(["a", "b", "c"], [True, False, True]) == {"right": "101", "accuracy": pytest.approx(2 / 3)}


def made_up(task, accuracy, drops, sources):
    cells = []
    for method, lr in (("base", None), ("sft", 1e-3), ("s3ft", 1e-3)):
        n = 80 - round(100 * drops.get(method, 0))
        cells.append({"method": method, "lr": lr, "seed": 0,
                      "test": {"accuracy": accuracy[method], "right": "1", "ids": "t"},
                      "sources": sources if method == "s3ft" else {"gold": 10},
                      "benchmarks": {"facts": {"accuracy": n / 100, "right": "1" * n + "0" * (100 - n),
                                               "ids": "b", "kind": "choice", "chance": 0.25}}})
    return {"task": task, "task_name": task.removeprefix("tiny-"), "model": "made up", "notes": ["a note"],
            "cells": cells,
            "settings": {"methods": ["sft", "s3ft"], "lr": [1e-3], "seeds": [0]}}


def test_the_papers_three_tables_hold_our_figures_beside_the_papers():
    gsm8k = made_up("tiny-gsm8k", {"base": 0.5, "sft": 0.61, "s3ft": 0.72}, {"sft": 0.04, "s3ft": 0.01},
                    {"own": 5, "paraphrase": 3, "gold": 2})
    mbpp = made_up("mbpp", {"base": 0.21, "sft": 0.32, "s3ft": 0.43}, {"sft": 0.02},
                   {"own": 1, "paraphrase": 1, "gold": 2})
    text = paper.three_tables([gsm8k, mbpp])
    rows = [line.split() for line in text.splitlines()]
    assert ["base", "50.0", "40.3", "21.0", "22.2"] in rows and ["S3FT", "72.0", "56.9", "43.0", "39.4"] in rows
    assert ["tiny-gsm8k", "S3FT", "50.0", "30.0", "20.0", "49.5", "/", "42.1", "/", "8.4"] in rows
    assert "tiny-gsm8k: made up, 1 test items, 1 seed; intervals stand in its own table; a note" in text
    assert ["nothing", "base", "80.0", "-"] in rows
    assert ["tiny-gsm8k", "SFT", "76.0", "+4.0"] in rows
    assert ["mbpp", "S3FT", "80.0", "+0.0"] in rows


def test_tables_of_runs_of_which_one_has_no_benchmarks():
    runs = [made_up("gsm8k", {"base": 0.5, "sft": 0.6, "s3ft": 0.7}, {}, {"own": 1}),
            made_up("nq", {"base": 0.5, "sft": 0.6, "s3ft": 0.7}, {}, {"own": 1})]
    for cell in runs[0]["cells"]:
        cell["benchmarks"] = {}
    for order in (runs, runs[::-1]):
        rows = [line.split() for line in paper.three_tables(order).splitlines()]
        assert ["nq", "SFT", "80.0", "+0.0"] in rows and ["gsm8k", "SFT", "-", "-"] in rows
