"""Edited code never shows the results of the old code, nor the old code those of the edited one. tests/check_edits.py tries every function."""
import pytest
from check_edits import copy_project, run

TUNE = "                    lm = trainable_model(base, sampler, settings)\n"
FREEZE = """                    for name, p in lm.named_parameters():
                        p.requires_grad_("norm" in name)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project, a small random model, a run's folder, and (results, trainings) of the run."""
    place = tmp_path_factory.mktemp("edits")
    project, model_folder = copy_project(place)
    results = run(project, model_folder, place / "run")
    assert results, "the run without any edit failed"
    return project, model_folder, place / "run", results


@pytest.mark.parametrize("before, after", [
    ("    left = (steps - step) / max(1, steps - warmup)", "    left = 0.5 * (steps - step) / max(1, steps - warmup)"),
    (TUNE, TUNE + FREEZE)],
    ids=["a line of learning_rate", "all but the norms frozen in the main flow"])
def test_an_edit_is_seen_and_taken_back_it_finds_the_old_results(finished, tmp_path, before, after):
    project, model_folder, out, (old, _) = finished
    source = (project / "s3ft.py").read_text()
    assert source.count(before) == 1, "the line that this test edits is not there any more"
    (project / "s3ft.py").write_text(source.replace(before, after))
    try:
        edited, trained = run(project, model_folder, out)
        fresh, _ = run(project, model_folder, tmp_path / "fresh")
    finally:
        (project / "s3ft.py").write_text(source)
    assert edited == fresh != old and trained
    assert run(project, model_folder, out) == [old, 0], "taken back, nothing is trained and the old results are shown"
