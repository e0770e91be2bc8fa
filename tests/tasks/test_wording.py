import pytest

from audio_judge.rubrics.rubric import ALL_RUBRICS, get_rubric
from audio_judge.tasks import Facts
from audio_judge.tasks.wording import in_words, score_in_words, truth_in_words


class TestScoreInWords:
    @pytest.mark.parametrize("name", ALL_RUBRICS)
    def test_the_level_stands_before_the_number_and_both_ends_are_named(self, name):
        rubric = get_rubric(name)
        low, high = score_in_words(name, rubric.low), score_in_words(name, rubric.high)
        assert low.startswith(f"{rubric.label}: {rubric.levels[0]} ({rubric.low:g};")
        assert high.startswith(f"{rubric.label}: {rubric.levels[-1]} ({rubric.high:g};")
        for text in (low, high):
            assert text.endswith(f"{rubric.low:g} is {rubric.levels[0]}, {rubric.high:g} is {rubric.levels[-1]})")

    def test_off_the_scale_is_an_error(self):
        with pytest.raises(ValueError, match="mos: 6"):
            score_in_words("mos", 6)


class TestInWords:
    def test_all_kinds_of_facts(self):
        facts = Facts(
            scores={"mos": 1.2},
            levels={"mos": "bad", "speech_rate": "slow"},
            causes={"packet_loss": ((0.5, 1.25), (2.0, 3.0)), "noise": ()},
            label="fake",
            verdicts={"noisiness": "A", "loudness": "tie"},
            distortions={"jitter": ()},
            areas=("distortion", "speech rate"),
        )
        assert in_words(facts).splitlines() == [
            "overall quality: bad (1.2; 1 is bad, 5 is excellent)",
            "speech rate: slow",
            "noisiness: A is better than B",
            "loudness: A and B are similar",
            "faults: packet loss (0.5 to 1.2 s and 2.0 to 3.0 s), noise",
            "distortions: jitter",
            "to be improved: distortion, speech rate",
            "the voice is fake",
        ]

    def test_no_fault_is_said_where_faults_are_known(self):
        assert in_words(Facts(causes={})) == "faults: none"
        assert in_words(Facts()) == ""


class TestTruthInWords:
    @pytest.mark.parametrize(
        ("truth", "words"),
        [
            ("mos 3", "mos 3"),
            (["mos 4"], '["mos 4"]'),
            ({"noisiness": 1.9}, "noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)"),
            (
                {"scores": {"noisiness": 1.9}, "std": {"noisiness": 0.5}, "votes": {"noisiness": 4}, "single": [1, 2]},
                "noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)",
            ),
            ({"causes": ["noise"]}, "faults: noise"),
            ({"causes": []}, "faults: none"),
            ({"causes": None}, ""),
            ({"distortions": {"jitter": [[0, 1.5]]}}, "distortions: jitter (0.0 to 1.5 s)"),
            ({"preferences": {"mos": "B"}, "answer": "B is clear."}, "overall quality: B is better than A\n"
             "reference answer: B is clear."),
            ({"is_real": False}, "the voice is fake"),
            ({"rubrics": ["speech_rate"], "levels": {"speech_rate": "fast"}}, "speech rate: fast"),
            ({"areas": ["distortion"]}, "to be improved: distortion"),
            # What is no rating of ours on its scale stays as it is
            ({"mos": 61.0, "warmth": 3, "codec": "opus"}, 'mos: 61.0\nwarmth: 3\ncodec: "opus"'),
            ({"scores": {"mos": 61.0}}, 'scores: {"mos": 61.0}'),
        ],
    )  # fmt: skip
    def test_shapes(self, truth, words):
        assert truth_in_words(truth) == words

    def test_leaves_the_object_as_it_was(self):
        truth = {"scores": {"mos": 3.0}, "answer": "fair"}
        truth_in_words(truth)
        assert truth == {"scores": {"mos": 3.0}, "answer": "fair"}
