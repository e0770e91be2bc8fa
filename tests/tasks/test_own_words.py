"""The sentences of our writers: each is made of parts that fit, and others are slips of a judge that learned no others."""

import re

import pytest

from audio_judge.clips import Cause
from audio_judge.judge.drafts import assessment, description, explanation, suggestions
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.languages import LANGUAGES, get_language
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, SPEECHEVAL_RUBRICS, fill_fields, in_language
from audio_judge.tasks import Assessment, Distortion, Explanation, assess, describe, explain, suggest
from audio_judge.tasks.own_words import WORDED, has_own_only, is_own
from audio_judge.training.notes import learned_from

# Words that say how much, of which a sentence takes one
DEGREES = {
    "en": r"\b(?:very|slightly|somewhat|a little|clearly|noticeably|strong|heavy|severe|slight|faint|far|much|almost|mostly|partly)\b",
    "fr": r"\b(?:très|légère?|légèrement|assez|un peu|nettement|beaucoup|(?<!trop )forte?|presque)\b",
    "zh": r"极|很(?!差)|非常|略|稍|明显|严重|轻微|有些|几乎",
    "ja": r"非常に|やや|わずか|少し|とても|ひどく|はっきり|激しい|ほぼ",
}
# The stem of a label that a predicate would repeat: "the distortion is distorted"
QUOTED = re.compile(r"“[^”]*”|「[^」]*」|« [^»]* »|\"[^\"]*\"")


def stems(label, language):
    words = (
        [label[i : i + 2] for i in range(len(label) - 1)]
        if language in ("zh", "ja")
        else re.findall(r"\w{5,}", label.lower())
    )
    return {word if language in ("zh", "ja") else word[:6] for word in words}


def combinations(language):
    """Every subject with every predicate: (sentence, label, level), as the writers of an assessment and a description make them."""
    texts = get_language(language).texts
    frames = {
        "mos": texts["assessed_overall"] + texts["described_overall"] + texts["verdicts"],
        "speech_rate": texts["assessed_rate"],
    }
    frames |= {name: texts[f"assessed_{name}"] for name in SPEECHEVAL_RUBRICS if name not in frames}
    for name, rubric in ALL_RUBRICS.items():
        words = in_language(rubric, language)
        for frame in (*frames.get(name, ()), *texts["rated"], *texts["described"]):
            for level in words.levels:
                yield fill_fields(frame, {"label": words.label, "level": level}), words.label, level


@pytest.mark.parametrize("language", LANGUAGES)
class TestSentences:
    def test_no_predicate_repeats_its_subject(self, language):
        for sentence, label, level in combinations(language):
            bare = QUOTED.sub("", sentence)
            if level in bare and label.lower() in bare.replace(level, "", 1).lower():
                shared = stems(label, language) & stems(level, language)
                assert not shared, sentence

    def test_level_stands_once_and_nothing_is_left_open(self, language):
        for sentence, _, level in combinations(language):
            assert sentence.count(level) >= 1
            assert not re.search(r"[{}]|\s{2}|\bis is\b", sentence), sentence

    def test_at_most_one_degree_of_a_cause(self, language):
        for kind in explain.KINDS:
            for sentence in explain.all_naming(kind, language):
                assert len(re.findall(DEGREES[language], sentence, re.IGNORECASE)) <= 1, sentence

    def test_types_of_distortion_are_things_that_are_heard(self, language):
        for kind in assess.DISTORTION_TYPES:
            for seed in range(4):
                said = assess.summarise(
                    Assessment({"distortion": 1.0}, distortions=(Distortion(kind),)), seed, language
                )
                assert "&" not in said
                assert "/" not in said

    @pytest.mark.parametrize("task", WORDED)
    def test_our_writers_write_them(self, task, language):
        scores = dict.fromkeys(RUBRICS, 2.4)
        facts = Assessment(
            {"mos": 2.0, "distortion": 1.5, "intelligibility": 4.0}, "fast", (Distortion("jitter", ((0.5, 1.0),)),)
        )
        causes = tuple(map(Cause, explain.KINDS))
        for seed in range(6):
            text = {
                "explain": lambda seed=seed: explain.write(Explanation(scores, causes), seed, language=language),
                "describe": lambda seed=seed: describe.write(
                    describe.describe_scores(scores, seed, language), seed, language
                ),
                "assess": lambda seed=seed: assess.write(facts, seed, language),
                "suggest": lambda seed=seed: suggest.write(
                    suggest.suggest_for(facts, seed, language=language), language
                ),
            }[task]()
            assert has_own_only(text, task, language)

    def test_a_clean_clip_is_called_clean(self, language):
        scores = {"mos": 4.1, "noisiness": 4.0, "coloration": 3.8, "discontinuity": 4.2, "loudness": 3.9}
        clean = get_language(language).texts["clean"]
        first, verdict = (
            explain.reasons(Explanation(scores), 1, language=language),
            explain.fitting_sentences(scores, language),
        )
        assert any(first.startswith(one) for one in clean)
        assert not any(said in first for said, (name, _) in verdict.items() if name != "mos")
        assert any(describe.describe_scores(scores, 1, language).text.startswith(one) for one in clean)
        assert any(one in assess.summarise(Assessment({"mos": 4.1, "distortion": 3.9}), 1, language) for one in clean)


CLEAN = {"mos": 4.1, "noisiness": 4.0, "coloration": 3.8, "discontinuity": 4.6, "loudness": 3.9}


class TestHeld:
    def test_complaints_about_a_clean_clip_are_left_out(self):
        said = "There is only a little noise. The speech is unbroken. Overall the quality is good."
        assert (
            explanation(CLEAN, False, faults=()).finish(said).words
            == "The speech is unbroken. Overall the quality is good."
        )
        written = description(CLEAN, False).finish("The speech is slightly noisy. The voice is slightly coloured.")
        assert "slightly" not in written.words
        assert not written.is_own

    def test_only_a_clean_clip_is_called_clean(self):
        noisy = dict.fromkeys(RUBRICS, 2.0)
        assert (
            "clean"
            not in explanation(noisy, False, faults=[Cause("noise")]).finish("The clip is clean. It hums.").words
        )
        assert "clean" not in description(noisy, False).finish("The clip is clean. It hums.").words

    def test_one_sentence_speaks_of_noise(self):
        noisy = {**dict.fromkeys(RUBRICS, 4.0), "noisiness": 1.8}
        words = (
            explanation(noisy, False, faults=[Cause("noise")])
            .finish("The speech is noisy. I hear slight background noise.")
            .words
        )
        assert sum("nois" in one for one in re.split(r"(?<=\.) ", words)) == 1
        assert any(one in words for one in explain.sentences_naming(Cause("noise", {"snr_db": 10})))

    def test_nothing_needs_to_change_only_where_the_whole_is_good(self):
        no_advice = get_language("en").texts["no_advice"]
        assert suggest.suggest_for(Assessment({"mos": 3.2, "distortion": 3.9})).areas == ("overall quality",)
        assert suggest.suggest_for(Assessment({"mos": 3.8, "distortion": 3.9})).suggestions[0] in no_advice
        assert (
            suggestions(Assessment({"mos": 3.2, "distortion": 3.9}), knows_faults=True).finish(no_advice[0]).words
            not in no_advice
        )


class TestOurs:
    @pytest.mark.parametrize(
        ("task", "slip"),
        [
            ("suggest", "Keep it is needed."),
            ("suggest", "Use a microphone with a higher bit rate."),
            ("assess", "In distortion it is somewhat distorted."),
            ("explain", "The loudness is almost unbroken."),
            ("describe", "For distortion I say distorted."),
        ],
    )
    def test_slips_are_not(self, task, slip):
        assert not is_own(slip, task)

    def test_training_notes_whose_words_were_learned(self):
        ours = {
            "task": "suggest",
            "completion": [{"content": suggest.write(suggest.Suggestions((), ("No improvement is needed.",)))}],
        }
        others = {
            "task": "suggest",
            "completion": [{"content": suggest.write(suggest.Suggestions((), ("Mind the plosives.",)))}],
        }
        rewarded = {"task": "describe", "prompt": [], "rubrics": ["mos"]}
        assert learned_from([ours]).words == "ours"
        assert learned_from([ours, others]).words == learned_from([rewarded]).words == ""

    def test_note_is_read_back_and_other_words_end_it(self):
        ours = Learned({"explain": Lesson("text")}, words="ours")
        assert Learned.from_note(ours.note()) == ours
        assert ours.merged(Learned({"decide": Lesson("decision")})).words == "ours"
        assert ours.merged(Learned({"describe": Lesson("text")})).words == ""
        assert "words" not in Learned({"explain": Lesson("text")}).note()


def test_an_assessment_says_nothing_twice():
    target = Assessment({"mos": 1.2, "distortion": 1.2}, distortions=(Distortion("background noise"),))
    draft = assessment(target, False, faults=[Cause("noise")])
    noise = "One can hear background noise."
    assert draft.finish(f"The overall quality is bad. {noise} {noise}").words == f"The overall quality is bad. {noise}"
