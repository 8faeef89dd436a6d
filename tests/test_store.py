"""The store: rows are made once, found by their key, never replaced; chunks are whole or not there."""
import pytest

from data.run.store import Store

SAMPLED = {"the weights": "w1", "the settings": "s1"}


def wanted(*numbers, prompt="p"):
    return [(f"row {n}", f"{prompt}{n}", n) for n in numbers]


class Maker:
    """Makes a row of each job, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, jobs, progress):
        self.asked.append(list(jobs))
        progress(len(jobs))
        return [{"square": n * n} for n in jobs]


def squares(rows):
    return [row["square"] for row in rows]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model" / "rows.jsonl"


def test_rows_are_made_once_in_chunks_and_come_in_the_order_asked_for(path):
    make = Maker()
    assert squares(Store(path).rows("squares", wanted(1, 2, 3, 4, 5), SAMPLED, make, chunk=2)) == [1, 4, 9, 16, 25]
    assert make.asked == [[1, 2], [3, 4], [5]]
    again = Store(path)
    assert squares(again.rows("squares", wanted(5, 1, 6), SAMPLED, make)) == [25, 1, 36]
    assert make.asked[3:] == [[6]] and all(row["seconds"] >= 0 for row in again.by_key.values())


def test_other_settings_stand_beside_and_going_back_finds_the_old_rows(path):
    make, store = Maker(), Store(path)
    store.rows("squares", wanted(1, 2), SAMPLED, make)
    other = SAMPLED | {"the settings": "s2"}
    assert len(store.missing(wanted(1, 2), other)) == 2
    store.rows("squares", wanted(1, 2), other, make)
    before = path.read_bytes()
    Store(path).rows("squares", wanted(1, 2), SAMPLED, make)
    assert len(make.asked) == 2 and path.read_bytes() == before


def test_only_what_changed_is_given_as_the_reason(path):
    store = Store(path)
    store.rows("squares", wanted(1, 2), SAMPLED, Maker())
    hotter = SAMPLED | {"the settings": "hot"}
    why = store.what_changed(store.missing(wanted(1, 2, 3), hotter), hotter)
    assert why == "2 of 3 are made again, because the settings changed"
    asked_otherwise = wanted(1, 3, prompt="q")
    assert store.what_changed(asked_otherwise, SAMPLED) == "1 of 2 are made again, because the prompts changed"
    assert store.what_changed(wanted(7), SAMPLED) == "", "a row that was never there is not made again"


def test_a_chunk_that_fails_is_not_there_and_those_before_it_are(path):
    def fails_at_three(jobs, progress):
        if 3 in jobs:
            raise KeyboardInterrupt
        return [{"square": n * n} for n in jobs]
    with pytest.raises(KeyboardInterrupt):
        Store(path).rows("squares", wanted(1, 2, 3, 4), SAMPLED, fails_at_three, chunk=2)
    make = Maker()
    assert squares(Store(path).rows("squares", wanted(1, 2, 3, 4), SAMPLED, make, chunk=2)) == [1, 4, 9, 16]
    assert make.asked == [[3, 4]]


@pytest.mark.parametrize("cut", [2, 20, 100])
def test_a_chunk_that_was_cut_off_is_made_again_whole_and_the_next_one_is_readable(path, capsys, cut):
    make = Maker()
    Store(path).rows("squares", wanted(1, 2, 3, 4), SAMPLED, make, chunk=2)
    path.write_bytes(path.read_bytes()[:-cut])
    store = Store(path)
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 1 and "1 damaged" in said and str(path) in said
    assert squares(store.rows("squares", wanted(1, 2, 3, 4), SAMPLED, make)) == [1, 4, 9, 16]
    assert make.asked[2:] == [[3, 4]]
    assert squares(Store(path).rows("squares", wanted(1, 2, 3, 4), SAMPLED, make)) == [1, 4, 9, 16]
    assert len(make.asked) == 3


@pytest.mark.parametrize("damage", [
    lambda line: line.replace('"square": 4', '"square": 5'), lambda line: line.replace('"format": 1', '"format": 0'),
    lambda line: "[" + line + "]", lambda line: "5", lambda line: line.replace("w1", "w2", 1)],
    ids=["a number", "another version", "a list", "no object", "what it was made from"])
def test_a_line_that_was_edited_by_hand_is_never_believed(path, capsys, damage):
    make = Maker()
    Store(path).rows("squares", wanted(2), SAMPLED, make)
    path.write_text(damage(path.read_text()))
    assert squares(Store(path).rows("squares", wanted(2), SAMPLED, make)) == [4] and len(make.asked) == 2
    assert "damaged" in capsys.readouterr().out


def test_rows_that_are_made_are_as_many_as_jobs(path):
    with pytest.raises(ValueError):
        Store(path).rows("squares", wanted(1, 2), SAMPLED, lambda jobs, progress: [{}])
    assert not path.exists()


def test_a_store_that_only_plans_writes_nothing(path):
    store = Store(path, read_only=True)
    assert squares(store.rows("squares", wanted(3), SAMPLED, Maker())) == [9] and not path.exists()


def test_texts_of_any_kind_come_back(path):
    text = "half a \ud800, a line\nand \u2028 another"
    Store(path).rows("texts", wanted(1), SAMPLED, lambda jobs, progress: [{"text": text}])
    [row] = Store(path).there(wanted(1), SAMPLED)
    assert row["text"] == text
