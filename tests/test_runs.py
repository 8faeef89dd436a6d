"""The command: the run folder, resume, edits that take effect, and what bad input gets. On the bundled model, small."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import judge
import model
import s3ft
from data import TINY, UserError, cli, files
from data.benchmarks import multiple_choice
from data.checkpoints import chat, device
from data.cli.ending import guard, interrupted_at_start
from data.report import intervals, rates, table
from data.run import plan, training
from data.run import run as runs
from data.run.store import Store
from data.run.weights import code_of_function
from data.checkpoints.chat import Tokenizer

ROOT = Path(s3ft.__file__).parent
SMALL = ["--task", "gsm8k", "--limit", "10", "--test-limit", "4", "--benchmark-limit", "2",
         "--epochs", "1", "--batch", "3",                   # 4 steps
         "--max-new-tokens", "52",                          # of the ten own answers nine end before that
         "--benchmarks", "facts,referents"]   # tests/test_added_benchmarks.py measures the rest
SFT, S3FT = "sft-lr0.0003-e1-s0", "s3ft-lr0.0003-e1-s0"     # the cells of such a run
ADAPTERS = ["--lora", "4", "--lora-dropout", "0.1", "--lr", "0.01", "--methods", "s3ft", "--epochs", "2",
            "--keep", "last"]
ADAPTED = "s3ft-lr0.01-lora4-e2-s0"
TRY_SPEED = plan.try_speed


@pytest.fixture(autouse=True, scope="module")
def quick_plan():
    """The plan's speeds are made up, but in the tests of --plan: trying them takes longer than these small runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3})
        yield


def run(out, *more, capsys=None):
    """Run the command in this process -> results.json, or (exit code, what stood on stderr) with capsys."""
    few = SMALL if "--model" not in more else SMALL[:-2]                     # the four belong to the bundled model
    code = guard(lambda: s3ft.main([*few, "--out", str(out), *more]))
    if capsys:
        return code, capsys.readouterr().err.strip()
    assert code == 0
    return json.loads((out / "results.json").read_text())


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "times"}
    return [without_times(v) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return out, run(out)


def copy_of(finished, tmp_path, without=()):
    """The run folder once more, as if these cells were still to be made."""
    names = [pattern for name in without for pattern in (name, f"{name}-????????")]
    shutil.copytree(finished[0], tmp_path / "run", ignore=shutil.ignore_patterns(*names))
    return tmp_path / "run"


def model_of(out, cell):
    """The folder of a cell's model; of the base model for "base"."""
    [folder] = (out / "models").glob(f"{cell}-????????")
    return folder


def times(out):
    """When the rows and weights of a run were written."""
    return {path: path.stat().st_mtime_ns for path in (out / "models").rglob("*") if path.is_file()}


# ---------------------------------------------------------------- artifacts

def test_run_leaves_every_artifact(finished):
    out, results = finished
    for name in ("attempts.jsonl", "targets-sft.jsonl", "targets-s3ft.jsonl", "verdicts.jsonl", "results.json",
                 "run.json"):
        assert (out / name).stat().st_size > 0, name
    assert [c["method"] for c in results["cells"]] == ["base", "sft", "s3ft"]
    attempts = [json.loads(line) for line in (out / "attempts.jsonl").read_text().splitlines()]
    fields = {"id", "source", "sample", "prompt_ids", "ids", "text", "finish_reason", "logprob", "gold"}
    assert fields <= set(attempts[0])
    target = json.loads((out / "targets-s3ft.jsonl").read_text().splitlines()[0])
    assert target["prompt"][0]["role"] == "user" and target["completion"][0]["role"] == "assistant"
    assert all(set(c["sources"]) <= {"own", "paraphrase", "gold"} for c in results["cells"] if c["method"] != "base")


def test_targets_hold_the_ids_that_were_sampled(finished):
    out, _ = finished
    lines = (out / "attempts.jsonl").read_text().splitlines()
    attempts = {(a["id"], a["source"]): a["ids"] for a in map(json.loads, lines)}
    sampled = 0
    for t in map(json.loads, (out / "targets-s3ft.jsonl").read_text().splitlines()):
        if t["source"] != "gold":
            assert t["ids"][:-1] == attempts[t["id"], t["source"]]
            sampled += 1
    assert sampled > 0


def test_no_path_of_this_machine_in_results(finished):
    out, results = finished
    assert str(Path.home()) not in json.dumps(results) and str(ROOT) not in json.dumps(results)


def test_results_json_alone_rebuilds_the_table(finished, capsys):
    out, results = finished
    run(out)
    printed = capsys.readouterr().out
    rebuilt = table.final_table(json.loads((out / "results.json").read_text()))
    assert rebuilt in printed


def test_attempts_can_be_judged_again_by_judge_py(finished):
    command = [sys.executable, ROOT / "judge.py", finished[0] / "attempts.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "own" in done.stdout, done.stderr


# ---------------------------------------------------------------- resume and edits

def test_second_run_does_nothing_again_and_says_the_same(finished, tmp_path, monkeypatch):
    out = copy_of(finished, tmp_path)
    monkeypatch.setattr(s3ft.model, "load", lambda *a, **k: pytest.fail("a finished run needs no weights"))
    assert without_times(run(out)) == without_times(finished[1])


def test_a_method_is_added_without_repeating_a_cell(finished, tmp_path, capsys):
    out = copy_of(finished, tmp_path)
    before = times(out)
    results = run(out, "--methods", "sft,sdft,s3ft")
    assert [c["method"] for c in results["cells"]] == ["base", "sft", "sdft", "s3ft"]
    after = times(out)
    touched = {path.parent.name for path in before if after[path] != before[path]}
    assert touched <= {model_of(out, "base").name}, "a finished model was made again"
    said = capsys.readouterr().out
    assert "again" not in said


def test_a_row_of_methods_added_by_a_student_works(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(s3ft.METHODS, "only_own", ("own",))
    results = run(copy_of(finished, tmp_path), "--methods", "only_own")
    cell = results["cells"][1]
    assert set(cell["sources"]) == {"own"} and cell["dropped"] == 10 - cell["sources"]["own"] > 0


def test_an_edited_judge_changes_targets_and_cells(finished, tmp_path, monkeypatch, capsys):
    out = copy_of(finished, tmp_path)
    refused = judge.Verdict(False, "strict", None, "refuses all")
    monkeypatch.setattr(judge, "target_number", lambda text, gold, source="own", question="": refused)
    results = run(out)
    said = capsys.readouterr().out
    assert results["cells"][2]["sources"] == {"gold": 10}
    again = [line for line in said.splitlines() if "again" in line]
    assert again and all(line.startswith(S3FT) and "because the targets changed" in line for line in again)


def test_an_edited_judge_changes_the_scores_of_finished_cells(finished, tmp_path, monkeypatch, capsys):
    out = copy_of(finished, tmp_path)
    accepted = judge.Verdict(True, "kind", None, "accepts all")
    monkeypatch.setattr(judge, "number", lambda text, gold, check_steps=False: accepted)
    results = run(out, "--methods", "sft")
    before = [c["test"]["accuracy"] for c in finished[1]["cells"][:2]]
    assert [c["test"]["accuracy"] for c in results["cells"]] == [1.0, 1.0] != before
    said = capsys.readouterr().out
    assert "again" not in said


def test_an_edited_prompt_samples_again_and_says_why(finished, tmp_path, monkeypatch, capsys):
    from data.tasks import gsm8k
    monkeypatch.setattr(gsm8k.GSM8K, "instruction", "")
    run(copy_of(finished, tmp_path), "--methods", "sft", "--limit", "3", "--benchmarks", "none")
    said = capsys.readouterr().out
    assert "base: test: 4 of 4 are made again, because the prompts changed" in said
    assert "settings" not in said.split("made again")[1].split("\n")[0], "only what changed is given as the reason"


def test_code_digest_follows_what_a_function_uses_and_ignores_comments(tmp_path):
    source = ('A = 1\ndef helper(x):\n    return x + A\ndef f(x):\n    """Doc."""\n    return helper(x)\n'
              'def g(x):\n    return x\n')
    path = tmp_path / "code.py"
    digests = []
    for text in (source, source.replace("return helper", "# why\n    return helper").replace("Doc", "Other"),
                 source.replace("A = 1", "A = 2"),
                 source.replace("def g(x):\n    return x", "def g(x):\n    return -x")):
        path.write_text(text)
        digests.append(files.code_of(path, "f"))
    assert digests[0] == digests[1] == digests[3] != digests[2]


@pytest.mark.parametrize("before", [
    "A: int = 1", "B, A = 0, 1", "A = 0\nA += 1", "A = {}\nA[0] = 1", "if True:\n    A = 1",
    "def f(x):\n    return x * 1\nf = print or f", "from time import time as A1, time as A", "print(1)",
])
def test_code_digest_sees_every_way_in_which_a_name_gets_its_value(tmp_path, before):
    after = before.replace("1", "2") if "time" not in before else before.replace("time import time", "math import pi")
    digests = []
    for text in (before, after):
        (tmp_path / "code.py").write_text(f"def f(x):\n    return x + A\n{text}\n")
        digests.append(files.code_of(tmp_path / "code.py", "f"))
    assert digests[0] != digests[1]


def test_code_digest_leaves_out_what_runs_only_as_a_program(tmp_path):
    digests = []
    for number in (1, 2):
        (tmp_path / "code.py").write_text(f"def f(x):\n    return x\nif __name__ == '__main__':\n    print({number})\n")
        digests.append(files.code_of(tmp_path / "code.py", "f"))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("function", [s3ft.answers, s3ft.divergence, multiple_choice.score_options])
def test_rows_depend_on_the_code_of_the_function_that_makes_them(function):
    path = Path(sys.modules[function.__module__].__file__)
    code = code_of_function(function)
    assert code == files.code_of(path, function.__name__) != files.code_of(path, "no such function")


def test_a_second_seed_keeps_the_first(finished, tmp_path):
    out = copy_of(finished, tmp_path)
    before = times(out)
    results = run(out, "--seeds", "2", "--methods", "sft", "--benchmarks", "none")
    assert [c["seed"] for c in results["cells"]] == [0, 0, 1, 1]
    changed = {path for path, at in times(out).items() if before.get(path, at) != at}
    assert changed <= {model_of(out, "base") / "rows.jsonl"}
    assert results["cells"][0]["test"]["ids"] != results["cells"][2]["test"]["ids"], "a seed draws its own test items"


DIES = """
import os
import signal
import sys

import s3ft
from data.run import plan, training


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


plan.try_speed = lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3}
training.Journal.step = killed
s3ft.main(sys.argv[1:])
"""


def test_killed_and_repeated_run_equals_an_undisturbed_one(finished, tmp_path):
    out = copy_of(finished, tmp_path, without=[S3FT, "results.json"])
    command = [sys.executable, "-c", DIES, *SMALL, "--out", str(out)]        # dies in S3FT's training, after a step
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not (model_of(out, S3FT) / "weights.json").exists() and not (out / "results.json").exists()
    assert without_times(run(out)) == without_times(finished[1])


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "guard takes over"
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(s3ft, "answers", interrupted)
    before = signal.signal(signal.SIGINT, interrupted_at_start)               # as it is where s3ft.py starts
    try:
        code, err = run(tmp_path / "run", capsys=capsys)
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130 and "the same command goes on" in err and len(err.splitlines()) == 1


def test_full_disk_is_one_line_and_keeps_what_is_finished(finished, tmp_path, monkeypatch, capsys):
    out = copy_of(finished, tmp_path)
    import errno

    def full(self, chunk):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
    before = times(out)
    monkeypatch.setattr(Store, "append", full)
    code, err = run(out, "--methods", "ssr", capsys=capsys)
    assert code == 2 and "make room" in err.splitlines()[-1]
    after = times(out)
    assert all(after[path] == at for path, at in before.items()), "what was finished is whole"


# ---------------------------------------------------------------- several rates

def test_rate_is_the_smallest_within_one_standard_error_on_validation():
    def cell(method, lr, accuracy, seed):
        n = round(100 * accuracy)
        validation = {"accuracy": accuracy, "right": "1" * n + "0" * (100 - n), "ids": "v"}
        return {"method": method, "lr": lr, "seed": seed, "validation": validation}
    results = {"settings": {"methods": ["sft"], "seeds": [0], "lr": [1e-4, 3e-4, 1e-3]},
               "cells": [cell("sft", lr, at, 0) for lr, at in ((1e-4, 0.50), (3e-4, 0.56), (1e-3, 0.60))]}
    assert rates.chosen_rates(results) == {"sft": 3e-4}, "4 points below, and one standard error over 100 items is 4.9"
    for c in list(results["cells"]):
        results["cells"] += [cell("sft", c["lr"], c["validation"]["accuracy"], s) for s in range(1, 9)]
    why = "nine seeds that are validated on the same 100 items have no smaller error for it"
    assert rates.chosen_rates(results) == {"sft": 3e-4}, why


def test_one_of_several_rates_is_not_trained_again(tmp_path, monkeypatch):
    few = ["--methods", "sft", "--validation-limit", "1", "--limit", "3", "--keep", "none", "--test-limit", "2",
           "--max-new-tokens", "16", "--benchmarks", "none"]
    both = run(tmp_path / "run", *few, "--lr", "1e-4", "3e-4")
    monkeypatch.setattr(s3ft, "finetune", lambda *_, **__: pytest.fail("trained again"))
    alone = run(tmp_path / "run", *few, "--lr", "3e-4")
    assert alone["cells"][1]["test"] == both["cells"][2]["test"] and "validation" not in alone["cells"][1]
    assert without_times(run(tmp_path / "run", *few, "--lr", "1e-4", "3e-4")) == without_times(both)


def test_intervals_agree_with_known_values():
    assert intervals.wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    assert intervals.t_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.484), abs=1e-3)
    low, high = intervals.bootstrap([[1.0] * 60 + [-1.0] * 40], [1])
    assert low == pytest.approx(0.2 - 1.96 * 0.098, abs=0.01) and high == pytest.approx(0.2 + 1.96 * 0.098, abs=0.01)


# ---------------------------------------------------------------- bad input: one line, exit code 2, nothing written

GOOD = {"question": "One and one?", "answer": "1+1 = <<1+1=2>>2\n#### 2"}


def data_folder(tmp_path, lines, test=(GOOD,)):
    folder = tmp_path / "data" / "gsm8k"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    (folder / "test.jsonl").write_text("".join(json.dumps(x) + "\n" for x in test))
    return str(tmp_path / "data")


@pytest.mark.parametrize("arguments, expected", [
    (["--task", "gsm8"], "did you mean 'gsm8k'"),
    (["--methods", "s3f"], "did you mean 's3ft'"),
    (["--methods", ","], "--methods is empty"),
    (["--lr", "0"], "above 0"), (["--lr", "nan"], "above 0"), (["--lr", "-0.1"], "above 0"),
    (["--lr", "fast"], "above 0"),
    (["--epochs", "0"], "at least 1"), (["--limit", "-3"], "at least 1"), (["--seeds", "0"], "at least 1"),
    (["--batch", "x"], "at least 1"),
    (["--test-limit", "1.5"], "at least 1"), (["--temperature", "-1"], "at least 0.01"),
    (["--temperature", "inf"], "at least 0.01"),
    (["--samples", "2"], "add --temperature"),
    (["--plan", "--fresh"], "leave one out"), (["--html", "no/such/page.html"], "its folder is not there"),
    (["--html", "tests"], "is a folder; name a file in it"), (["--first-seed", str(2**64)], "must be a whole number"),
    (["--lr", "1e-3", "1.0000001e-3"], "equal in their first six digits"),
    (["--dtype", "float16", "--lora", "4"], "small gradients vanish"),
    (["--device", "abacus"], "abacus"), (["--device", "cuda:99"], "cuda:99"),
    (["--model", "no/such/folder"], "no/such/folder"),
    (["--data", "no/such/folder"], "no/such/folder"),
    (["--bogus"], "--bogus"),
])
def test_bad_option(tmp_path, capsys, arguments, expected):
    code, err = run(tmp_path / "out", *arguments, capsys=capsys)
    assert code == 2 and expected in err and len(err.splitlines()) == 1, err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lines, expected", [
    ([GOOD, "{no json"], "train.jsonl, line 2: is no JSON"),
    ([GOOD, {"question": "x"}], "line 2: lacks the text field 'answer'"),
    (["[1, 2]"], "line 1: is a JSON list"),
    ([], "is empty"),
    ([GOOD | {"id": "a"}, GOOD | {"id": "a"}], "line 2: id 'a' stands in line 1 too"),
    ([{"question": "Who?", "answer": "nobody"}], "line 1: the answer has no number"),
])
def test_bad_data_names_file_and_line(tmp_path, capsys, lines, expected):
    code, err = run(tmp_path / "out", "--data", data_folder(tmp_path, lines), capsys=capsys)
    assert code == 2 and expected in err and len(err.splitlines()) == 1, err
    assert not (tmp_path / "out").exists()


def test_missing_task_is_asked_for(capsys):
    assert guard(lambda: s3ft.main([])) == 2 and "--task" in capsys.readouterr().err


def test_out_that_is_a_file_or_holds_something_else(finished, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    for name, expected in (("file", "is a file"), ("full", "holds other things")):
        code, err = run(tmp_path / name, capsys=capsys)
        assert code == 2 and expected in err and len(err.splitlines()) == 1
    assert (tmp_path / "full" / "thesis.tex").read_text() == "x"
    code, err = run(finished[0], "--data", data_folder(tmp_path, [GOOD] * 3), capsys=capsys)
    assert code == 2 and "another data" in err


def test_a_folder_left_by_a_kill_at_the_start_is_used(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").touch()
    (tmp_path / "run" / "run.json.tmp17").write_text("{")
    assert run(tmp_path / "run", "--methods", "base")["cells"]


def test_fresh_starts_again_in_the_same_folder_and_two_runs_with_one_seed_are_equal(finished, tmp_path, monkeypatch):
    out = copy_of(finished, tmp_path)
    before = times(out)
    sampled = []
    real = s3ft.answers

    def answers(lm, tokenizer, task, jobs, *more, **settings):
        sampled.extend(job for job in jobs if job.kind != "answer")
        return real(lm, tokenizer, task, jobs, *more, **settings)
    monkeypatch.setattr(s3ft, "answers", answers)
    base, _, tuned = finished[1]["cells"]
    (out / "notes.txt").write_text("mine")
    (out / "results.json.bak").write_text("mine too")
    results = run(out, "--fresh", "--methods", "s3ft")                       # a second cell would show no more
    assert (out / "notes.txt").exists() and (out / "results.json.bak").exists(), "what no run wrote is deleted"
    assert without_times(results["cells"]) == without_times([base, tuned])
    after = times(out)
    assert not (out / SFT).exists() and all(after.get(path) != at for path, at in before.items())
    assert len(sampled) == len((out / "attempts.jsonl").read_text().splitlines()), "an attempt was kept"


def test_unwritable_out(tmp_path, capsys):
    code, err = run(Path("/proc/nothing/out"), capsys=capsys)
    assert code == 2 and "cannot be written" in err and len(err.splitlines()) == 1


def test_a_broken_model_folder_is_named(tmp_path, capsys):
    folder = model_copy(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    code, err = run(tmp_path / "out", "--model", str(folder), "--data", str(TINY), capsys=capsys)
    assert code == 2 and "model.safetensors" in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()
    (folder / "tokenizer.json").write_text("{}")
    code, err = run(tmp_path / "out", "--model", str(folder), "--data", str(TINY), capsys=capsys)
    assert code == 2 and "tokenizer.json" in err
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    code, err = run(tmp_path / "out", "--model", str(folder), "--data", str(TINY), capsys=capsys)
    assert code == 2 and "gpt2" in err


# ---------------------------------------------------------------- looking

def test_plan_of_a_lora_run_tries_adapters_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "try_speed", TRY_SPEED)
    few = [*SMALL, "--limit", "2", "--lora", "4"]
    code = guard(lambda: s3ft.main([*few, "--out", str(tmp_path / "out"), "--plan"]))
    out = capsys.readouterr().out
    assert code == 0 and "LoRA of rank 4 (alpha 8, dropout 0)" in out and not (tmp_path / "out").exists()


def test_speeds_are_tried_on_the_end_of_a_prompt_that_does_not_fit(tmp_path, monkeypatch, capsys):
    def fits(lm, prompts, n):
        assert 900 < max(map(len, prompts)) <= lm.config.max_position_embeddings - n
        return [model.Completion([1] * n) for _ in prompts]
    monkeypatch.setattr(plan, "try_speed", TRY_SPEED)
    monkeypatch.setattr(model, "generate", fits)
    monkeypatch.setattr(model, "loglikelihood", lambda lm, prompts, answers: fits(lm, prompts, 1))
    for name, times in (("train", 1), ("test", 400)):
        rows = [{"question": f"{name}: what is {n} + 1? " * times, "answer": str(n + 1)} for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--task", str(tmp_path / "train.jsonl"), "--test", str(tmp_path / "test.jsonl")]
    few = ["--judge", "number", "--methods", "base", "--benchmarks", "none"]
    assert guard(lambda: s3ft.main([*files, *few, "--plan", "--out", str(tmp_path / "run")])) == 0
    assert "plan: about" in capsys.readouterr().out


def test_a_plan_whose_trial_does_not_fit_goes_on_with_fewer_rows(tmp_path, monkeypatch, capsys):
    tried = []

    def step(lm, cache, length):
        tried.append(cache.size(2))
        if cache.size(2) > 100:
            raise torch.OutOfMemoryError
        return 0.1
    monkeypatch.setattr(plan, "try_speed", TRY_SPEED)
    monkeypatch.setattr(plan, "seconds_a_step", step)
    code = guard(lambda: s3ft.main([*SMALL, "--limit", "2", "--out", str(tmp_path / "out"), "--plan"]))
    assert code == 0 and tried == [256, 128, 64, 8] and "plan: about" in capsys.readouterr().out


def test_plan_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "try_speed", TRY_SPEED)
    code = guard(lambda: s3ft.main([*SMALL, "--limit", "2", "--out", str(tmp_path / "out"), "--plan"]))
    out = capsys.readouterr().out
    assert code == 0 and "tiny-gsm8k" in out and "memory" in out and not (tmp_path / "out").exists()


def test_show_prints_question_to_target(finished, tmp_path, capsys):
    run(copy_of(finished, tmp_path), "--show", "2")
    out = capsys.readouterr().out
    for word in ("question:", "own:", "gold:", "accepted", "s3ft trains on", "=== test"):
        assert word in out, word


def test_ask_talks_to_a_kept_cell(finished, capsys):
    question = "Ben has 3 coins and finds 4 more. How many coins?"
    code = guard(lambda: s3ft.main(["--ask", question, "--model", str(model_of(finished[0], SFT))]))
    assert code == 0 and capsys.readouterr().out.strip()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        s3ft.main(["--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "examples" in out and "--methods" in out


# ---------------------------------------------------------------- a damaged folder, odd data: mended or one line

@pytest.mark.parametrize("cell, name, damage", [
    ("base", "rows.jsonl", lambda text: text[:-200]),
    ("base", "rows.jsonl", lambda text: "[]\n" + text.replace("answer", "ansver", 1)),
    (SFT, "rows.jsonl", lambda text: ""), (SFT, "weights.json", lambda text: "{\"key\": null}"),
    (SFT, "model.safetensors", lambda text: "x")])
def test_damaged_file_is_made_again(finished, tmp_path, cell, name, damage):
    out = copy_of(finished, tmp_path)
    path = model_of(out, cell) / name
    damaged = damage(path.read_text(errors="replace"))
    path.write_text(damaged)
    assert without_times(run(out, "--methods", "sft,s3ft")) == without_times(finished[1])
    assert path.read_text(errors="replace") != damaged


def test_a_lost_record_of_weights_that_were_not_kept_is_made_again(finished, tmp_path):
    out = copy_of(finished, tmp_path)
    folder = model_of(out, SFT)
    (folder / "model.safetensors").unlink()
    (folder / "weights.json").write_text("")                 # as a power cut may leave it
    assert without_times(run(out, "--methods", "sft,s3ft", "--keep", "none")) == without_times(finished[1])


def test_what_a_kill_left_half_written_goes_with_the_next_cell(finished, tmp_path):
    out = copy_of(finished, tmp_path)
    left = model_of(out, SFT) / "state.safetensors.tmp4711"
    left.write_text("half")
    run(out)
    assert not left.exists()


def test_damaged_files_that_nothing_is_made_from_change_nothing(finished, tmp_path):
    out = copy_of(finished, tmp_path)
    for name in ("targets-sft.jsonl", "results.json", "attempts.jsonl", "verdicts.jsonl", "items.jsonl",
                 "base-s0/answers.jsonl"):
        (out / name).write_text("x\n5")
    assert without_times(run(out, "--methods", "sft,s3ft")) == without_times(finished[1])


def test_damaged_run_json_is_one_line(finished, tmp_path, capsys):
    out = copy_of(finished, tmp_path)
    (out / "run.json").write_text("[]")
    code, err = run(out, capsys=capsys)
    assert code == 2 and "damaged" in err and len(err.splitlines()) == 1


def test_a_folder_in_use_is_refused_even_with_fresh(finished, tmp_path, capsys):
    import fcntl
    out = copy_of(finished, tmp_path)
    with open(out / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, err = run(out, "--fresh", capsys=capsys)
    assert code == 2 and "in use" in err and (model_of(out, "base") / "rows.jsonl").exists()


def test_ids_that_train_and_test_share_do_not_mix_their_golds(tmp_path):
    def results(name, ids):
        folder = tmp_path / name / "gsm8k"
        folder.mkdir(parents=True)
        for split in ("train", "test"):
            lines = [json.loads(x) for x in (TINY / "gsm8k" / f"{split}.jsonl").read_text().splitlines()[:12]]
            rows = [x | {"id": ids(split, i)} for i, x in enumerate(lines)]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        made = run(tmp_path / f"out-{name}", "--data", str(tmp_path / name), "--methods", "base")
        return made["cells"][0]["test"]["right"]
    same, unique = results("same", lambda split, i: str(i)), results("unique", lambda split, i: f"{split} {i}")
    assert same == unique and "1" in same


@pytest.mark.parametrize("gold", ["#### 3:30", "#### abc2", "#### 5/0", "#### ٧", "x = 5\n####", "#### 1e5"])
def test_a_gold_that_the_judge_can_not_read_is_named(tmp_path, capsys, gold):
    data = data_folder(tmp_path, [GOOD, GOOD | {"answer": f"1+1=2\n{gold}"}])
    code, err = run(tmp_path / "out", "--data", data, capsys=capsys)
    assert code == 2 and "line 2: the answer has no number" in err and not (tmp_path / "out").exists()


def test_odd_characters_bom_and_crlf_are_read(tmp_path):
    odd = [GOOD | {"question": f"One\u2028and one\u0085 make? {i}"} for i in range(3)]
    folder = data_folder(tmp_path, odd, test=odd)
    train = tmp_path / "data" / "gsm8k" / "train.jsonl"
    train.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(json.dumps(x, ensure_ascii=False) for x in odd).encode())
    first = run(tmp_path / "out", "--data", folder, "--methods", "sft")
    assert without_times(run(tmp_path / "out", "--data", folder, "--methods", "sft")) == without_times(first)


def test_several_rates_without_validation_are_refused_before_anything_is_done(tmp_path, capsys):
    code, err = run(tmp_path / "out", "--data", data_folder(tmp_path, [GOOD]), "--lr", "1e-4", "1e-3", capsys=capsys)
    assert code == 2 and "validation" in err and not (tmp_path / "out").exists()
    code, err = run(tmp_path / "out", "--lr", "1e-4", "1e-3", "--validation-limit", "0", capsys=capsys)
    assert code == 2 and "--validation-limit 0 leaves out" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("row, expected", [
    (("onw", "gold"), "did you mean 'own'"), (("gold"), "tuple of sources"), ((), "tuple of sources")])
def test_a_bad_row_of_methods_is_one_line(tmp_path, capsys, monkeypatch, row, expected):
    monkeypatch.setitem(s3ft.METHODS, "own_row", row)
    code, err = run(tmp_path / "out", "--methods", "own_row", capsys=capsys)
    assert code == 2 and expected in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()


def model_copy(tmp_path):
    """A folder with the bundled model, which then counts as anybody's."""
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("gsm8k", "benchmarks", "*.py"))
    return folder


def test_a_chat_template_that_cannot_be_trained_on_is_refused_before_anything_is_written(tmp_path, capsys):
    folder = model_copy(tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for template, expected in ((5, "no text"), ("{{ messages[0]['content'] + 5 }}", "refuses"),
                               ("hello", "leaves the question out"), ("{% if %}", "does not compile"),
                               ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "refuses")):
        (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
        code, err = run(tmp_path / "out", "--model", str(folder), "--data", str(TINY), capsys=capsys)
        assert code == 2 and expected in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists(), err


def test_a_model_without_chat_template_is_asked_in_the_plain_format(tmp_path, capsys):
    folder = model_copy(tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    few = ["--methods", "sft", "--max-new-tokens", "24"]
    code, err = run(tmp_path / "out", "--model", str(folder), "--data", str(TINY), *few, capsys=capsys)
    assert code == 0 and err.count("no chat template") == 1
    row = json.loads((tmp_path / "out" / "targets-sft.jsonl").read_text().split("\n")[0])
    text = Tokenizer(folder).bpe.decode(row["prompt_ids"] + row["ids"], skip_special_tokens=False)
    assert text.startswith("Question: ") and "\n\nAnswer: " in text and text.endswith("<|im_end|>")


# ---------------------------------------------------------------- LoRA, the user's own data, memory

@pytest.fixture(scope="module")
def adapted(finished, tmp_path_factory):
    out = copy_of(finished, tmp_path_factory.mktemp("lora"), without=[SFT, S3FT])         # with the base model's rows
    return out, run(out, *ADAPTERS)


def test_a_lora_run_keeps_adapters_and_leaves_the_base_model_alone(adapted, finished):
    out, results = adapted
    cell = model_of(out, ADAPTED)
    assert (cell / "adapter_model.safetensors").is_file() and (cell / "merged" / "model.safetensors").is_file()
    assert (cell / "tokenizer.json").read_bytes() == (TINY / "tokenizer.json").read_bytes()     # for AutoTokenizer
    base, tuned = results["cells"]
    assert base["test"] == finished[1]["cells"][0]["test"] and 0 < tuned["kl"] < 5
    assert results["settings"]["lora"] == 4 and results["settings"]["lora_targets"] == list(model.LINEAR)
    adapter, _ = model.load(cell, "cpu", torch.float32)
    merged, _ = model.load(cell / "merged", "cpu", torch.float32)
    ids = torch.arange(40)[None]
    assert (adapter(ids) - merged(ids)).abs().max() < 0.1 * adapter(ids).std()      # merged weights are stored in bf16
    base, _ = model.load(TINY, "cpu", torch.float32)
    assert (adapter(ids) - base(ids)).abs().max() > 0.1


def test_an_adapter_can_be_tuned_further_and_is_then_kept_merged(adapted, tmp_path, capsys):
    first = model_of(adapted[0], ADAPTED)
    few = ["--methods", "sft", "--limit", "3", "--max-new-tokens", "24"]
    results = run(tmp_path / "out", "--model", str(first), "--data", str(TINY), "--lora", "2", "--lr", "0.003", *few)
    cell = model_of(tmp_path / "out", "sft-lr0.003-lora2-e1-s0")
    model.load(cell / "merged", "cpu")
    capsys.readouterr()
    assert guard(lambda: s3ft.main(["--ask", "What is 2 + 3?", "--model", str(cell)])) == 2
    assert "open" in (err := capsys.readouterr().err) and "merged" in err and len(err.splitlines()) == 1
    assert results["cells"][1]["kl"] > 0


def test_training_that_breaks_down_is_one_line(finished, tmp_path, capsys):
    code, err = run(copy_of(finished, tmp_path), "--lr", "1e30", "--methods", "sft", "--epochs", "3", capsys=capsys)
    assert code == 2 and "not finite" in err.splitlines()[-1] and "--lr" in err


def test_fresh_forgets_a_half_made_cell(finished, tmp_path, monkeypatch, capsys):
    out = copy_of(finished, tmp_path, without=[SFT])
    monkeypatch.setattr(training, "WORTH", -1)

    def killed(*_):
        raise KeyboardInterrupt

    def killed_before_it_trains(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(s3ft, "divergence", killed)
    assert run(out, "--methods", "sft", capsys=capsys)[0] == 130
    assert (model_of(out, SFT) / "state.safetensors").is_file()
    monkeypatch.setattr(s3ft, "finetune", killed_before_it_trains)
    code, err = run(out, "--methods", "sft", "--fresh", capsys=capsys)
    assert code == 130 and "going on" not in err and not (model_of(out, SFT) / "state.safetensors").exists()


def test_tokens_stand_side_by_side_and_on_a_page_that_needs_nothing_else(finished, tmp_path, capsys):
    page = tmp_path / "tokens.html"
    out = copy_of(finished, tmp_path)
    run(out, "--show", "1", "--html", str(page))
    said = capsys.readouterr().out
    tokens = re.findall(r"(\d\.\d\d) ([* ]) +\d+ ['\"]", said[said.index("probability under the base model"):])
    assert len(tokens) > 20 and all(0 <= float(p) <= 1 for p, _ in tokens)
    in_loss = sum(mark == "*" for _, mark in tokens)
    html = page.read_text()
    assert html.count('class="loss" style') == in_loss > 0
    assert "&lt;|im_end|&gt;" in html and "<|im_end|>" not in html and "http" not in html


def test_show_with_fewer_test_examples_than_asked_for(finished, tmp_path, capsys):
    assert guard(lambda: s3ft.main([*SMALL, "--out", str(copy_of(finished, tmp_path)), "--show", "9"])) == 0
    assert capsys.readouterr().out.count("=== test") == 4


def test_ask_talks_to_an_adapter(adapted, capsys):
    assert guard(lambda: s3ft.main(["--ask", "What is 2 + 3?", "--model", str(model_of(adapted[0], ADAPTED))])) == 0
    assert capsys.readouterr().out.strip()


def test_paper_is_the_papers_lora_and_options_beside_it_win():
    o = cli.parse(["--task", "gsm8k", "--paper", "--epochs", "1"], s3ft.METHODS, s3ft.SOURCES)
    assert (o.lora, o.lora_alpha, o.lora_dropout, o.lora_targets) == (8, 16, 0.1, ["q_proj", "v_proj"])
    assert (o.lr, o.schedule, o.batch, o.epochs) == ([1e-4], "cosine", 8, 1)


@pytest.mark.parametrize("name, settings, kept",
                         [(S3FT, [], "model.safetensors"), (ADAPTED, ADAPTERS, "adapter_model.safetensors")],
                         ids=["all weights", "LoRA"])
def test_a_cell_killed_in_its_training_goes_on_where_it_was_and_ends_the_same(
        finished, adapted, tmp_path, monkeypatch, capsys, name, settings, kept):
    folder, whole = adapted if settings else finished
    out = copy_of((folder, whole), tmp_path, without=[name, "results.json"])
    monkeypatch.setattr(training, "EVERY", -1)
    monkeypatch.setattr(training, "SHARE", -1)
    write, steps = training.write_state, []

    def killed(*arguments):
        write(*arguments)
        steps.append(len(arguments[4]))
        if len(steps) == 2:
            raise KeyboardInterrupt
    monkeypatch.setattr(training, "write_state", killed)
    assert run(out, *settings, capsys=capsys)[0] == 130 and not (out / "results.json").exists()
    code, err = run(out, *settings, capsys=capsys)
    assert code == 0 and "going on after step 2" in err and steps == list(range(1, 9 if settings else 5))
    assert without_times(json.loads((out / "results.json").read_text())) == without_times(whole)
    assert not (model_of(out, name) / "state.safetensors").exists()
    assert (model_of(out, name) / kept).read_bytes() == (model_of(folder, name) / kept).read_bytes()


def test_a_cell_killed_while_it_is_measured_keeps_its_answers_and_ends_the_same(tmp_path, monkeypatch, capsys):
    settings = ["--methods", "sft", "--limit", "3", "--test-limit", "5", "--max-new-tokens", "16",
                "--benchmarks", "none"]
    monkeypatch.setattr(runs, "CHUNK", 2)
    monkeypatch.setattr(training, "WORTH", -1)              # the trained state is kept while it is measured
    real, asked, last = s3ft.answers, [], None

    def killed(lm, tokenizer, task, jobs, *more, **settings):
        asked.append(len(jobs))
        if len(asked) == last:
            raise KeyboardInterrupt
        return real(lm, tokenizer, task, jobs, *more, **settings)
    monkeypatch.setattr(s3ft, "answers", killed)
    whole = run(tmp_path / "whole", *settings)
    assert asked == [2, 2, 1] + [2, 2, 1]                   # base, and the tuned model
    out, last = copy_of([tmp_path / "whole"], tmp_path, without=[SFT]), 6 + 2
    assert run(out, *settings, capsys=capsys)[0] == 130
    assert without_times(run(out, *settings)) == without_times(whole)
    assert asked[6:] == [2, 2] + [2, 1]                     # the tuned model, cut off in its second chunk; the rest
    assert not list(out.rglob("state.safetensors"))


def test_the_state_of_another_cell_is_not_taken_up(tmp_path):
    lm, _ = model.load(TINY, "cpu", torch.float32)
    optimiser = torch.optim.AdamW(lm.parameters(), lr=1e-3)
    lm(torch.arange(5)[None]).sum().backward()
    optimiser.step()
    path = tmp_path / "state"
    training.write_state(path, "this key", lm, optimiser, [1.0], 5.0, 256)
    assert training.read_state(path, "another") == (None, None)
    fresh, _ = model.load(TINY, "cpu", torch.float32)
    again = torch.optim.AdamW(fresh.parameters(), lr=1e-3)
    journal = training.Journal(path, "this key")
    assert journal.take_up(fresh, again) == [1.0] and journal.budget == 256
    assert torch.equal(again.state_dict()["state"][0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])
    assert all(torch.equal(a, b) for a, b in zip(lm.parameters(), fresh.parameters()))
    path.write_bytes(path.read_bytes()[:2000])
    assert training.read_state(path, "this key") == (None, None)


def test_training_out_of_memory_goes_on_with_half_the_micro_batch_and_learns_the_same(tmp_path, monkeypatch, capsys):
    settings = ["--methods", "sft", "--dtype", "float32", "--keep", "last", "--batch", "8", "--test-limit", "1",
                "--benchmarks", "none", "--max-new-tokens", "8"]
    run(tmp_path / "roomy", *settings)
    tight_run = copy_of([tmp_path / "roomy"], tmp_path, without=[SFT])
    chat.say_once.__defaults__[0].clear()
    real, widths = s3ft.target_loss, []

    def tight(lm, targets, loss):
        tokens = sum(len(t) for t in targets)
        widths.append(tokens)
        if tokens > 600:
            raise torch.OutOfMemoryError("made up")
        return real(lm, targets)
    monkeypatch.setattr(s3ft, "target_loss", tight)
    monkeypatch.setattr(training, "micro_budget", lambda *_: (2048, False))
    code, err = run(tight_run, *settings, capsys=capsys)
    assert code == 0 and err.count("out of memory") == 1 and max(widths) > 600 >= widths[-1]
    a, b = (model.load(model_of(folder, SFT), "cpu", torch.float32)[0].state_dict()
            for folder in (tmp_path / "roomy", tight_run))
    assert max((a[name] - b[name]).abs().max().item() for name in a) < 3e-5


def test_training_that_never_fits_is_one_line(finished, tmp_path, monkeypatch, capsys):
    def never(*_):
        raise torch.OutOfMemoryError("made up")
    monkeypatch.setattr(s3ft, "target_loss", never)
    monkeypatch.setattr(training, "micro_budget", lambda *_: (512, False))
    code, err = run(copy_of(finished, tmp_path, without=[SFT]), capsys=capsys)
    assert code == 2 and "does not fit this device's memory" in err.splitlines()[-1]


def test_sampling_out_of_memory_goes_on_with_fewer_rows_and_says_the_same(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(model, "SLOTS", 16)
    chat.say_once.__defaults__[0].clear()
    real = model.Transformer.new_cache

    def tight(self, rows, length):
        if rows > 4:
            raise torch.OutOfMemoryError("made up")
        return real(self, rows, length)
    lm, tokenizer = model.load(TINY, "cpu", torch.float32)
    prompts = [tokenizer.encode(f"question {i}") for i in range(12)]
    roomy = model.generate(lm, prompts, 5)
    monkeypatch.setattr(model.Transformer, "new_cache", tight)
    assert [a.ids for a in training.within_memory(model.generate, lm, prompts, 5)] == [a.ids for a in roomy]
    assert capsys.readouterr().err.count("out of memory") == 1
    assert lm.batch_share == 1 / 4                                          # 12 rows do not fit, nor do 8, but 4 do


def test_sampling_that_never_fits_is_one_line():
    def never(lm):
        raise torch.OutOfMemoryError("made up")
    with pytest.raises(UserError, match="does not fit this device's memory"):
        training.within_memory(never, model.load(TINY, "cpu")[0])


def test_own_data_run_to_the_table_and_are_judged_again(tmp_path, capsys):
    file = tmp_path / "sums.jsonl"
    rows = []
    for a in range(2, 6):
        for b in range(3, 8):
            output = f"{a} + {b} = {a + b}\nThe answer is {a + b}."
            rows.append({"instruction": f"What is {a} + {b}?", "output": output})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    few = ["--epochs", "1", "--limit", "6", "--max-new-tokens", "48", "--benchmarks", "facts", "--benchmark-limit", "4"]
    code = guard(lambda: s3ft.main(["--task", str(file), "--judge", "number", *few, "--out", str(out)]))
    said = capsys.readouterr().out
    assert code == 0 and "'instruction'" in said and "14 train" in said
    assert "sums" in said.splitlines()[0] and "tiny-gsm8k" not in said
    results = json.loads((out / "results.json").read_text())
    assert results["task"] == "sums" and results["settings"]["judge"] == "number"
    assert len(results["cells"][0]["test"]["right"]) == 4
    command = [sys.executable, ROOT / "judge.py", out / "attempts.jsonl"]
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("arguments, expected", [
    (["--task", "FILE"], "which judge"), (["--task", "FILE", "--judge", "taste"], "--judge"),
    (["--task", "gsm8k", "--judge", "number"], "has its own"),
    (["--task", "FILE", "--judge", "exact", "--data", "."], "--data goes with a named task"),
    (["--task", "missing.jsonl", "--judge", "exact"], "cannot be read"),
    (["--task", "FILE", "--judge", "number", "--methods", "sft,voice"], "only in the bundled data"),
    (["--task", "gsm8k", "--lora-alpha", "8"], "add --lora 16"), (["--task", "gsm8k", "--lora", "-1"], "at least 0"),
    (["--task", "gsm8k", "--paper", "--lora", "0"], "need adapters"),
    (["--task", "gsm8k", "--temperature", "0.001"], "at least 0.01"),
    (["--task", "gsm8k", "--lora", "4", "--lora-targets", "qproj"], "did you mean 'q_proj'"),
    (["--task", "gsm8k", "--lora", "4", "--lora-dropout", "1"], "below 1"),
    (["--task", "gsm8k", "--model", "no-such-folder"], "hub id"),
    (["--task", "gsm8k", "--model", "owner/a/b"], "hub id"),
])
def test_bad_options_of_models_and_own_data(tmp_path, capsys, arguments, expected):
    rows = [{"question": f"{n} + 1?", "answer": f"{n + 1}"} for n in range(4)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = [str(tmp_path / "mine.jsonl") if a == "FILE" else a for a in arguments]
    code = guard(lambda: s3ft.main([*arguments, "--out", str(tmp_path / "out")]))
    err = capsys.readouterr().err.strip()
    assert code == 2 and expected in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()


# ---------------------------------------------------------------- threads

@pytest.mark.parametrize("most, got, threads", [
    (2, 1.96, 2), (2, 1.3, 1), (2, 1.0, 1), (2, 0.4, 1), (16, 15.8, 16), (16, 15.2, 15), (16, 8.1, 8)])
def test_as_many_threads_as_have_a_core_of_their_own(most, got, threads):
    assert device.threads_for(most, got) == threads


def test_a_resumed_run_keeps_its_threads_and_says_so_and_a_fresh_one_looks_again(tmp_path, monkeypatch, capsys):
    one = ["--methods", "base", "--limit", "1", "--test-limit", "1", "--benchmarks", "none", "--max-new-tokens", "4"]
    before = torch.get_num_threads()
    try:
        monkeypatch.setattr(device, "free_threads", lambda: (1, 2))
        run(tmp_path / "run", *one)
        assert "; 1 thread of 2, as other work keeps this machine busy" in capsys.readouterr().out
        monkeypatch.setattr(device, "free_threads", lambda: (2, 2))
        run(tmp_path / "run", *one)
        assert "; 1 thread (as this run began)" in capsys.readouterr().out and torch.get_num_threads() == 1
        run(tmp_path / "run", *one, "--fresh")
        assert "; 2 threads" in capsys.readouterr().out and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_resumed_run_keeps_its_dtypes_on_another_processor_and_a_fresh_one_looks_again(tmp_path, monkeypatch, capsys):
    one = ["--methods", "base", "--limit", "1", "--test-limit", "1", "--benchmarks", "none", "--max-new-tokens", "4"]
    monkeypatch.setattr(model, "precision", lambda device: (torch.bfloat16, "it is faster"))
    first = run(tmp_path, *one)
    monkeypatch.setattr(model, "precision", lambda device: (torch.float32, "bf16 is slow here"))
    with monkeypatch.context() as patch:
        patch.setattr(model, "generate", None)                  # nothing is sampled again
        again = run(tmp_path, *one)
    assert "sampling in bf16 (as this run began)" in capsys.readouterr().out
    assert without_times(again) == without_times(first)
    run(tmp_path, *one, "--fresh")
    assert "sampling in fp32 (bf16 is slow here)" in capsys.readouterr().out
    run(tmp_path, *one, "--dtype", "bfloat16")
    assert "sampling in bf16 (asked for)" in capsys.readouterr().out
