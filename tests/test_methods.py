"""The pages of the family: each seam on a case that was worked out by hand."""
import copy
import functools
import json
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

import model
import s3ft
from data import TINY, cli, methods
from data.cli.ending import guard
from data.files import code_of
from data.methods import PAGES, delift, dft, grape, ia3, mask, promot, rft, shortest, study, ual
from data.methods.base import token_logprobs
from data.methods.method import Method, complete
from data.report import gather, table
from data.run import plan
from data.tasks import load_task


@pytest.fixture(scope="module")
def tiny():
    lm, tokenizer = model.load(TINY, "cpu", torch.float32)
    task = load_task("gsm8k", TINY)
    golds = [s3ft.make_target(tokenizer, task, s3ft.Choice(e, "gold", None)) for e in task.load("train")[:6]]
    return lm, tokenizer, task, golds


def attempt(text, ids=(1, 2, 3), logprob=-1.0):
    return {"id": "train-1", "text": text, "ids": list(ids), "logprob": logprob}


def target(prompt=(5, 6), ids=(7, 8, 9), id="a"):
    return s3ft.Target(id, "gold", list(prompt), list(ids))


# ---------------------------------------------------------------- choice

def test_rft_keeps_one_attempt_for_each_list_of_steps_and_its_control_repeats_the_first():
    accepted = [attempt("First, 2 + 3 = 5. Then 5 * 2 = 10. The answer is 10."),
                attempt("We see 2+3=5 and so 5*2=10. The answer is 10."),
                attempt("2 * 5 = 10. The answer is 10.")]
    assert rft.different_steps(accepted) == [accepted[0], accepted[2]]
    assert rft.repeated(accepted) == [accepted[0], accepted[0]]


def test_grape_takes_the_likeliest_per_token_not_the_likeliest_in_sum():
    long, short = attempt("a", ids=range(9), logprob=-2.0), attempt("b", ids=range(3), logprob=-1.0)
    assert grape.likeliest([short, long]) == [long]         # -0.2 a token against -0.25
    assert grape.at_random([short, long]) == grape.at_random([short, long])
    assert shortest.shortest([long, short]) == [short]


def test_a_rule_of_choice_sees_accepted_attempts_alone_and_may_take_several(tiny):
    lm, tokenizer, task, golds = tiny
    [example] = task.load("train")[:1]
    right, wrong = f"The answer is {task.gold(example).split()[-1].strip('.')}.", "The answer is 987654."
    tries = [attempt(wrong) | {"finish_reason": "end"}, attempt(right) | {"finish_reason": "end"},
             attempt(right + " ") | {"finish_reason": "length"}, attempt(right) | {"finish_reason": "end"}]
    seen = []

    def all_of(accepted):
        seen.extend(accepted)
        return accepted
    chosen = s3ft.choose_targets(("own", "gold"), [example], task, lambda kind, some: {example.id: tries}, all_of)
    assert seen == [tries[1], tries[3]] and [c.attempt for c in chosen] == seen


def test_where_a_rule_takes_none_the_next_source_has_its_turn(tiny):
    lm, tokenizer, task, golds = tiny
    [example] = task.load("train")[:1]
    right = attempt(f"The answer is {task.gold(example).split()[-1].strip('.')}.") | {"finish_reason": "end"}
    chosen = s3ft.choose_targets(("own", "gold"), [example], task, lambda kind, some: {example.id: [right]},
                                 lambda accepted: [])
    assert [choice.source for choice in chosen] == ["gold"]


@pytest.mark.parametrize("rule", [lambda accepted: None, lambda accepted: accepted[0]], ids=["no return", "no list"])
def test_a_rule_that_returns_no_list_is_told_so_and_trains_on_no_gold_instead(tiny, rule):
    lm, tokenizer, task, golds = tiny
    [example] = task.load("train")[:1]
    right = attempt(f"The answer is {task.gold(example).split()[-1].strip('.')}.") | {"finish_reason": "end"}
    with pytest.raises(AssertionError, match="returns a list of accepted attempts"):
        s3ft.choose_targets(("own", "gold"), [example], task, lambda kind, some: {example.id: [right]}, rule)


@pytest.mark.parametrize("rule", [lambda targets: targets[1:], lambda targets: targets[::-1]], ids=["fewer", "turned"])
def test_weights_that_come_with_other_targets_are_told_so(tiny, rule):
    lm, tokenizer, task, golds = tiny
    run = SimpleNamespace(tokenizer=tokenizer, verdicts=task, logprobs_of=None)
    row = Method(("gold",), weights=lambda targets, logprobs, failed: rule(targets), samples=1, temperature=0.0)
    with pytest.raises(AssertionError, match="the same targets, with other weights"):
        s3ft.targets_of(run, task, row, task.load("train")[:3], 0, 40)


# ---------------------------------------------------------------- weights and losses

def test_the_mask_is_the_weight_of_every_token():
    assert target().weights == [0, 0, 1, 1, 1]


def test_tokens_of_perplexity_above_two_and_a_half_carry_no_loss_and_the_control_masks_as_many():
    logprobs = {7: -0.1, 8: -math.log(2.4), 9: -math.log(2.6)}
    asked = []

    def base(pairs):
        asked.extend(pairs)
        return [[logprobs[token] for token in ids] for _, ids in pairs]
    [masked] = mask.surprising_masked([target()], base, None)
    assert masked.weights == [0, 0, 1, 1, 0] and asked == [([5, 6], [7, 8, 9])]
    [random] = mask.random_masked([target()], base, None)
    assert random.weights[:2] == [0, 0] and sum(random.weights) == 2


def test_tokens_without_weight_are_not_learnt_and_do_not_count(tiny):
    lm, _, _, golds = tiny
    whole, n = s3ft.target_loss(lm, golds[:1])
    half = copy.copy(golds[0])
    kept = len(half.ids) // 2
    half.weights = [0.0] * len(half.prompt_ids) + [1.0] * kept + [0.0] * (len(half.ids) - kept)
    loss, m = s3ft.target_loss(lm, [half])
    logprobs = token_logprobs(lm, [(half.prompt_ids, half.ids)])[0]["logprobs"]
    assert (n, m) == (len(half.ids), kept)
    assert loss.item() == pytest.approx(-sum(logprobs[:kept]), rel=1e-4)
    assert whole.item() == pytest.approx(-sum(logprobs), rel=1e-4)


def test_a_step_without_any_weight_moves_nothing(tiny):
    lm, targets = copy.deepcopy(tiny[0]), [copy.copy(t) for t in tiny[3][:3]]
    for one in targets:
        one.weights = [0.0] * len(one)
    assert s3ft.finetune(lm, targets, targets[0].ids[-1], s3ft.Training(lr=1e-2, epochs=1, batch=3)) == [0.0]
    assert all(torch.equal(p, q) for p, q in zip(lm.parameters(), tiny[0].parameters()))


def test_a_loss_over_the_prompt_is_weights_of_one(tiny):
    lm, _, _, golds = tiny
    everything = copy.copy(golds[0])
    everything.weights = [1.0] * len(everything)
    ids = torch.tensor([everything.prompt_ids + everything.ids])
    expected = F.cross_entropy(lm(ids)[0, :-1], ids[0, 1:], reduction="sum")
    loss, n = s3ft.target_loss(lm, [everything])
    assert n == ids.size(1) - 1 and loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_dft_weighs_a_token_by_its_probability_as_a_constant():
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]).log().requires_grad_()
    wanted, weights = torch.tensor([0, 1]), torch.ones(2)
    loss = dft.weighted_by_belief(logits, wanted, weights)
    assert loss.item() == pytest.approx(-0.5 * math.log(0.5) - 0.1 * math.log(0.1), rel=1e-5)
    loss.backward()
    # that of cross-entropy, p - onehot, times p of the wanted token
    expected = torch.tensor([[0.5 - 1, 0.3, 0.2], [0.1, 0.1 - 1, 0.8]]) * torch.tensor([[0.5], [0.1]])
    assert torch.allclose(logits.grad, expected, atol=1e-6)


def test_ual_smooths_by_the_share_of_failed_answers_and_its_control_by_the_mean():
    golds = [target(id="easy"), target(id="hard")]

    def failed():
        return {"easy": 0.0, "hard": 0.5}
    easy, hard = ual.by_failures(golds, None, failed)
    assert easy.weights == [0, 0, 1, 1, 1] and hard.weights == pytest.approx([0, 0, 0.95, 0.95, 0.95])
    assert [t.weights[-1] for t in ual.evenly(golds, None, failed)] == pytest.approx([0.975, 0.975])
    logits, wanted = torch.randn(3, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 6])
    loss = ual.smoothed_loss(logits, wanted, torch.tensor(hard.weights[2:]))
    assert loss.item() == pytest.approx(
        F.cross_entropy(logits, wanted, label_smoothing=0.05, reduction="sum").item(), rel=1e-5)


# ---------------------------------------------------------------- examples

def test_delift_covers_the_gains_of_three_examples():
    assert delift.distance([math.log(0.5), 0.0]) == pytest.approx(math.sqrt(0.25 / 2))
    # row j: how much j helps with 0, 1, 2. First 1, which adds 7; then 2, which adds 2, where 0 adds 1.
    gains = [[5, 0, 0], [4, 2, 1], [0, -3, 3]]
    assert delift.cover(gains, 2) == [1, 2]


def test_delift_asks_for_every_example_alone_and_behind_every_other():
    golds = [target((1,), (10,), "a"), target((2,), (20,), "b"), target((3,), (30,), "c")]

    def base(pairs):
        # "b" helps with everything: behind it every gold is sure; else p = 0.5
        return [[0.0 if len(prompt) > 1 and prompt[1] == 20 else math.log(0.5)] * len(ids) for prompt, ids in pairs]
    assert delift.most_useful(golds, base) == ["b"]
    assert len(delift.any_examples(golds, None)) == 1


# ---------------------------------------------------------------- parameters

def phases(page, lm, targets, settings=s3ft.Training(lr=1e-2, epochs=1, batch=3)):
    """Train the phases of a page -> for each the names of the parameters that moved in it."""
    moved = []
    for its_targets, its_settings in PAGES[page].parameters(lm, targets, settings):
        before = {name: p.detach().clone() for name, p in lm.named_parameters()}
        s3ft.finetune(lm, its_targets, targets[0].ids[-1], its_settings)
        moved.append({name for name, p in lm.named_parameters() if not torch.equal(p, before[name])})
    return moved


def test_bitfit_moves_norms_and_nothing_else(tiny):
    lm = copy.deepcopy(tiny[0])
    [moved] = phases("bitfit", lm, tiny[3])
    assert moved == {name for name, _ in lm.named_parameters() if name.endswith("norm.weight")}
    assert all(p.requires_grad for p in lm.parameters())


def test_ia3_moves_its_vectors_and_folds_them_into_the_weights(tiny):
    lm = copy.deepcopy(tiny[0])
    ids = torch.tensor([tiny[3][0].prompt_ids])
    generator = ia3.scales(lm, tiny[3], s3ft.Training(lr=1e-2, epochs=1))
    targets, settings = next(generator)
    assert torch.equal(lm(ids), tiny[0](ids))               # ones change nothing
    s3ft.finetune(lm, targets, targets[0].ids[-1], settings)
    moved = {name for name, p in lm.named_parameters() if p.requires_grad}
    assert len(moved) == 3 * lm.config.num_hidden_layers and all(name.endswith("scale") for name in moved)
    scaled = lm(ids)
    assert next(generator, None) is None
    assert set(lm.state_dict()) == set(tiny[0].state_dict())
    assert (scaled - tiny[0](ids)).abs().max() > 0.01 and torch.allclose(lm(ids), scaled, atol=1e-4)


def test_ia3_scales_keys_by_hand():
    layer = torch.nn.Linear(2, 3, bias=True)
    scaled = ia3.Scaled(copy.deepcopy(layer))
    scaled.scale.data = torch.tensor([2.0, 0.0, -1.0])
    x = torch.tensor([[1.0, -2.0]])
    by_hand = layer(x) * torch.tensor([2.0, 0.0, -1.0])
    assert torch.allclose(scaled(x), by_hand) and torch.allclose(scaled.folded()(x), by_hand)
    narrow = ia3.Scaled(copy.deepcopy(layer), inputs=True)
    narrow.scale.data = torch.tensor([3.0, 0.5])
    by_hand = layer(torch.tensor([[3.0, -1.0]]))
    assert torch.allclose(narrow(x), by_hand) and torch.allclose(narrow.folded()(x), by_hand)


def test_adapters_begin_as_nothing_and_only_they_move(tiny):
    lm = copy.deepcopy(tiny[0])
    ids = torch.tensor([tiny[3][0].prompt_ids])
    [moved] = phases("adapter", lm, tiny[3])
    assert moved and all(".up." in name or ".down." in name for name in moved)
    fresh = copy.deepcopy(tiny[0])
    next(PAGES["adapter"].parameters(fresh, tiny[3], s3ft.Training(lr=1e-3)))
    assert torch.equal(fresh(ids), tiny[0](ids)) and not torch.equal(lm(ids), tiny[0](ids))


def test_promot_trains_the_soft_prompt_then_the_model_and_cuts_the_prompt_off(tiny):
    lm = copy.deepcopy(tiny[0])
    embedding, vocabulary = lm.model["embed_tokens"], lm.config.vocab_size
    generator = PAGES["promot"].parameters(lm, tiny[3], s3ft.Training(lr=1e-3, epochs=1))
    targets, settings = next(generator)
    assert settings.lr == promot.PROMPT_RATE and targets[0].prompt_ids[0] == vocabulary
    assert len(targets[0].weights) == len(targets[0])
    before = {name: p.detach().clone() for name, p in lm.named_parameters()}
    s3ft.finetune(lm, targets, targets[0].ids[-1], settings)
    moved = {name for name, p in lm.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"model.embed_tokens.weight"}
    assert torch.equal(embedding.weight[:vocabulary], before["model.embed_tokens.weight"][:vocabulary])
    soft = embedding.weight[vocabulary:].detach().clone()
    targets, settings = next(generator)
    s3ft.finetune(lm, targets, targets[0].ids[-1], settings)
    assert torch.equal(embedding.weight[vocabulary:], soft) and settings.lr == 1e-3
    assert next(generator, None) is None
    assert embedding.weight.shape == before["model.embed_tokens.weight"][:vocabulary].shape
    assert not torch.equal(embedding.weight, before["model.embed_tokens.weight"][:vocabulary])


# ---------------------------------------------------------------- rows

def options_of(*more):
    return cli.parse(["--task", "gsm8k", *more], s3ft.METHODS | PAGES, s3ft.SOURCES)


def test_a_row_says_for_itself_what_the_options_say_for_others():
    options = options_of("--methods", "s3ft,rft,ia3", "--lr", "1e-3")
    plain, rft_row = complete("s3ft", s3ft.METHODS["s3ft"], options), complete("rft", PAGES["rft"], options)
    assert plain == Method(("own", "paraphrase", "gold"), rates=(1e-3,), samples=1, temperature=0.0)
    assert (rft_row.samples, rft_row.temperature, rft_row.rates) == (8, 0.7, (1e-3,))
    assert complete("ia3", PAGES["ia3"], options).rates == (1e-3, 3e-3, 1e-2)


def test_rows_that_choose_parameters_refuse_lora_in_one_line():
    with pytest.raises(s3ft.UserError, match="ia3 chooses the parameters"):
        complete("ia3", PAGES["ia3"], options_of("--methods", "ia3", "--lora", "4"))


def test_two_rows_of_one_name_are_one_line(monkeypatch):
    monkeypatch.setitem(methods.ROWS_OF, "mine", {"s3ft": Method(("own",))})
    with pytest.raises(s3ft.UserError, match="data/methods/mine.py: s3ft.py has a row 's3ft' already"):
        methods.with_pages(s3ft.METHODS)
    monkeypatch.setitem(methods.ROWS_OF, "mine", {"shortest": Method(("own",))})
    with pytest.raises(s3ft.UserError, match="data/methods/mine.py: shortest.py has a row 'shortest' already"):
        methods.with_pages(s3ft.METHODS)


def test_a_key_holds_a_page_and_the_pages_that_it_imports_and_no_others():
    def code(*pages):
        return sorted(code_of(page) for page in pages)

    assert methods.page_code(dft.weighted_by_belief, None) == code(dft)
    assert methods.page_code(ual.smoothed_loss) == code(ual, mask)          # with_weights is mask's
    assert methods.page_code(grape.likeliest, rft.repeated) == code(grape, rft)


@pytest.mark.parametrize("line", ["from data.methods import mask", "from data.methods.mask import with_weights as w",
                                  "import data.methods.mask", "from .mask import with_weights", "from . import mask"])
def test_a_page_is_seen_however_it_is_imported(tmp_path, line):
    page = tmp_path / "own.py"
    page.write_text(f'"""Like dft.py."""\nimport random\n\n{line}     # not grape\n')
    assert [path.name for path in methods.imported_pages(page)] == ["mask.py"]


def test_every_page_has_a_line_in_the_readme():
    text = (TINY.parent / "methods" / "README.md").read_text()
    assert [name for name in PAGES if f"`{name}`" not in text] == []


# ---------------------------------------------------------------- whole runs

SMALL = ["--task", "gsm8k", "--limit", "6", "--test-limit", "2", "--benchmarks", "none", "--epochs", "1",
         "--batch", "3", "--max-new-tokens", "40", "--dtype", "float32", "--validation-limit", "1"]
OF_EACH_SEAM = "rft,ssd,mask,ual,dft,bitfit,ia3,adapter,promot,delift"


def run(out, methods, *more):
    assert guard(lambda: s3ft.main([*SMALL, "--methods", methods, "--out", str(out), *more])) == 0
    return json.loads((out / "results.json").read_text())


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    out = tmp_path_factory.mktemp("family")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3})
        yield out, run(out, OF_EACH_SEAM)


def test_rows_of_every_seam_stand_in_one_table_with_their_own_rates(family):
    _, results = family
    cells = {(cell["method"], cell["lr"]) for cell in results["cells"]}
    assert {("ia3", 3e-3), ("ia3", 1e-2), ("mask", 3e-4), ("promot", 3e-4)} <= cells and ("mask", 3e-3) not in cells
    losses = {cell["method"]: cell["curve"] for cell in results["cells"] if cell["method"] != "base"}
    assert len(losses["promot"]) == 2 * len(losses["bitfit"])           # two phases
    assert len(losses["delift"]) == 1                                   # 2 of 6 examples
    assert "attempts a question: rft 8 at temperature 0.7, ual 8 at temperature 0.7; all others 1 at 0" in (
        " ".join(table.final_table(results).split()))


def test_the_report_compares_rows_that_sample_otherwise(family, tmp_path, capsys):
    out, _ = family
    for source in (out, out / "cells.jsonl"):
        assert guard(lambda: s3ft.main(["--report", str(source), "--out", str(tmp_path / "report")])) == 0
        said = capsys.readouterr().out
        assert all(name in said for name in OF_EACH_SEAM.split(",")) and "made with other" not in said


def test_attempts_of_every_sampling_are_written_and_the_options_are_counted(family):
    out, results = family
    settings = {(a["settings"]["samples"], a["settings"]["temperature"])
                for a in map(json.loads, (out / "attempts.jsonl").read_text().splitlines())}
    assert settings == {(1, 0.0), (8, 0.7)}
    assert sum(number for _, number in results["verdicts"]["own"].values()) == 6        # one greedy attempt each


def test_log_probabilities_come_in_the_order_of_the_tokens_wherever_the_prompt_ends(tiny):
    lm, _, _, golds = tiny
    ids = golds[0].prompt_ids + golds[0].ids
    late, early = (token_logprobs(lm, [(ids[:40], ids[40:]), (ids[:5], ids[5:])])[i]["logprobs"] for i in (0, 1))
    alone = token_logprobs(lm, [(ids[:5], ids[5:])])[0]["logprobs"]
    assert early == pytest.approx(alone, abs=1e-3) and late == pytest.approx(alone[35:], abs=1e-3)


def test_readings_keep_nothing_for_a_backward_pass(tiny, monkeypatch):
    lm, _, _, golds = tiny
    seen = []
    head = lm.head
    monkeypatch.setattr(lm, "head", lambda hidden: seen.append(hidden.requires_grad) or head(hidden))
    token_logprobs(lm, [(golds[0].prompt_ids, golds[0].ids)])
    assert seen and not any(seen)


def test_several_greedy_attempts_are_refused_in_one_line():
    with pytest.raises(s3ft.UserError, match="mine samples 8 attempts, which at temperature 0"):
        complete("mine", Method(("own",), samples=8), options_of())


def test_a_seam_that_is_no_plain_function_is_refused_before_anything_is_made():
    with pytest.raises(s3ft.UserError, match="mine names .* no plain function; write one with def"):
        complete("mine", Method(("own",), choice=functools.partial(sorted, key=len)), options_of())


def test_a_second_start_makes_nothing_and_an_edited_page_its_own_rows_alone(family, monkeypatch, capsys):
    out, results = family
    capsys.readouterr()
    monkeypatch.setattr(s3ft, "finetune", None)                         # nothing is trained
    again = run(out, OF_EACH_SEAM)
    assert "all cells are there" in capsys.readouterr().out
    assert [cell["curve"] for cell in again["cells"][1:]] == [cell["curve"] for cell in results["cells"][1:]]

    def another(logits, wanted, weights):
        return dft.weighted_by_belief(logits, wanted, weights) * 2
    monkeypatch.setitem(PAGES, "dft", Method(("gold",), loss=another))
    run(out, OF_EACH_SEAM, "--plan")
    said = [line for line in capsys.readouterr().out.splitlines() if "trained again" in line]
    assert len(said) == 1 and said[0].startswith("dft-") and "the code that trains changed" in said[0]


def test_a_training_of_two_phases_that_is_killed_in_the_second_ends_with_the_same_losses(family, tmp_path, monkeypatch):
    from data.run import training
    _, results = family
    monkeypatch.setattr(training, "EVERY", 0)                           # the state is written after every step
    monkeypatch.setattr(training, "SHARE", 0)
    real = training.Journal.step
    taken = []

    def killed(journal, losses, steps):
        real(journal, losses, steps)
        taken.append(journal.path.name)
        if taken == ["state.safetensors"] * 2 + ["state-2.safetensors"]:
            raise KeyboardInterrupt
    monkeypatch.setattr(training.Journal, "step", killed)
    command = [*SMALL, "--methods", "promot", "--out", str(tmp_path)]
    assert guard(lambda: s3ft.main(command)) == 130
    again = run(tmp_path, "promot")
    losses = [cell["curve"] for cell in results["cells"] if cell["method"] == "promot"]
    assert again["cells"][1]["curve"] == losses[0] and taken[3:] == ["state-2.safetensors"]
    assert not list(tmp_path.glob("models/*/state*"))


# ---------------------------------------------------------------- the two studies

def test_the_study_waits_for_all_seeds_and_then_says_what_the_earlier_one_says(monkeypatch):
    results = gather.gather_cells([TINY / "results" / "gsm8k.jsonl"])
    results["cells"] = [cell for cell in results["cells"] if cell["lr"] in (None, 1e-3)]
    assert study.selecting(results) == ["6 of 30 seeds are there; the test waits for all of them"]
    monkeypatch.setattr(study, "SEEDS", 6)
    lines = study.selecting(results)
    assert lines[0] == "primary, task, S3FT - SDFT: +2.6 points [-3.5, +8.8], 6 seeds: not shown"
    assert lines[1].startswith("mean drop, S3FT - SDFT: ") and lines[1].endswith(": described")


def test_the_family_has_every_row_beside_its_control():
    in_tables = {method for controls in study.SEAMS.values() for method in controls}
    elsewhere = {"raw", "own_only", "voice", "s3ft_number", "mine", "mine_random", "ssr"}
    assert in_tables | elsewhere == set(s3ft.METHODS) | set(PAGES)
    results = gather.gather_cells([TINY / "results" / "gsm8k.jsonl"])
    results["cells"] = [cell for cell in results["cells"] if cell["lr"] in (None, 1e-3)]
    *table_lines, _, last = study.family(results)
    rows = {line.split()[1]: line for line in table_lines}
    assert list(rows) == ["row", "---", "base", "SFT", "SDFT", "S3FT"]
    assert "+12.6 [+8.8, +16.4]" in rows["S3FT"], "S3FT - SFT, as data/tiny/results/README.md has it"
    assert last.startswith("fewer than 3 seeds are there of: ssd, rft") and "sdft" not in last


def test_the_readme_says_what_the_first_study_found():
    lines = study.selecting(study.cells_of("selecting"))
    assert lines[0] == "primary, task, S3FT - SDFT: +0.7 points [-0.6, +2.1], 30 seeds: not shown"
    readme = (study.RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert "**+0.7 [-0.6, +2.1]**" in readme


def test_the_readme_has_the_familys_table():
    table_lines = study.family(study.cells_of("family"))
    assert not any(line.startswith("fewer than") for line in table_lines), "three seeds of every row"
    readme = (study.RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert "\n".join(table_lines) in readme
