"""Comparisons that go on anywhere: --new-items, --results, --report over files of cells.

On the bundled model, at a small size.
"""
import json
import re
import shutil

import pytest

import s3ft
from data import TINY, cli
from data.benchmarks import load_benchmarks, multiple_choice
from data.cli.ending import guard
from data.methods import PAGES, controls
from data.report import gather, read_runs, report
from data.report.rates import chosen_rates
from data.results import cells
from data.results.attempts import with_more_attempts
from data.tasks import load_task
from data.tiny import new_items, study
from data.run import plan, results
from data.run.selection import Questions
from test_report import cell, benchmark, result
from test_runs import without_times

SMALL = ["--task", "gsm8k", "--new-items", "--limit", "3", "--test-limit", "3", "--benchmark-limit", "1",
         "--epochs", "1", "--batch", "3", "--max-new-tokens", "52", "--keep", "none", "--benchmarks", "facts,referents",
         "--validation-limit", "1"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3, "trainable": 1000})
        yield


@pytest.fixture
def trained(monkeypatch):
    """How often something was trained, and how often the model was asked something."""
    counts = {"finetune": 0, "answers": 0}
    for name in counts:
        def counted(*a, real=getattr(s3ft, name), name=name, **k):
            counts[name] += 1
            return real(*a, **k)
        monkeypatch.setattr(s3ft, name, counted)
    return counts


def run(folder, *more, out="run"):
    """The command with folder/results -> results.json of folder/OUT, or the exit code where it is not 0."""
    arguments = [*SMALL, "--results", str(folder / "results"), "--out", str(folder / out), *more]
    code = guard(lambda: s3ft.main(arguments))
    return code or json.loads((folder / out / "results.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    return folder, run(folder, "--seeds", "2")


def copy_of(finished, tmp_path):
    shutil.copytree(finished[0] / "results", tmp_path / "results")
    return tmp_path, tmp_path / "results" / "gsm8k.jsonl"


def record(file, name):
    """The last record of a cell, as `cells.append` takes it again."""
    return cells.latest(cells.read(file)[0])[name]


def without(file, *names):
    """The file without the lines of these cells."""
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if json.loads(line)["name"] not in names))


# ---------------------------------------------------------------- new items

@pytest.mark.parametrize("name", ["gsm8k", "mbpp", "nq"])
def test_new_items_stand_in_no_file_and_differ_between_seeds(tmp_path, name):
    arguments = ["--task", name, "--new-items", "--seeds", "2", "--limit", "30", "--test-limit", "20",
                 "--benchmark-limit", "25"]
    options = cli.parse(arguments, s3ft.METHODS, s3ft.SOURCES)
    options.data = str(TINY)
    beside = load_benchmarks(options)
    drawn = {seed: Questions(seed, [], [], [], beside) for seed in options.seeds}
    found = new_items.read(options, tmp_path, new_items.new_item_files(options, beside), drawn)
    texts = lambda examples: {(e.question, e.extra.get("passage")) for e in examples}
    task = load_task(name, TINY)
    items = lambda seed, n: {(i.contexts, i.endings) for i in found[seed].benchmarks[n].items}
    files = texts(e for split in ("train", "validation", "test") for e in task.load(split))
    for seed, mine in found.items():
        train, test, own = mine.train, mine.test, mine.benchmarks
        assert len(train) == 30 and len(test) == 20
        assert not texts(train) & texts(test) and not texts(train + test) & files
        assert {e.id for e in train} == {f"s{seed}-train-{n}" for n in range(1, 31)}
        assert test[0].id.startswith(f"s{seed}-test-")
        for n in multiple_choice.BUNDLED:
            ability = own[n]
            alike = lambda some: {(frozenset(i.contexts), frozenset(i.endings)) for i in some}
            assert len(alike(ability.items)) == 25 and not alike(ability.items) & alike(beside[n].items)
            assert {i.id for i in ability.items} == {f"s{seed}-{n}-{k}" for k in range(1, 26)}
    assert texts(found[0].train) != texts(found[1].train) and texts(found[0].test) != texts(found[1].test)
    assert items(0, "facts") != items(1, "facts")


@pytest.mark.parametrize("arguments, expected", [
    (["--task", "squad", "--new-items"], "--new-items draws from the bundled model's world"),
    (["--task", "gsm8k", "--new-items", "--data", str(TINY)], "--new-items draws from"),
    (["--task", "gsm8k", "--new-items", "--benchmark-limit", "9999", "--benchmarks", "myths", "--limit", "1",
      "--test-limit", "1"], "smaller --benchmark-limit"),
    (["--task", "gsm8k", "--new-items", "--limit", "9", "--test-limit", "99999"], "smaller --limit or --test-limit"),
    (["--task", "mbpp", "--new-items", "--limit", "9", "--test-limit", "99999"], "smaller --limit or --test-limit"),
    (["--task", "gsm8k", "--results", str(TINY / "world.py")], "cannot be written"),
])
def test_what_cannot_be_drawn_or_kept_is_one_line(tmp_path, capsys, monkeypatch, arguments, expected):
    monkeypatch.setattr(new_items, "write_jsonl", lambda *_: pytest.fail("written"))
    if any("9999" in argument for argument in arguments):
        monkeypatch.syspath_prepend(TINY)
        import world
        tries = 5 if "99999" in arguments else 300      # 5 would not even find the two questions beside the benchmark
        monkeypatch.setattr(world, "TRIES", tries)
        monkeypatch.setattr(world.world_code, "TRIES", tries)
    assert guard(lambda: s3ft.main([*arguments, "--out", str(tmp_path / "out")])) == 2
    err = capsys.readouterr().err.strip()
    assert expected in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()


# ---------------------------------------------------------------- cells that are there

def test_every_cell_is_a_short_line_without_paths_or_texts(finished):
    folder, results = finished
    file = folder / "results" / "gsm8k.jsonl"
    assert [path.name for path in (folder / "results").iterdir()] == ["gsm8k.jsonl"]
    text = file.read_text()
    lines = {json.loads(line)["name"]: json.loads(line) for line in text.splitlines()}
    assert len(lines) == 8, "a line a cell and a line for the attempts of a seed"
    assert text.count("\n") == 9, "the first seed's attempts once more at the end, with Figure 2"
    assert set(lines) == {c["folder"] for c in results["cells"]} | {"attempts-s0", "attempts-s1"}
    assert len(results["cells"]) == 6
    for c in results["cells"]:
        line = lines[c["folder"]]
        assert list(line) == ["format", "name", "key", "made", "about", "cell", "digest"] and line["format"] == 2
        assert line["cell"] == c and "validation" in c
    assert str(folder) not in text and "How many" not in text and max(len(line) for line in text.splitlines()) < 8000
    assert record(file, "base-s0")["key"]["settings"]["new_items"] is True


def test_what_is_there_is_neither_sampled_nor_trained_nor_measured(finished, tmp_path, trained):
    folder, file = copy_of(finished, tmp_path)
    before = file.read_bytes()
    results = run(folder, "--seeds", "2")
    assert not any(trained.values()) and file.read_bytes() == before
    assert without_times(results) == without_times(finished[1])
    another = run(folder, "--methods", "own_only", out="more")               # another method beside them
    assert another["cells"][1]["sources"].keys() <= {"own"}
    assert trained["finetune"] == 1 and file.read_bytes().startswith(before), "lines are only added"
    assert len(cells.latest(cells.read(file)[0])) == 9


def test_cells_of_other_code_are_counted_under_the_table(finished, tmp_path, trained, monkeypatch, capsys):
    folder, _ = copy_of(finished, tmp_path)
    run(folder, "--seeds", "2")
    assert "of other code" not in capsys.readouterr().out
    monkeypatch.setattr(s3ft, "CODE", s3ft.CODE | {"cells": "edited"})
    run(folder, "--seeds", "2")
    assert "of other code than this one: 6 of the cells above" in capsys.readouterr().out and not any(trained.values())


def test_of_two_statistics_of_a_seeds_attempts_each_stage_is_the_fuller_ones():
    def tried(own, paraphrase):
        asked = [(kind, n) for kind, n in (("own", own), ("paraphrase", paraphrase)) if n]
        return {"verdicts": {kind: {"answer is": [n // 2, n]} for kind, n in asked}, "judge_errors": {},
                "copies": {"accepted": paraphrase // 2}, "logprobs": {"items": []}}
    s3ft_first = with_more_attempts(None, tried(8, 4))
    # Then --methods sdft alone: every question's paraphrase, no own answer.
    both = with_more_attempts(s3ft_first, tried(0, 8))
    assert both["verdicts"] == tried(8, 8)["verdicts"] and both["copies"] == {"accepted": 4}
    assert with_more_attempts(both, tried(0, 0)) == both, "--methods sft samples none"


def test_a_line_that_was_cut_off_or_edited_is_said_and_made_again(finished, tmp_path, trained, capsys):
    folder, file = copy_of(finished, tmp_path)
    lines = file.read_text().splitlines()
    [edited] = [i for i, line in enumerate(lines) if json.loads(line)["name"] == "sft-lr0.0003-e1-s0"]
    [cut] = [i for i, line in enumerate(lines) if json.loads(line)["name"] == "s3ft-lr0.0003-e1-s1"]
    lines.append(lines.pop(cut)[:400])                       # the last one, as a kill leaves it
    lines[edited] = lines[edited].replace('"kl": 0', '"kl": 1', 1)
    file.write_text("\n".join(lines))
    damaged = file.read_text()
    results = run(folder, "--seeds", "2")
    said = [line for line in capsys.readouterr().out.splitlines() if "damaged" in line]
    assert said == [f"{file}: left out, as damaged or of another format: lines {edited + 1}, {len(lines)}; "
                    "what is lacking is made again"]
    assert trained["finetune"] == 2 and without_times(results) == without_times(finished[1])
    assert file.read_text().startswith(damaged + "\n"), "the new line is one of its own"
    assert {"sft-lr0.0003-e1-s0", "s3ft-lr0.0003-e1-s1"} <= set(cells.latest(cells.read(file)[0]))
    assert guard(lambda: s3ft.main(["--report", str(file)])) == 0
    assert f"left out, as damaged or of another format: lines {edited + 1}, {len(lines)}" in capsys.readouterr().out


def test_of_several_lines_of_one_name_the_last_one_counts(finished, tmp_path):
    _, file = copy_of(finished, tmp_path)
    newer = record(file, "base-s0")
    newer["cell"]["kl"] = 0.5
    cells.append(file, "base-s0", newer)
    assert record(file, "base-s0")["cell"]["kl"] == 0.5
    assert gather.gather_cells([file])["cells"][0]["kl"] == 0.5


def test_attempts_that_two_runs_counted_side_by_side_are_joined(finished, tmp_path):
    _, file = copy_of(finished, tmp_path)
    both = record(file, "attempts-s0")
    assert set(both["attempts"]["verdicts"]) == {"own", "paraphrase"}
    only_own = json.loads(json.dumps(both))
    del only_own["attempts"]["verdicts"]["paraphrase"]
    cells.append(file, "attempts-s0", only_own)              # of a run that had begun before the other ended
    assert record(file, "attempts-s0")["attempts"]["verdicts"] == both["attempts"]["verdicts"]


def test_a_comparison_killed_after_its_last_cell_keeps_the_counts_of_its_attempts(finished, tmp_path, monkeypatch):
    def killed(run):
        raise KeyboardInterrupt
    monkeypatch.setattr(results, "write_results", killed)
    assert run(tmp_path) == 130
    monkeypatch.undo()
    again = run(tmp_path, out="elsewhere")                   # all cells are there: no attempt is asked for again
    first = gather.gather_cells([finished[0] / "results" / "gsm8k.jsonl"])
    assert again["verdicts"] and set(again["verdicts"]) == set(first["verdicts"])


def test_a_comparison_killed_between_cells_goes_on_in_another_place(finished, tmp_path, monkeypatch, trained):
    real = s3ft.finetune

    def killed(*a, **k):
        if trained["finetune"] == 1:
            raise KeyboardInterrupt
        return real(*a, **k)
    monkeypatch.setattr(s3ft, "finetune", killed)
    assert run(tmp_path) == 130
    monkeypatch.setattr(s3ft, "finetune", real)
    results = run(tmp_path, out="elsewhere")
    assert trained["finetune"] == 2
    of_first_seed = [c for c in finished[1]["cells"] if c["seed"] == 0]
    assert without_times(results["cells"]) == without_times(of_first_seed)


def test_cells_of_another_world_or_other_settings_are_refused_by_name(finished, tmp_path, capsys, trained):
    folder, file = copy_of(finished, tmp_path)
    names = list(cells.latest(cells.read(file)[0]))
    for more, expected in ((["--limit", "7"], f"{file}, line 1 ({names[0]}) was made with other settings "
                                              "(limit 3, not 7); take it out or give another --results"),
                           (["--test-limit", "2"], "settings (test_limit 3, not 2)"),
                           (["--batch", "2"], "-lr0.0003-e1-s0) was made with other settings (batch 3, not 2)")):
        assert run(folder, *more) == 2
        err = capsys.readouterr().err
        assert expected in err and len(err.strip().splitlines()) == 1
    base = record(file, "base-s0")
    cells.append(file, "base-s0", base | {"key": base["key"] | {"world": "another"}})
    assert run(folder) == 2 and "line 10 (base-s0) was made with other model, data" in capsys.readouterr().err
    assert not (folder / "run").exists() and not any(trained.values())


def test_a_cell_that_was_measured_on_other_items_is_refused_by_name(finished, tmp_path, capsys, trained):
    folder, file = copy_of(finished, tmp_path)
    base = record(file, "base-s0")
    # As after an exchange of --data's benchmark files.
    base["cell"]["benchmarks"]["facts"]["ids"] = "of another file"
    cells.append(file, "base-s0", base)
    assert run(folder) == 2
    assert f"{file}, line 10 (base-s0) was measured on other items of facts; take it out" in capsys.readouterr().err
    assert not any(trained.values())
    with pytest.raises(s3ft.UserError, match="base-s0 and .*-s0 were measured on other items of the benchmark facts"):
        report.report([file], tmp_path / "report")


def test_rates_without_validation_are_not_compared(finished, tmp_path):
    _, file = copy_of(finished, tmp_path)
    sft = record(file, "sft-lr0.0003-e1-s0")
    del sft["cell"]["validation"]
    cells.append(file, "sft-lr0.0003-e1-s0", sft)
    gather.gather_cells([file])                                     # one rate: nothing to choose
    cells.append(file, "sft-lr0.001-e1-s0", sft | {"cell": sft["cell"] | {"lr": 1e-3}})
    with pytest.raises(s3ft.UserError, match="without validation, on which the rates of SFT are compared; "
                                             "take the cells of one kind out"):
        gather.gather_cells([file])


# ---------------------------------------------------------------- the report

def between(text):
    return text[text.index("### Gain"):text.index("### Items that changed")]


def test_the_report_over_cells_is_that_over_the_run(finished, tmp_path, capsys):
    said = []
    for path in (finished[0] / "run", finished[0] / "results", finished[0] / "results" / "gsm8k.jsonl"):
        assert guard(lambda: s3ft.main(["--report", str(path), "--out", str(tmp_path / "report")])) == 0
        said.append(between(capsys.readouterr().out))
    assert said[0] == said[1] == said[2]


def test_files_of_one_task_are_read_side_by_side(finished, tmp_path, capsys):
    _, file = copy_of(finished, tmp_path)
    other = tmp_path / "machine-2.jsonl"
    shutil.copy(file, other)
    names = [c["folder"] for c in finished[1]["cells"]]
    without(file, *[name for name in names if name.startswith("s3ft")])
    without(other, *[name for name in names if name.startswith("sft")])
    report.report([file, other, file], tmp_path / "report")
    both = capsys.readouterr().out
    report.report([finished[0] / "results" / "gsm8k.jsonl"], tmp_path / "report")
    assert between(both) == between(capsys.readouterr().out), "base and the attempts, which both have, count once"
    base = record(other, "base-s1")
    base["cell"]["kl"] = 0.5
    cells.append(other, "base-s1", base)
    assert gather.gather_cells([file, other])["remarks"] == ["several files have base-s1: the last file's is taken"]
    base["key"]["settings"]["limit"] = 7
    cells.append(other, "base-s1", base)
    with pytest.raises(s3ft.UserError, match=r"machine-2.jsonl, line 9 \(base-s1\) was made with other settings "
                                             r"\(limit 7, not 3\) than .*machine-2.jsonl, line 1 \(base-s0\)"):
        gather.gather_cells([file, other])


def test_a_file_with_gaps_is_reported_and_they_are_named(finished, tmp_path, capsys):
    _, file = copy_of(finished, tmp_path)
    without(file, "sft-lr0.0003-e1-s1")
    assert guard(lambda: s3ft.main(["--report", str(file)])) == 0
    said = capsys.readouterr().out
    assert "not measured on seed 1: SFT at rate 0.0003" in said
    assert "0.0003, 1 seed |" in said and "0.0003, 2 seeds |" in said
    without(file, "base-s1")
    assert guard(lambda: s3ft.main(["--report", str(file)])) == 0
    assert "left out: seed 1, whose base model is not there (base-s1)" in capsys.readouterr().out
    fewer = tmp_path / "fewer.jsonl"                         # S3FT has that seed alone
    shutil.copy(file, fewer)
    without(fewer, "s3ft-lr0.0003-e1-s0")
    assert guard(lambda: s3ft.main(["--report", str(fewer)])) == 0
    assert "left out: seed 1, whose base model is not there (base-s1)" in capsys.readouterr().out
    tuned = record(file, "s3ft-lr0.0003-e1-s0")
    tuned["key"]["settings"]["limit"] = 7
    cells.append(file, "s3ft-lr0.0003-e1-s0", tuned)
    assert guard(lambda: s3ft.main(["--report", str(file)])) == 2
    assert "(s3ft-lr0.0003-e1-s0) was made with other settings (limit 7, not 3)" in capsys.readouterr().err
    without(file, "base-s0", "s3ft-lr0.0003-e1-s0")
    assert guard(lambda: s3ft.main(["--report", str(file)])) == 2
    assert f"--report {file}: no base model's cell is there" in capsys.readouterr().err


def test_the_report_on_a_run_shows_the_cells_of_all_its_commands(tmp_path, capsys):
    def command(*more):
        arguments = [argument for argument in SMALL if argument != "--new-items"]
        assert guard(lambda: s3ft.main([*arguments, "--out", str(tmp_path / "run"), *more])) == 0
        capsys.readouterr()
        assert guard(lambda: s3ft.main(["--report", str(tmp_path / "run")])) == 0
        return capsys.readouterr().out

    def methods(said):
        return [name for name in ("SFT", "S3FT") if f"\n| {name} " in between(said)]

    file = tmp_path / "run" / "cells.jsonl"
    assert methods(command("--methods", "sft")) == ["SFT"]
    said = command("--methods", "s3ft")
    assert methods(said) == ["SFT", "S3FT"] and "cells" not in said.split("###")[0]
    names = [record["name"] for record in cells.read(file)[0]]
    assert names == ["base-s0", "sft-lr0.0003-e1-s0", "s3ft-lr0.0003-e1-s0"]
    assert methods(command("--methods", "s3ft")) == ["SFT", "S3FT"]
    assert len(file.read_text().splitlines()) == 3, "nothing new"
    said = command("--methods", "s3ft", "--limit", "2")
    assert methods(said) == ["S3FT"]
    assert "- left out: 3 cells made with other settings (limit 3, not 2) than " in said
    said = command("--methods", "sft", "--lr", "1e-3")
    assert methods(said) == ["SFT", "S3FT"], "limit 3 again"
    assert "- left out: 2 cells made with other settings (limit 2, not 3) than " in said
    assert "- left out: 1 cell made without validation, on which the rates of SFT are compared" in said


def test_earlier_cells_of_a_run_are_left_out_where_other_code_made_them(finished, tmp_path):
    run_folder = tmp_path / "run"
    shutil.copytree(finished[0] / "run", run_folder)
    file = run_folder / "cells.jsonl"
    sft = record(file, "sft-lr0.0003-e1-s0")
    results = finished[1] | {"cells": [c for c in finished[1]["cells"] if c["method"] != "sft"]}
    results["settings"] = results["settings"] | {"methods": ["s3ft"]}
    (run_folder / "results.json").write_text(json.dumps(results))
    shown = read_runs.read_run(run_folder)
    assert without_times(shown["cells"]) == without_times(finished[1]["cells"]) and shown["remarks"] == []
    without(file, "sft-lr0.0003-e1-s0", "sft-lr0.0003-e1-s1")
    cells.append(file, "sft-lr0.0003-e1-s0", sft | {"made": sft["made"] | {"code": "of another day"}})
    shown = read_runs.read_run(run_folder)
    assert [c["method"] for c in shown["cells"]] == ["base", "s3ft", "base", "s3ft"]
    assert shown["remarks"] == ["left out: 1 cell made with other versions or code"]
    without(file, "base-s0")
    assert read_runs.read_run(run_folder) == results | {"remarks": [], "folder": run_folder}


def several(right, seeds=4, lr=3e-4):
    """Cells of four seeds: {method: right answers of 100}, a point apart from seed to seed."""
    cells_of_all = []
    for s in range(seeds):
        for method, (n, facts) in right.items():
            n += s % 2 if method == "base" else 0
            cells_of_all.append(cell(method, s, n, {"facts": benchmark(facts)}, lr=lr))
    return cells_of_all


def test_four_tests_stop_at_the_first_that_is_not_shown():
    right = {"base": (40, 90), "sft": (50, 70), "ssr": (59, 75), "sdft": (60, 80), "s3ft": (60, 85)}
    lines = study.study(result(several(right)))
    outcomes = [line.rpartition(": ")[2] for line in lines[:4]]
    assert outcomes == ["shown", "shown", "not shown; the rest is descriptive", "descriptive"]
    assert "a. mean drop, SFT - S3FT: +15.0 points [+8.0, +22.0], 4 seeds" in lines[0] and "25 % of SFT's" in lines[5]
    assert "(the paper's Table 3: 49.5/42.1/8.4)" in lines[-1] and "SFT - base: +9.5 points" in lines[4]
    assert study.study(result(several(right, seeds=2))) == []
    controls = study.study(result(several(right | {"voice": (62, 82)})))
    without_intervals = [re.sub(r" \[[^]]*\]", "", line) for line in controls]
    for expected in ("4 seeds: task, S3FT - voice: -2.0 points; mean drop, voice - S3FT: +3.0 points",
                     "4 seeds: task, voice - SFT: +12.0 points; mean drop, SFT - voice: +12.0 points"):
        assert expected in without_intervals
    both = several(right) + several({"sft": (30, 85), "s3ft": (55, 89)}, lr=1e-4)
    said = [line for line in study.study(result(both)) if line.startswith(("both at", "at equal"))]
    assert [line.partition(":")[0] for line in said[:2]] == ["both at rate 0.0001", "both at rate 0.0003"]
    screened = [c for c in both if c["lr"] != 1e-4 or c["seed"] < 1]         # the other rate on one seed of four
    fresh = "a and b on the 3 seeds that had no part in choosing a rate: task, S3FT - SFT: +10.0"
    assert any(line.startswith(fresh) for line in study.study(result(screened)))
    assert "SFT's accuracy on validation, 0.0001; SFT's own, 0.0003): task, S3FT - SFT: +5.0 points" in said[2]
    assert "SFT - S3FT: +19.0" in said[2]


def test_the_study_prints_what_the_readme_says():
    lines = study.study(gather.gather_cells([TINY / "results" / "gsm8k.jsonl"]))
    assert lines[0] == "a. mean drop, SFT - S3FT: +1.6 points [+0.7, +2.5], 10 seeds: shown"
    assert lines[1] == "b. task, S3FT - SFT: +12.6 points [+8.8, +16.4], 10 seeds: shown"
    assert lines[2].endswith("+2.6 points [-3.5, +8.8], 6 seeds: not shown; the rest is descriptive")


def test_own_rates_are_chosen_over_the_seeds_that_have_all_and_tested_over_those_that_both_have():
    screened = several({"sft": (80, 70), "s3ft": (50, 80)}, seeds=2, lr=1e-3)
    results = result(several({"base": (40, 90), "sft": (50, 70), "s3ft": (70, 85)}) + screened)
    for c in results["cells"]:
        if c["method"] == "sft" and c["seed"] > 1:       # not screened: no word in the choice
            c["validation"] |= {"accuracy": 1.0}
    assert chosen_rates(results) == {"sft": 1e-3, "s3ft": 3e-4}
    assert study.study(results) == [], "SFT has two seeds at its own rate"
    for c in results["cells"]:
        c["seed"] += 10 * (c["lr"] == 1e-3)
    with pytest.raises(s3ft.UserError, match="no seed has all rates of SFT"):
        chosen_rates(results)


def test_controls_are_methods_of_the_command_line():
    arguments = ["--task", "gsm8k", "--methods", ",".join(controls.METHODS)]
    options = cli.parse(arguments, s3ft.METHODS | PAGES, s3ft.SOURCES)
    assert options.methods == ["raw", "own_only", "voice", "s3ft_number"]
