import json
import re
import warnings
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_judge, tone

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.data.mixtures import mixture_of
from audio_judge.degrade import KINDS
from audio_judge.judge.identity import UntrainedLanguageWarning
from audio_judge.judge.judge import AudioJudge
from audio_judge.languages import LANGUAGES, Language, candidates, get_language, is_denied, readable_numbers, wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, TEN, Rubric, in_language
from audio_judge.tasks import (
    TASKS,
    Assessment,
    CategoryTarget,
    ClipDetails,
    Comparison,
    Detection,
    Distortion,
    Explanation,
    ParseError,
    ScoreTarget,
    assess,
    categorize,
    compare,
    describe,
    detect,
    explain,
    profile,
    rate,
    score,
    suggest,
)

OTHERS = LANGUAGES[1:]
# Free text is read where experts write it, in English
TABLES = [one.name for one in fields(Language) if one.name not in ("code", "name", "numbers", "claims", "asked")]
ENGLISH = get_language("en")
ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
RATED = st.dictionaries(st.sampled_from(list(RUBRICS)), ONE_DECIMAL, min_size=1)
SEEDS = st.integers(0, 10_000)
VERDICTS = st.sampled_from(["A", "B", "tie"])
DISTORTIONS = st.lists(
    st.builds(Distortion, st.sampled_from(assess.DISTORTION_TYPES), st.sampled_from([(), ((0.0, 1.5), (2.0, 3.5))])),
    unique_by=lambda distortion: distortion.kind,
).map(tuple)
DIMENSIONS = [name for name in assess.TITLES if name != "speech_rate"]
few = settings(max_examples=6, deadline=None)
each_language = pytest.mark.parametrize("language", OTHERS)
each_way = pytest.mark.parametrize("strict", [False, True])


def flat(texts):
    """All texts of nested ones."""
    return [texts] if isinstance(texts, str) else [text for one in texts for text in flat(one)]


def fields_of(texts):
    """Placeholders that all of some texts have, and those that any of them has."""
    found = [set(re.findall(r"\{(\w+)\}", text)) for text in texts]
    return set.intersection(*found), set.union(*found)


@pytest.mark.parametrize("language", LANGUAGES)
class TestCompleteness:
    @pytest.mark.parametrize("table", TABLES)
    def test_all_languages_have_the_same_keys(self, language, table):
        for other in LANGUAGES:
            assert set(getattr(get_language(language), table)) == set(getattr(get_language(other), table))

    @pytest.mark.parametrize("kind", ["distortions", "genders", "titles"])
    def test_names_are_those_of_english_and_differ(self, language, kind):
        names = get_language(language).names[kind]
        assert set(names) == set(ENGLISH.names[kind])
        assert len(set(names.values())) == len(names)

    def test_tables_are_those_of_rubrics_and_kinds(self, language):
        words = get_language(language)
        assert set(KINDS) <= set(words.causes)
        assert set(words.rubrics) == set(ALL_RUBRICS)
        assert set(words.names["distortions"]) == set(assess.DISTORTION_TYPES)
        assert set(words.names["genders"]) == set(assess.GENDERS)
        assert set(words.descriptions) == set(words.dimensions)

    @pytest.mark.parametrize("table", ["phrasings", "held_out", "texts"])
    def test_placeholders_are_those_of_english(self, language, table):
        for key, texts in getattr(get_language(language), table).items():
            always, ever = fields_of(getattr(ENGLISH, table)[key])
            for text in texts:
                found = set(re.findall(r"\{(\w+)\}", text))
                assert always <= found <= ever, (key, text)

    def test_requests_are_many_and_disjoint(self, language):
        words = get_language(language)
        for key, texts in words.phrasings.items():
            assert len(set(texts)) == len(texts) >= (2 if key in ("reference_notes", "rate_cues") else 4), key
            assert words.held_out[key]
            assert not set(texts) & set(words.held_out[key]), key
        assert set(TASKS) <= set(words.phrasings)

    def test_rubrics_have_as_many_different_levels(self, language):
        for name, rubric in ALL_RUBRICS.items():
            words = get_language(language).rubrics[name]
            assert len({level.casefold() for level in words.levels}) == len(rubric.levels), name
            assert words.definition
            assert words.questions
            assert words.levels[0] in words.definition or len(words.levels) == 5, name
            assert in_language(rubric, language).levels == words.levels

    def test_no_two_rubrics_share_a_label_in_any_language(self, language):
        for name, words in get_language(language).rubrics.items():
            for other in LANGUAGES:
                for name_there, there in get_language(other).rubrics.items():
                    assert name == name_there or words.label.casefold() != there.label.casefold()

    def test_dimensions_have_five_groups(self, language):
        for table in (get_language(language).dimensions, get_language(language).descriptions):
            for groups in table.values():
                assert len(groups) == 5
                assert all(groups)

    def test_verdicts_on_dimensions_read_back(self, language):
        words = get_language(language)
        for verdict in ("verdict_a", "verdict_b", "verdict_tie"):
            assert re.fullmatch(words.patterns[verdict], words.texts[verdict][0].casefold())

    def test_every_wording_names_its_kind_only(self, language):
        for kind, words in get_language(language).causes.items():
            assert len(words.phrases) == 3
            for phrase in flat(words.phrases):
                for direction in get_language(language).directions.get(kind, ("",)):
                    said = phrase.replace("{direction}", direction)
                    for frame in get_language(language).texts["frames"]:
                        sentence = said if said.endswith((".", "。")) else frame.replace("{cause}", said)
                        assert explain._named(sentence, language) == (kind,), sentence

    def test_nothing_else_names_a_cause(self, language):
        words = get_language(language)
        texts = [text for groups in words.dimensions.values() for group in groups for text in group]
        texts += [text for cause in words.causes.values() for text in cause.effects]
        texts += list(words.texts["verdicts"])
        for text in texts:
            assert explain._named(text, language) == (), text

    def test_requests_are_filled_and_tell_their_language(self, language):
        for name, task in TASKS.items():
            subject = {"score": ["mos"], "categorize": ["mos"], "rate": ["mos"]}.get(name, [["mos", "loudness"]])
            subject = [] if name in ("describe", "assess", "suggest", "detect") else subject
            for held_out in (False, True):
                table = get_language(language).held_out if held_out else get_language(language).phrasings
                for number in range(len(table[name])):
                    text = task.ask(*subject, phrasing=number, held_out=held_out, language=language)
                    assert not re.search(r"[{}]", text)
                    assert candidates(text) == (language,), text


class TestCandidates:
    @pytest.mark.parametrize(
        ("text", "language"),
        [
            ("The voice is noisy.", "en"),
            ("La voix est bruitée.", "fr"),
            ("mauvaise", "fr"),
            ("语音里有很强的背景噪声。", "zh"),
            ("背景雑音が聞こえます。", "ja"),
            ("3.4", "en"),
            ("", "en"),
        ],
    )
    def test_words_tell(self, text, language):
        assert candidates(text) == (language,)

    def test_what_is_expected_wins_a_draw(self):
        assert candidates("3.4", "zh") == ("zh",)

    def test_an_unknown_language_is_refused(self):
        with pytest.raises(ValueError, match="no language 'xx'; known: en, zh"):
            candidates("3.4", "xx")
        with pytest.raises(ValueError, match="no language 'xx'"):
            wordings("score", "xx")


class TestDenied:
    @pytest.mark.parametrize(
        ("text", "word", "language", "denied"),
        [
            ("没有明显的回声。", "回声", "zh", True),
            ("没有噪声，但有回声。", "回声", "zh", False),
            ("エコーはありません。", "エコー", "ja", True),
            ("エコーがあります。", "エコー", "ja", False),
            ("On n'entend pas d'écho.", "écho", "fr", True),
            ("Un écho, mais sans souffle.", "écho", "fr", False),
        ],
    )
    def test_within_the_clause(self, text, word, language, denied):
        start = text.index(word)
        assert is_denied(text, start, start + len(word), language) == denied


class TestScore:
    @pytest.mark.parametrize("language", LANGUAGES)
    @each_way
    @few
    @given(value=ONE_DECIMAL)
    def test_write_then_parse(self, language, strict, value):
        target = ScoreTarget(RUBRICS["mos"], value)
        assert score.parse(score.write(target, language), "mos", strict=strict, language=language) == target

    @pytest.mark.parametrize(
        "text",
        [
            "3.4分", "我打3.4分（满分5分）。", "满分5分，我给3.4分。", "总体质量：３．４", "评分为3.4", "从1到5，我给3.4分。",
            "3.4点", "5点満点中3.4点です。", "1から5で言えば3.4点です。", "総合品質：3.4",
            "3,4", "Je dirais 3,4 sur 5.", "Sur une échelle de 1 à 5, la note est de 3,4.", "Qualité globale : 3,4",
        ],
    )  # fmt: skip
    def test_tolerant(self, text):
        assert score.parse(text, "mos").value == 3.4

    @pytest.mark.parametrize(
        "text", ["8分（满分10分）", "10点満点中8点", "8 sur 10", "噪声：3.4", "雑音感：3.4", "bruit : 3,4"]
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            score.parse(text, "mos")

    @each_language
    def test_readable_numbers_leaves_english_alone(self, language):
        assert readable_numbers("I give 3.4 out of 5, from 1 to 5.") == "I give 3.4 out of 5, from 1 to 5."


class TestCategorize:
    @each_language
    @each_way
    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=str)
    def test_every_level_reads_back(self, language, strict, rubric):
        for level in rubric.levels:
            target = CategoryTarget(rubric, level)
            text = categorize.write(target, language)
            assert categorize.parse(text, rubric, strict=strict, language=language) == target

    @pytest.mark.parametrize(
        ("text", "level"),
        [
            ("我觉得质量很差。", "bad"),
            ("この音声は非常に良いと思います。", "excellent"),
            ("Je la trouve passable.", "fair"),
            ("It is **good**.", "good"),
        ],
    )
    def test_the_words_tell_the_language(self, text, level):
        assert categorize.parse(text, "mos").level == level

    @pytest.mark.parametrize(
        "text", ["不是很差", "悪いとは言えません。", "La qualité n'est pas mauvaise.", "很差和优秀"]
    )
    def test_denied_or_several_are_refused(self, text):
        with pytest.raises(ParseError):
            categorize.parse(text, "mos")

    @each_language
    def test_own_rubrics_keep_their_words(self, language):
        warmth = Rubric("warmth", "How warm.", levels=("cold", "warm"))
        assert in_language(warmth, language) == warmth
        own = replace(RUBRICS["mos"], levels=("meh", "wow"))
        assert categorize.write(CategoryTarget(own, "wow"), language) == "wow"

    @each_language
    def test_a_scale_does_not_matter(self, language):
        assert in_language(RUBRICS["mos"].on(TEN), language).scale == TEN


@each_language
@each_way
class TestRoundTrips:
    @few
    @given(scores=RATED)
    def test_profile(self, language, strict, scores):
        assert profile.parse(profile.write(scores, language=language), strict=strict, language=language) == scores

    @few
    @given(scores=RATED, kinds=st.lists(st.sampled_from(explain.KINDS), max_size=4), seed=SEEDS)
    def test_explain(self, language, strict, scores, kinds, seed):
        target = Explanation(scores, tuple(Cause(kind) for kind in kinds))
        text = explain.write(target, seed, language=language)
        if len(text.split("\n\n")[1]) < 2:  # only scores of one good rubric may leave nothing to say
            return
        found = explain.parse(text, strict=strict, language=language)
        assert (found.scores, found.kinds) == (scores, target.kinds)

    @few
    @given(scores=RATED, seed=SEEDS)
    def test_describe(self, language, strict, scores, seed):
        target = describe.describe_scores({"mos": 2.4} | scores, seed, language)
        text = describe.write(target, seed, language)
        assert describe.parse(text, strict=strict, language=language) == target

    @few
    @given(
        scores=st.dictionaries(st.sampled_from(DIMENSIONS), ONE_DECIMAL, min_size=1),
        pace=st.sampled_from(["", *assess.RATES]),
        distortions=DISTORTIONS,
        gender=st.sampled_from(["", *assess.GENDERS]),
        seed=SEEDS,
    )
    def test_assess(self, language, strict, scores, pace, distortions, gender, seed):
        target = Assessment(
            scores | {"distortion": 2.0, "subjective_experience": 3.0}, pace, distortions, gender=gender
        )
        text = assess.write(target, seed, language)
        found = assess.parse(text, strict=strict, language=language)
        assert replace(found, answer="") == target
        assert found.answer == assess.summarise(target, seed, language)

    @few
    @given(verdicts=st.dictionaries(st.sampled_from(list(RUBRICS)), VERDICTS), overall=VERDICTS, seed=SEEDS)
    def test_preference(self, language, strict, verdicts, overall, seed):
        target = Comparison({"mos": overall} | {name: one for name, one in verdicts.items() if name != "mos"})
        found = compare.parse(compare.write(target, seed, language=language), strict=strict, language=language)
        won = {name: one for name, one in target.verdicts.items() if one != "tie" or name == "mos"}
        assert found.verdicts == won

    @few
    @given(
        verdicts=st.dictionaries(st.sampled_from(list(assess.TITLES)), VERDICTS),
        overall=VERDICTS,
        distortions=DISTORTIONS,
        gender=st.sampled_from(["", *assess.GENDERS]),
        seed=SEEDS,
    )
    def test_dimensions(self, language, strict, verdicts, overall, distortions, gender, seed):
        details = ClipDetails(distortions), ClipDetails((), gender)
        target = Comparison(verdicts | {"mos": overall}, details)
        text = compare.write(target, seed, form="dimensions", language=language)
        assert replace(compare.parse(text, strict=strict, language=language), answer="") == target

    @few
    @given(
        scores=st.dictionaries(st.sampled_from(DIMENSIONS), ONE_DECIMAL, min_size=1),
        distortions=DISTORTIONS,
        seed=SEEDS,
    )
    def test_suggest(self, language, strict, scores, distortions, seed):
        assessment = Assessment(scores | {"distortion": 1.0}, "slow", distortions)
        target = suggest.suggest_for(assessment, seed, language=language)
        assert suggest.parse(suggest.write(target, language), strict=strict, language=language) == target

    @pytest.mark.parametrize("is_fake", [False, True])
    def test_detect(self, language, strict, is_fake):
        text = detect.write(Detection(is_fake), language)
        assert detect.parse(text, strict=strict, language=language) == Detection(is_fake)

    @few
    @given(value=ONE_DECIMAL)
    def test_rate(self, language, strict, value):
        target = ScoreTarget(RUBRICS["noisiness"], value)
        assert rate.parse(rate.write(target, language), "noisiness", strict=strict, language=language) == target


class TestTimes:
    def test_are_listed_as_the_language_lists(self):
        spans = ((0.0, 1.1), (1.4, 2.9), (3.2, 3.3))
        target = Assessment({"mos": 2.0, "distortion": 1.5}, distortions=(Distortion("drop / missing", spans),))
        assert " de 0,0 à 1,1 s, de 1,4 à 2,9 s et de 3,2 à 3,3 s" in assess.summarise(target, language="fr")
        assert "（0.0至1.1秒）、（1.4至2.9秒）和（3.2至3.3秒）" in assess.summarise(target, language="zh")


class TestLanguagesOfAnswers:
    """Tolerant parsers are told English, as they are by default, and read another language by its words."""

    @each_language
    def test_every_task_is_read_without_a_hint(self, language):
        causes = (Cause("noise", {"snr_db": 5.0}), Cause("echo"))
        said = explain.write(Explanation({"mos": 2.4, "noisiness": 1.5}, causes), 2, language=language)
        assert explain.parse(said).kinds == {"noise", "echo"}
        assert explain.named_causes(said) == ("noise", "echo")
        comparison = Comparison({"mos": "A", "noisiness": "A", "loudness": "B"})
        assert compare.parse(compare.write(comparison, 1, language=language)) == comparison
        for is_fake in (False, True):
            assert detect.parse(detect.write(Detection(is_fake), language)).is_fake == is_fake
        assert (
            describe.parse(describe.write(describe.describe_scores({"mos": 2.4}, 1, language), 1, language)).mos == 2.4
        )

    @each_language
    def test_strict_wants_the_language_given(self, language):
        for text, module in (
            (profile.write({"mos": 2.4}, language=language), profile),
            (detect.write(Detection(True), language), detect),
            (assess.write(Assessment({"mos": 2.0}), 0, language), assess),
        ):
            with pytest.raises(ParseError):
                module.parse(text, strict=True)

    @pytest.mark.parametrize(
        ("text", "kinds"),
        [
            ("能听到背景噪声，但没有回声。", {"noise"}),
            ("背景雑音があり、エコーはありません。", {"noise"}),
            ("On entend un bruit de fond, mais pas d'écho.", {"noise"}),
        ],
    )
    def test_denied_causes_are_not_named(self, text, kinds):
        assert set(explain.named_causes(text)) == kinds

    @pytest.mark.parametrize(
        ("text", "is_fake"),
        [("这段语音是合成的。", True), ("本物の声です。", False), ("La voix est synthétique.", True)],
    )
    def test_detection_in_other_words(self, text, is_fake):
        assert detect.parse(text).is_fake == is_fake

    @pytest.mark.parametrize("text", ["不是真实的", "本物ではありません。", "La voix n'est pas authentique."])
    def test_denied_detection_is_refused(self, text):
        with pytest.raises(ParseError):
            detect.parse(text)


class TestManner:
    def examples(self, task, languages, **manner):
        clip = RatedClip("a.wav", {"mos": Rating(3.4), "noisiness": Rating(2.0)}, "train", "NISQA")
        how = Manner(languages=languages, **manner)
        return list(make_instructions([clip] * 3, [task], seed=1, manner=how))

    @pytest.mark.parametrize("task", ["score", "categorize", "profile", "explain", "describe", "rate"])
    @pytest.mark.parametrize("held_out", [False, True])
    @each_language
    def test_request_and_answer_are_in_the_language(self, task, language, held_out):
        for example in self.examples(task, {language: 1.0}, held_out=held_out):
            assert example["language"] == language
            text = " ".join(block["text"] for block in example["prompt"][0]["content"] if block["type"] == "text")
            assert candidates(text) == (language,)
            if task not in ("score", "rate"):
                assert candidates(example["completion"][0]["content"], language) == (language,)

    @each_language
    def test_typed_questions_too(self, language):
        for example in self.examples("decide", {language: 1.0}):
            for name, question in example["questions"].items():
                assert question["criteria"] == list(in_language(RUBRICS[name], language).levels)

    def test_english_examples_do_not_change(self):
        assert self.examples("explain", {"en": 1.0, "zh": 0.0}) == self.examples("explain", None)

    @pytest.mark.parametrize("wrong", [{"xx": 1.0}, {"zh": -1.0}, {"zh": 0.0}])
    def test_wrong_weights_are_refused(self, wrong):
        with pytest.raises(ValueError, match="language"):
            Manner(languages=wrong)

    def test_mixtures_take_them(self):
        values = {
            "corpora": [{"reader": "nisqa", "path": "/data"}],
            "tasks": ["score"],
            "languages": {"en": 0.7, "zh": 0.3},
        }
        assert mixture_of(values).manner.languages == {"en": 0.7, "zh": 0.3}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return AudioJudge(*make_judge(tmp_path_factory.mktemp("judge")), name="tiny")


class TestJudge:
    CLIP = (tone(0.5, sampling_rate=16_000), 16_000)

    @each_language
    def test_levels_are_in_the_language(self, judge, language):
        said = judge.score(self.CLIP, rubric="mos", language=language)["mos"]
        assert tuple(said.shares) == in_language(RUBRICS["mos"], language).levels
        assert said.level in said.shares

    @each_language
    @pytest.mark.parametrize("task", ["explain", "assess", "suggest", "describe"])
    def test_words_parse_in_the_language(self, judge, task, language):
        said = getattr(judge, task)(self.CLIP, language=language, max_new_tokens=6)
        TASKS[task].parse(said.text or said.description, strict=True, language=language)

    @each_language
    def test_comparison_and_detection(self, judge, language):
        said = judge.compare(self.CLIP, self.CLIP, language=language, max_new_tokens=6)
        assert compare.parse(said.text, strict=True, language=language).preferred == said.better == "tie"
        assert detect.parse(judge.detect(self.CLIP, language=language).text, strict=True, language=language)

    def test_an_untrained_language_is_warned_about_once(self, judge):
        judge.processor.trained_languages = ["en", "fr"]
        fresh = AudioJudge(judge.model, judge.processor, name="tiny")
        with pytest.warns(UntrainedLanguageWarning, match="not trained in 'zh' but in en, fr"):
            fresh.score(self.CLIP, language="zh")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fresh.score(self.CLIP, language="zh")
            fresh.score(self.CLIP, language="fr")
        judge.processor.trained_languages = None

    @each_language
    def test_in_an_untrained_language_it_is_asked_in_its_own_and_answers_by_rule(self, judge, language):
        judge.processor.trained_languages = ["en"]
        fresh = AudioJudge(judge.model, judge.processor, name="tiny")
        english = fresh.score(self.CLIP)
        with pytest.warns(UntrainedLanguageWarning, match="asked in 'en'"):
            said = fresh.explain(self.CLIP, language=language)
        assert {name: score.value for name, score in said.scores.items()} == pytest.approx(
            {name: score.value for name, score in english.scores.items()}
        )
        assert said["mos"].level in in_language(RUBRICS["mos"], language).levels
        assert (candidates(said.reasons)[0], said.has_own_words) == (language, False)
        compared = fresh.compare(self.CLIP, self.CLIP, language=language)
        assert (compared.better, compared.has_own_words) == ("tie", False)
        assert fresh.detect(self.CLIP, language=language).real == fresh.detect(self.CLIP).real
        judge.processor.trained_languages = None

    def test_languages_are_saved_and_may_lack(self, judge, tmp_path):
        judge.processor.trained_languages = ["en", "ja"]
        judge.processor.save_pretrained(tmp_path)
        judge.processor.trained_languages = None
        assert type(judge.processor).from_pretrained(tmp_path).trained_languages == ["en", "ja"]
        config = tmp_path / "processor_config.json"
        values = json.loads(config.read_text())
        values.pop("trained_languages")
        config.write_text(json.dumps(values))
        assert type(judge.processor).from_pretrained(tmp_path).trained_languages is None

    def test_an_unknown_language_is_refused(self, judge):
        with pytest.raises(ValueError, match="no language 'xx'"):
            judge.score(self.CLIP, language="xx")
