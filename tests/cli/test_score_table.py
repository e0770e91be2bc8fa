from audio_judge.cli.score_table import ScoreTable
from audio_judge.rubrics.rubric import HUNDRED, get_rubric


class TestTable:
    def test_other_scale_for_all(self):
        assert "from 0 to 100; 100 is best" in ScoreTable([], [get_rubric("mos")], HUNDRED).legend()

    def test_scales_of_their_own(self):
        table = ScoreTable([], [get_rubric("mos"), get_rubric("production_quality"), get_rubric("speech_rate")])
        assert "Each rubric has its own scale; best are:\nmos 5 = excellent, production_quality 10 = " in table.legend()
        assert "speech_rate 3 = " in table.legend()
