import pytest
from shell import folder  # noqa: F401

from audio_judge.cli.main import main
from audio_judge.corpora import CORPORA
from audio_judge.rubrics.rubric import ALL_RUBRICS


class TestLs:
    LISTS = (
        ("rubrics", ALL_RUBRICS),
        ("tasks", ["score", "profile", "explain"]),
        ("corpora", CORPORA),
        ("questions", ["noise", "fake"]),
    )

    @pytest.mark.parametrize(("what", "names"), LISTS)
    def test_one_line_each(self, capsys, what, names):
        assert main(["ls", what]) == 0
        listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
        assert set(names) <= set(listed)

    def test_rubrics_have_their_directions(self, capsys):
        main(["ls", "rubrics"])
        found = {line.split()[0]: line.split()[2] for line in capsys.readouterr().out.splitlines()}
        assert (found["mos"], found["speech_rate"], found["reverberation"]) == ("higher", "middle", "lower")
