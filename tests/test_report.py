"""The report on finished runs: its figures on small hand-made results, its errors, and other people's text in it."""
import copy
import json
import re
import sys

import numpy as np
import pytest

import check_intervals
from data import UserError
from data.report import conclusions, figures, intervals, pictures, report
from data.report.paper import three_tables
from data.report.table import final_table
from data.run import statistics


def score(right, n, ids):
    """The first `right` of n items are right."""
    return {"right": "1" * right + "0" * (n - right), "accuracy": right / n, "ids": ids}


def benchmark(right, n=100, chance=0.25, **more):
    return score(right, n, f"b{n}") | {"chance": chance, "metric": "acc", "kind": "choice"} | more


def cell(method, seed, right, benchmarks, lr=3e-4, n=100, kl=0.1):
    row = {"folder": f"{method}-lr{lr:g}-e2-s{seed}", "method": method, "lr": lr, "seed": seed, "epochs": 2, "kl": kl,
           "test": score(right, n, f"t{n}") | {"cut_off": 0.0}, "validation": score(right, n, "v") | {"cut_off": 0.0},
           "benchmarks": benchmarks, "sources": {"gold": 10}, "target_tokens": 500, "dropped": 0,
           "curve": [[step, 2 / step + seed] for step in range(1, 31)], "times": {"minutes": 1.0}}
    if method == "base":
        row |= {"folder": f"base-s{seed}", "lr": None, "kl": 0.0, "curve": None}
    return row


def result(cells, task="tiny-gsm8k", **more):
    """results.json around these cells."""
    cells = copy.deepcopy(cells)
    settings = {"methods": list(dict.fromkeys(c["method"] for c in cells if c["lr"])),
                "lr": sorted({c["lr"] for c in cells if c["lr"]}) or [3e-4],
                "seeds": sorted({c["seed"] for c in cells}),
                "epochs": 2, "limit": 600, "test_temperature": 0.0, "test_samples": 1}
    rows = [row for c in cells for row in (c["test"], *c["benchmarks"].values()) if row]
    ids = {row["ids"]: [f"{row['ids']}-{i}" for i in range(len(row["right"]))] for row in rows}
    likely = []                                                              # sum and tokens of each text
    for i in range(40):
        likely.append({"id": f"x{i}", "own": [-10.0 - i % 5, 40], "paraphrase": [-20.0 - i % 7, 40],
                       "gold": [-40.0 - i % 9, 20]})
    return {"format": 2, "task": task, "task_name": task.removeprefix("tiny-"), "model": "a model", "commit": None,
            "notes": ["a note"], "benchmark_notes": [], "identity": {"task": task, "model": "m", "data": "d"},
            "settings": settings, "cells": cells, "items": ids,
            "logprobs": {"items": likely, "note": "of the first items"}, "verdicts": {}, "copies": {"accepted": 0},
            "do_not_fit": 0, "times": {"minutes": 1.5, "tokens_per_second": {}}} | more


def write(folder, results, texts=()):
    """A run folder. texts: {(set, id): text of question or context} of what the files beside results.json tell."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text("{}")
    (folder / "results.json").write_text(json.dumps(results))
    if texts:
        (folder / "items.jsonl").write_text("".join(json.dumps(t) + "\n" for t in texts))
    return folder


def basic(seeds=1, sft=60, s3ft=70):
    """Base 50 of 100, SFT and S3FT better; facts 75, 55, 65, myths (chance 50) 54, 50, 54."""
    cells = []
    for s in range(seeds):
        for method, right, facts, myths, kl in (("base", 50, 75, 54, 0), ("sft", sft, 55, 50, 0.4),
                                                ("s3ft", s3ft, 65, 54, 0.1)):
            benchmarks = {"facts": benchmark(facts), "myths": benchmark(myths, chance=0.5)}
            cells.append(cell(method, s, right + s, benchmarks, kl=kl))
    return result(cells)


def made(capsys, *paths, out=None):
    """(what was printed, lines of its tables as lists of texts)"""
    path = report.report([str(p) for p in paths], out)
    said = capsys.readouterr().out
    assert path.read_text(encoding="utf-8").strip() in said and str(path) in said.splitlines()[-1]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in said.splitlines() if line.startswith("|")]
    return said, [[text.strip() for text in row] for row in rows]


def refused(*paths):
    """The one line that a user reads."""
    with pytest.raises(UserError) as error:
        report.report([str(p) for p in paths])
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Everything here without matplotlib, but where a test asks for it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


# ---------------------------------------------------------------- figures

def test_gain_drop_and_share_above_chance_of_one_seed(tmp_path, capsys):
    said, rows = made(capsys, write(tmp_path / "run", basic()))
    low, high = (100 * x for x in intervals.wilson(60, 100))
    sft = next(r for r in rows if r[0] == "SFT" and len(r) == 6)
    assert sft[2] == f"60.0 [{low:.1f}, {high:.1f}]"
    gain, drop = ([float(x) for x in re.findall(r"[-+]?[\d.]+", text)] for text in sft[3:5])
    assert gain[0] == 10                                                     # ten of a hundred items changed
    assert gain[1:] == pytest.approx([10 - 1.96 * 3, 10 + 1.96 * 3], abs=1.1)
    assert drop[0] == 12 and drop[1] < 12 < drop[2] and sft[5] == "0.400"
    each = next(r for r in rows if r[0] == "SFT" and "drop" in r[2])
    assert each[2].startswith("55.0, drop +20.0 [") and each[3].startswith("50.0, drop +4.0 [")
    assert "S3FT - SFT, task: +10.0 points [" in said and "mean of the benchmarks: +7.0 points [" in said
    assert "Here SFT learns the task; it forgets." in said
    assert "Here S3FT learns the task better than SFT; it forgets, but less than SFT." in said
    assert "Wilson for a figure" in said and "--seeds 3 shows it" in said
    shares = next(r for r in rows if r[0] == "SFT" and r[2].startswith("+40.0 ["))       # 20 of 50 points above 25 %
    assert shares[3] == "-" and "myths: base's 54.0 %" in said and "cannot be told from chance, 50.0 %" in said
    assert ["SFT", "facts", "100", "20", "0", "<0.001"] in rows
    assert ["SFT", "tiny-gsm8k", "100", "0", "10", "0.002"] in rows


@pytest.mark.parametrize("right, expected", [
    # of 100 items; base has 50
    ({}, []),
    ({"sft": 70}, ["Here SFT learns the task."]),
    ({"sft": 30}, ["Here SFT is worse at the task than base."]),
    ({"sft": 51}, ["Of SFT nothing is shown here: what differs may be chance."]),
    ({"s3ft": 70}, ["Here S3FT learns the task."]),
    ({"sft": 70, "s3ft": 90}, ["Here SFT learns the task.", "Here S3FT learns the task better than SFT."]),
    ({"sft": 90, "s3ft": 70}, ["Here SFT learns the task.", "Here S3FT learns the task, but less well than SFT."]),
    # It only undoes what SFT spoilt.
    ({"sft": 30, "s3ft": 51}, [
        "Here SFT is worse at the task than base.",
        "Here S3FT is better at the task than SFT, but not shown to be better than base (it may only undo what SFT "
        "spoilt)."]),
    ({"sft": 20, "s3ft": 35}, ["Here SFT is worse at the task than base.",
                               "Here S3FT is worse at the task than base, but better than SFT."]),
    ({"ssr": 51, "sft": 50, "s3ft": 49, "voice": 70}, [
        "Here voice learns the task better than SFT.",
        "Of SSR, SFT, S3FT nothing is shown here: what differs may be chance."]),
])
@pytest.mark.parametrize("seeds", [1, 3])
def test_what_a_run_shows_of_every_method(right, expected, seeds):
    groups = {}
    for method, n in ({"base": 50} | right).items():
        # The seeds differ a little, so that a t interval has some width.
        groups[method] = [cell(method, seed, n + (method != "base") * seed, {}) for seed in range(seeds)]
    lines = conclusions.conclusions(groups)
    assert [line for line in lines if line.startswith(("Here", "Of"))] == expected
    points = [line for line in lines if line.startswith("S3FT - SFT, task: ")]
    assert len(points) == len(lines) - len(expected) == int({"sft", "s3ft"} <= set(right))


@pytest.mark.parametrize("sft, s3ft, expected", [
    (50, 70, "forgets less than SFT, if at all"), (50, 60, "forgets, but less than SFT"),
    (60, 50, "forgets more than SFT"), (50, 50, "forgets (no difference from SFT is shown)"),
    (70, 70, "is not shown to forget"), (90, 80, "gains on the benchmarks, but less than SFT"),
])
def test_what_a_run_shows_of_forgetting(sft, s3ft, expected):
    groups = {}
    for method, right in (("base", 70), ("sft", sft), ("s3ft", s3ft)):
        groups[method] = [cell(method, 0, 50 if method == "base" else 70, {"facts": benchmark(right)})]
    line = conclusions.conclusions(groups)[-1]
    assert line == f"Here S3FT learns the task (no difference from SFT is shown); it {expected}."


def test_the_interval_between_two_methods_is_named_by_the_seeds_that_both_have():
    groups = {"base": [cell("base", seed, 50, {}) for seed in range(3)],
              "sft": [cell("sft", seed, 60 + seed, {}) for seed in range(2)],
              "s3ft": [cell("s3ft", seed, 80, {}) for seed in range(3)]}
    line, = conclusions.differences(groups, "s3ft", "sft", True)
    assert line.startswith("S3FT - SFT, task: ") and "(paired bootstrap over items" in line


def test_a_few_items_show_nothing():
    """Two items, of which S3FT alone knows both: +100.0 points [+100.0, +100.0]."""
    groups = {"base": [cell("base", 0, 0, {}, n=2)], "sft": [cell("sft", 0, 0, {}, n=2)],
              "s3ft": [cell("s3ft", 0, 2, {}, n=2)]}
    line, = conclusions.conclusions(groups)
    assert line == "test items: 2, too few to show anything, whatever the figures are; take 30 or more"
    for same_items, shows in ((True, False), (False, True)):
        groups = {"base": [cell("base", seed, 2, {}, n=12) for seed in range(3)],
                  "s3ft": [cell("s3ft", seed, 11, {}, n=12) for seed in range(3)]}
        for one in groups["base"] + groups["s3ft"]:
            one["test"]["ids"] = "shared" if same_items else f"of seed {one['seed']}"
        assert (conclusions.conclusions(groups) == ["Here S3FT learns the task."]) == shows
    few = {"facts": benchmark(0, n=10)}
    groups = {"base": [cell("base", 0, 50, {"facts": benchmark(10, n=10)})], "sft": [cell("sft", 0, 70, few)]}
    assert conclusions.conclusions(groups) == ["Here SFT learns the task."], "ten items of benchmarks say nothing"


def test_three_seeds_have_t_intervals(tmp_path, capsys):
    results = basic(3)
    for s, right in enumerate((58, 60, 65)):
        results["cells"][3 * s + 1] = cell("sft", s, right, results["cells"][3 * s + 1]["benchmarks"])
    said, rows = made(capsys, write(tmp_path / "run", results))
    mean, half = intervals.t_interval([58, 60, 65])
    assert f"{mean:.1f} [{mean - half:.1f}, {mean + half:.1f}]" in next(r for r in rows if r[0] == "SFT")
    assert "t interval over 3 seeds; all are measured on the same items" in said and "Wilson" not in said


def test_items_that_two_seeds_share_count_once():
    one, two = ([cell("sft", s, 60, {}) for s in range(n)] for n in (1, 2))
    base = [cell("base", s, 50, {}) for s in range(2)]
    assert intervals.accuracy(one) == intervals.accuracy(two)
    assert intervals.difference(one, base) == intervals.difference(two, base)
    two[1]["test"] |= {"ids": "others"}
    assert intervals.accuracy(two)[1] > intervals.accuracy(one)[1]


def test_seeds_that_give_the_same_number_have_an_interval_over_items():
    base = [cell("base", s, 50 + s, {}) for s in range(3)]
    sft = [cell("sft", s, 60 + s, {}) for s in range(3)]
    for one in base + sft:
        one["test"]["ids"] = f"of seed {one['seed']}"
    mean, low, high = intervals.difference(sft, base)
    assert mean == pytest.approx(0.1) and 0.05 < low < mean < high < 0.15
    for one in sft:
        one["test"] |= cell("sft", 0, 60, {})["test"] | {"ids": one["test"]["ids"]}
    assert intervals.accuracy(sft)[1:] == pytest.approx(intervals.wilson(180, 300))


def test_benchmarks_weigh_alike_whether_seeds_share_their_items_or_not():
    """Two seeds: the items of "shared" are the same for both, each seed has its own of "own"."""
    def cells(method, shared, own):
        return [cell(method, s, 50, {"shared": benchmark(shared, n=100),
                                     "own": benchmark(own, n=100) | {"ids": f"of seed {s}"}}) for s in range(2)]
    mean, low, high = intervals.difference(cells("sft", 70, 30), cells("base", 50, 50), ["shared", "own"])
    assert mean == pytest.approx(0) and low == pytest.approx(-high, abs=0.01)


def test_two_seeds_that_draw_from_the_same_files_are_said_to_share_items():
    base = [cell("base", s, 50, {}) for s in range(2)]
    assert "be too narrow" not in intervals.kind_of_interval(base), "all are measured on the same items"
    base[1]["test"]["ids"] = "others"
    assert "be too narrow" in intervals.kind_of_interval(base)
    assert "be too narrow" not in intervals.kind_of_interval(base, new_items=True)


def test_none_right_of_many_has_no_minus():
    assert intervals.wilson(0, 60)[0] == 0 and intervals.wilson(60, 60)[1] == pytest.approx(1)


def test_without_matplotlib_the_report_has_the_numbers_and_says_what_draws_them(tmp_path, capsys):
    said, _ = made(capsys, write(tmp_path / "run", basic()))
    assert "Figures need matplotlib: `pip install matplotlib`." in said
    assert [path.name for path in (tmp_path / "run" / "report").iterdir()] == ["report.md"]
    assert "own -12.0, per token -0.30, so perplexity 1.35" in said and "of the first items" in said


def test_learning_curves_are_the_mean_over_seeds_at_the_chosen_rate(tmp_path, capsys):
    assert statistics.thinned([3.0, 1.0]) == [[1, 3.0], [2, 1.0]] and statistics.thinned([]) == []
    assert statistics.thinned(list(range(80))) == [[2 * i + 1.5, 2 * i + 0.5] for i in range(40)]
    assert len(statistics.thinned([1.0] * 101)) == 40
    results = basic(2)
    said, _ = made(capsys, write(tmp_path / "run", results))
    assert "- SFT, rate 0.0003: 2.500 -> 0.567" in said and "- S3FT, rate" in said and "targets of its own" in said
    results["cells"][1]["curve"] = [[1.0, 2.0], [10.0, 0.2]]                 # shorter than the other seed's
    curve = pictures.mean_curve([results["cells"][1], results["cells"][4]])
    assert curve == ([1.0, 10.0], pytest.approx([2.5, 0.7]))
    for c in results["cells"]:
        c["curve"] = []
    assert "holds no training curve" in made(capsys, write(tmp_path / "run", results))[0]


def test_targets_refusals_and_cut_answers_are_said(tmp_path, capsys):
    results = basic() | {"verdicts": {"own": {"answer is": [6, 9], "wrong step": [0, 1]}},
                         "copies": {"accepted": 4, "equal": 0.25, "similarity": 0.5}}
    results["cells"][2] |= {"sources": {"own": 6, "paraphrase": 3, "gold": 1}, "target_tokens": 1234,
                            "times": {"minutes": 2.5}}
    results["cells"][2]["test"]["cut_off"] = 0.125
    said, rows = made(capsys, write(tmp_path / "run", results))
    assert ["S3FT", "0.0003", "60/30/10", "1,234", "12.5", "2.5"] in rows
    assert "own: 6 of 10 accepted (refused: wrong number 3, wrong step 1)" in said
    assert "equal to the gold but for white space: 25 %" in said


def test_pictures_with_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib")
    pytest.importorskip("matplotlib")
    said, _ = made(capsys, write(tmp_path / "run", basic()), out=tmp_path / "there")
    for name in ("frontier", "logprobs", "kl", "curves"):
        assert f"({name}.png)" in said and (tmp_path / "there" / f"{name}.png").stat().st_size > 5000
    figures.save(figures.kl([("sft", "SFT", 0.4, 12.0), ("s3ft", "S3FT", 0.1, 5.0)]), tmp_path, "kl")
    for name in ("kl.png", "kl.svg"):
        again = (tmp_path / name).read_bytes()
        assert again == (tmp_path / "there" / name).read_bytes(), "the same rows, the same file"


def test_base_alone_and_no_benchmarks(tmp_path, capsys):
    base = cell("base", 0, 50, {})
    alone = result([base], logprobs={"items": [], "note": "none were sampled"})
    said, rows = made(capsys, write(tmp_path / "run", alone))
    assert ["base", "-"] == rows[2][:2] and "nothing to draw" in said and "none were sampled" in said
    assert "Items that changed" not in said
    said, _ = made(capsys, write(tmp_path / "other", result([base, cell("sft", 0, 60, {})])))
    assert "nothing to draw" in said


def test_only_multiple_choice_enters_the_mean_drop_and_other_scores_are_named():
    results = basic()
    for c, right in zip(results["cells"], (50, 10, 50)):
        c["benchmarks"]["mbpp"] = benchmark(right, chance=0.0, metric="judge", kind="task")
        myths = c["benchmarks"]["myths"]
        myths |= {"metric": "mc2", "also": {"mc1": 0.312}, "right": [myths["accuracy"]] * 100}
    text = final_table(results)
    assert intervals.mean_drop([results["cells"][1]], [results["cells"][0]])[0] == pytest.approx(0.12)
    assert "the drop leaves out mbpp" in text
    assert "myths is mc2, base's mc1 is 31.2" in text


def test_skills_have_a_table_of_their_own():
    results = basic()
    plain = final_table(results)
    for c, right in zip(results["cells"], (98, 40, 97)):
        c["benchmarks"]["sorting"] = benchmark(right, chance=0.0, metric="judge", kind="skill")
    text = final_table(results)
    parts = text.split("\n\n")
    table = [line.split() for line in parts.pop(2).splitlines()]
    assert table == [["skill,", "%", "sorting"], ["-" * 17], ["base", "98.0"], ["SFT", "40.0"], ["S3FT", "97.0"]]
    assert "\n\n".join(parts) == plain, "nothing else changes, the mean drop least of all"
    assert "sorting" not in three_tables([results])


def test_the_table_fits_80_columns():
    results = basic()
    results["settings"]["lr"] = [1e-4, 3e-4]
    for c in list(results["cells"]):
        if c["lr"]:
            results["cells"].append(c | {"lr": 1e-4})
            c["lr"] = 3e-4
        for name in ("mmlu", "hellaswag", "truthfulqa", "winogrande"):
            c["benchmarks"][name] = c["benchmarks"]["myths"]
    for c in results["cells"]:
        c["validation"] = c["test"]
    lines = final_table(results).splitlines()
    assert max(len(line) for line in lines) <= 80, "a terminal would break a line of the table"


# ---------------------------------------------------------------- examples

def lines_of(name, ids, text, answer, **more):
    lines = []
    for i, id in enumerate(ids):
        lines.append({"set": name, "id": id, "text": text.replace("{}", str(i)), "answer": answer} | more)
    return lines


def test_examples_show_both_directions_with_texts_and_picks(tmp_path, capsys):
    results = basic()
    for c, picks in zip(results["cells"], (0, 1, 0)):
        c["benchmarks"]["facts"]["picks"] = " ".join([str(picks)] * 100)
    ids = results["items"]
    run = write(tmp_path / "run", results, lines_of("test", ids["t100"], "Question {}?", answer="42")
                + lines_of("facts", ids["b100"], "Context {}", 0, options=["red", "blue"]))
    for c in results["cells"]:
        (run / c["folder"]).mkdir()
        answers = [{"split": "test", "id": id, "sample": 0, "text": f"{c['method']} says {i}"}
                   for i, id in enumerate(ids["t100"])]
        (run / c["folder"] / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    said, _ = made(capsys, run)
    block = said[said.index("#### SFT, the task: wrong before, right now"):].split("```")[1]
    for line in (r"question +Question 50\?", "base +base says 50", "SFT +sft says 50"):
        assert re.search(line, block)
    assert said.count("item     test t100-5") == 6 and "#### SFT, the task: right before" not in said
    block = said[said.index("#### SFT, benchmarks: right before, wrong now"):].split("```")[1]
    for line in ("context +Context 55", "right +A  red", "base +A  red", "SFT +B  blue"):
        assert re.search(line, block)


def test_without_texts_the_report_says_so(tmp_path, capsys):
    assert "The items' texts are not there" in made(capsys, write(tmp_path / "run", basic()))[0]


def test_other_peoples_text_cannot_break_the_document(tmp_path, capsys):
    evil = "fine\n```\n# Heading\n<script>|x|\n````\n\x1b[2J\u202egold     41\ud800" + "x" * 5000
    results = basic() | {"task": "a|b `c` <i>", "notes": ["# note | [x](y)\nnext"], "model": "*m*"}
    run = write(tmp_path / "run", results, lines_of("test", results["items"]["t100"], evil, evil))
    (run / "sft-lr0.0003-e2-s0").mkdir()
    (run / "sft-lr0.0003-e2-s0" / "answers.jsonl").write_text("".join(
        json.dumps({"split": "test", "id": f"t100-{i}", "text": evil}) + "\n" for i in range(100)))
    said, rows = made(capsys, run)
    ticks, outside = None, []
    for line in said.splitlines():                       # as CommonMark reads fences
        if ticks is None and re.match("`{3,}", line):
            ticks = re.match("`+", line)[0]
        elif ticks is None:
            outside.append(line)
        elif re.fullmatch(" {0,3}`{%d,} *" % len(ticks), line):
            ticks = None
    assert ticks is None and not any("Heading" in line or "script" in line for line in outside)
    assert max(len(line) for line in said.splitlines()) < 700
    assert "\x1b" not in said and "\u202e" not in said
    assert "a\\|b \\`c\\` \\<i\\>" in said and "- \\# note | \\[x\\](y) next" in outside
    assert len({len(r) for r in rows[:5]}) == 1, "a name with a bar in it is one column"
    assert not re.search("^gold +41", said, re.M), "no line of an answer can pose as a label"


# ---------------------------------------------------------------- several runs

def split_runs(tmp_path, **more):
    whole = basic()
    a, b = ([c for c in whole["cells"] if c["method"] in ("base", m)] for m in ("sft", "s3ft"))
    return write(tmp_path / "A", result(a)), write(tmp_path / "B", result(b, **more))


def test_runs_of_one_task_are_pooled(tmp_path, capsys):
    said, rows = made(capsys, *split_runs(tmp_path))
    alone, _ = made(capsys, write(tmp_path / "whole", basic()))
    assert (tmp_path / "A" / "report" / "report.md").is_file() and "S3FT - SFT, task: +10.0 points" in said
    cut = lambda text: text[text.index("### Gain"):text.index("report: ")]
    assert cut(said) == cut(alone), "as if both methods stood in one run"


def test_a_method_of_two_runs_bears_its_runs_name(tmp_path, capsys):
    a, b = write(tmp_path / "A", basic()), basic(sft=64)
    b["settings"]["epochs"] = 5
    said, rows = made(capsys, a, write(tmp_path / "B", b), out=tmp_path / "out")
    assert {r[0] for r in rows if len(r) == 6} >= {"base", "SFT (A)", "SFT (B)", "S3FT (A)"}
    assert "settings differ in epochs: 2 in A, 5 in B" in said


def test_runs_of_several_tasks_end_with_the_papers_tables(tmp_path, capsys):
    nq = basic() | {"task": "tiny-nq", "task_name": "nq"}
    said, _ = made(capsys, write(tmp_path / "A", basic()), write(tmp_path / "B", nq))
    places = [said.index(text) for text in ("## tiny-gsm8k on", "## tiny-nq on", "Table 2:", "Table 4:")]
    assert places == sorted(places)


def test_a_missing_seed_is_named_and_left_out(tmp_path, capsys):
    said, _ = made(capsys, write(tmp_path / "A", basic(3)), write(tmp_path / "B", basic(2, sft=64)))
    assert "B lacks seed 2: compared over seeds 0, 1" in said
    other = basic()
    for c in other["cells"]:
        c["seed"] = 7
    other["settings"]["seeds"] = [7]
    assert "A and C have no seed in common" in refused(tmp_path / "A", write(tmp_path / "C", other))


def test_runs_that_cannot_be_compared_are_refused_by_name(tmp_path):
    a = write(tmp_path / "A", basic())
    b = write(tmp_path / "B", basic() | {"model": "other"})
    assert "A and B are of one task but of two models (a model, other)" in refused(a, b)
    b = basic()
    b["cells"][0]["test"] |= score(40, 80, "t80")
    said = refused(a, write(tmp_path / "B", b))
    assert "A/base-s0 and B/base-s0 were measured on other items of the test:" in said
    b = basic()
    b["cells"][2]["benchmarks"]["facts"] |= {"ids": "others"}
    said = refused(a, write(tmp_path / "B", b))
    assert "A/base-s0 and B/s3ft-lr0.0003-e2-s0 were measured on other items of the benchmark facts:" in said
    b = basic()
    b["identity"]["data"] = "other"
    assert "A and B were made from other data files" in refused(a, write(tmp_path / "B", b))


# ---------------------------------------------------------------- what a user can mend

def test_a_folder_that_is_no_whole_run_is_one_line(tmp_path):
    assert "nowhere does not exist" in refused(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_text("no run\n")
    assert "notes.md is no run's folder and no file of cells" in refused(tmp_path / "notes.md")
    write(tmp_path / "all" / "gsm8k", basic())
    expected = f"all is no run's folder and no file of cells; name one: {tmp_path / 'all' / 'gsm8k'}"
    assert expected in refused(tmp_path / "all")
    run = write(tmp_path / "run", basic())
    for content, why in (("{", "damaged"), ("[]", "damaged"), ('{"format": 2, "cells": 3}', "damaged"),
                         ('{"task": "x"}', "another version")):
        (run / "results.json").write_text(content)
        said = refused(run)
        assert why in said and str(run) in said and "give the run's command again" in said
    (run / "results.json").unlink()
    assert "the run is not finished, it has no results.json; give the run's command again" in refused(run)
    results = basic()
    del results["cells"][0]
    assert "damaged" in refused(write(run, results)), "the base model's cell is lacking"
    results = basic()
    results["cells"][1]["test"]["right"] = ""
    assert "damaged" in refused(write(run, results))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be read or written .*--out FOLDER"):
        report.report([write(tmp_path / "run", basic())], tmp_path / "file")


def test_intervals_over_seeds_hold_the_truth_as_often_as_they_promise():
    """A few hundred of the simulated comparisons of check_intervals.py."""
    rng = np.random.default_rng(1)
    for seeds, sd in ((3, 0.007), (6, 0.03)):
        assert 0.90 <= check_intervals.coverage(rng, seeds, sd, 300, items=300) <= 0.99
    share = check_intervals.coverage(rng, 1, 0.03, 50, items=1000)
    assert share < 0.9, "one seed's interval leaves the seeds out, as it says"
