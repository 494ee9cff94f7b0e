import json
import sys

import pytest

from training import compare


def log(path, losses):
    lines = [{"event": "start"}, *({"step": step, "loss": loss} for step, loss in losses)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    with pytest.raises(SystemExit) as ended:
        compare.main()
    return ended.value.code


def test_losses_near_enough_are_a_repeated_training(tmp_path, monkeypatch, capsys):
    one = log(tmp_path / "one", [(1, 5.0), (2, 4.0), (3, 9.0)])
    other = log(tmp_path / "other", [(1, 5.0), (2, 4.02), (3, 1.0)])
    assert run(monkeypatch, one, other, "--steps", "2") == 0
    assert "1 the same to the last digit" in capsys.readouterr().out
    assert run(monkeypatch, one, other, "--steps", "3") == 1


def test_a_log_that_is_too_short_tells_nothing(tmp_path, monkeypatch):
    one, other = log(tmp_path / "one", [(1, 5.0), (2, 4.0)]), log(tmp_path / "other", [(1, 5.0)])
    assert "only 1 of 2" in run(monkeypatch, one, other, "--steps", "2")


def test_of_a_step_taken_twice_the_last_time_counts(tmp_path):
    assert compare.losses(log(tmp_path / "one", [(1, 5.0), (1, 6.0)]), 10) == {1: 6.0}
