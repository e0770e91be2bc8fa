import asyncio
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub import serving

from audio_judge.clips import RatedClip, Rating
from audio_judge.data.augment import (
    INVERTED,
    KINDS,
    Augmented,
    augment,
    augment_with_chances,
    binarise,
    change_scale,
    invert,
    number_levels,
    turn,
    with_answer_form,
)
from audio_judge.data.definitions import WHATS
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.data.paraphrases import (
    OWN_PARAPHRASES,
    ROBUSTNESS,
    STYLES,
    Paraphrase,
    load_paraphrases,
    paraphrase,
    read_paraphrase,
    save_paraphrases,
)
from audio_judge.eval.controls.robustness import robustness_questions
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import (
    ALL_RUBRICS,
    FIVE,
    HUNDRED,
    NISQA_RUBRICS,
    TEN,
    Rubric,
)
from audio_judge.tasks import ParseError, categorize, score
from audio_judge.text_models.backends import Endpoint
from audio_judge.text_models.client import Client

MOS = NISQA_RUBRICS["mos"]
rubrics = st.sampled_from(list(ALL_RUBRICS.values()))
shares = st.floats(0, 1)
INSTRUCTIONS = wordings("decide")[0]
kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 2**32).map(random.Random)


def at(rubric, share):
    return Rating(min(rubric.low + share * (rubric.high - rubric.low), rubric.high), 0.5, 8)


class TestInvert:
    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=ALL_RUBRICS)
    def test_twice_is_the_first(self, rubric):
        once = invert(rubric)
        assert replace(invert(once), questions=rubric.questions) == rubric
        assert once != rubric

    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=ALL_RUBRICS)
    def test_the_question_turns_with_the_scale(self, rubric):
        once = invert(rubric)
        assert once.levels == rubric.levels[::-1]
        assert once.higher_is_better != rubric.higher_is_better
        assert (once.low, once.high) == (rubric.low, rubric.high)
        assert once.label != rubric.label
        assert once.definition != rubric.definition

    @pytest.mark.parametrize("name", NISQA_RUBRICS)
    def test_ours_have_wordings_that_name_both_ends_the_other_way_round(self, name):
        once = invert(NISQA_RUBRICS[name])
        assert once == INVERTED[name]
        high, low = re.search(r"the highest score means (.+?), (?:.*, )?the lowest (.+)\.", once.definition).groups()
        assert (low, high) == (once.levels[0], once.levels[-1])

    def test_keeps_the_scale_it_is_asked_on(self):
        assert invert(MOS.on(HUNDRED)) == INVERTED["mos"].on(HUNDRED)
        assert invert(INVERTED["mos"].on(TEN)) == MOS.on(TEN)

    def test_swaps_the_ends_of_a_rubric_of_the_user(self):
        own = Rubric(
            "hiss", "How much it hisses: the highest score means a lot, the lowest none.", levels=("no", "yes")
        )
        assert "the highest score means none, the lowest a lot" in invert(own).definition

    def test_a_rubric_of_the_user_with_the_name_of_ours_is_not_taken_for_it(self):
        own = replace(MOS, definition="How dear it is: the highest score means dear, the lowest cheap.")
        assert "dear" in invert(own).definition

    def test_refuses_a_definition_it_cannot_turn(self):
        with pytest.raises(ValueError, match=r"warmth.*highest score means A"):
            invert(Rubric("warmth", "5 is warm and 1 is cold."))


class TestTurn:
    @given(rubrics, shares)
    def test_twice_gives_the_rating_back(self, rubric, share):
        rating = at(rubric, share)
        once = turn(rubric, rating)
        twice = turn(once.rubric, once.rating)
        assert twice.value == pytest.approx(rating.value, abs=1e-8)

    @given(rubrics, shares, shares)
    def test_reverses_the_order(self, rubric, first, second):
        values = [at(rubric, share).value for share in (first, second)]
        turned = [turn(rubric, Rating(value)).value for value in values]
        if values[0] < values[1] - 1e-6:
            assert turned[0] > turned[1]

    def test_stays_within_one_to_five(self):
        assert turn(MOS, Rating(5.0)).value == 1.0  # not 0, as the highest score minus the score would be

    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=ALL_RUBRICS)
    def test_the_level_says_the_same(self, rubric):
        for value in rubric.level_values:
            turned = turn(rubric, Rating(float(value)))
            assert turned.rubric.level_of(turned.value) == rubric.level_of(float(value))


class TestChangeScale:
    @pytest.mark.parametrize(
        ("scale", "rule", "expected"),
        [
            (TEN, "proportional", 8.4),
            (HUNDRED, "proportional", 84.0),
            (TEN, "affine", 8.2),
            (HUNDRED, "affine", 80.0),
            (FIVE, "affine", 4.2),
        ],
    )
    def test_a_score_of_4_2(self, scale, rule, expected):
        changed = change_scale(MOS, Rating(4.2, 0.5), scale, rule)
        assert changed.value == pytest.approx(expected)
        assert changed.provenance[0]["rule"] == rule

    def test_the_spread_grows_with_the_scale(self):
        assert change_scale(MOS, Rating(3.0, 0.8), HUNDRED).rating.std == pytest.approx(20.0)
        assert change_scale(MOS, Rating(3.0, 0.8), HUNDRED, "proportional").rating.std == pytest.approx(16.0)

    def test_refuses_a_proportion_that_falls_off_the_scale(self):
        with pytest.raises(ValueError, match="affine"):
            change_scale(MOS.on(HUNDRED), Rating(3.0), FIVE, "proportional")


class TestNumberLevels:
    @given(rubrics, shares, seeds)
    def test_levels_are_the_scale_evenly_and_the_score_stays(self, rubric, share, rng):
        asked = number_levels(rubric, at(rubric, share), rng)
        assert [float(level) for level in asked.rubric.levels] == pytest.approx(list(asked.rubric.level_values))
        assert (asked.rubric.low, asked.rubric.high, asked.value) == (rubric.low, rubric.high, at(rubric, share).value)

    @given(seeds)
    def test_the_question_states_the_scale_and_its_good_end(self, rng):
        turned = turn(MOS.on(TEN), Rating(3.0))
        asked = number_levels(turned.rubric, turned.rating, rng)
        assert {"1", "10"} <= set(re.findall(r"\d+", asked.rubric.fill(asked.question)))
        assert re.search(r"\b1\b(?! (?:to|and) 10)", asked.rubric.fill(asked.question))

    def test_is_not_worded_as_the_control_that_tests_it(self):
        asked = {number_levels(MOS, Rating(3.0), random.Random(seed)).question for seed in range(60)}
        assert not any(", from {low} to {high}, where" in question for question in asked)


class TestBinarise:
    @pytest.mark.parametrize(("value", "expected"), [(3.0, 1.0), (2.99, 0.0), (5.0, 1.0), (1.0, 0.0)])
    def test_a_score_on_the_threshold_reaches_it(self, value, expected):
        assert binarise(MOS, Rating(value), 3.0, random.Random(0)).value == expected

    @given(seeds)
    def test_the_question_states_threshold_and_scale(self, rng):
        asked = binarise(MOS, Rating(3.0), 3.5, rng)
        assert {"3.5", "1", "5"} <= set(re.findall(r"\d(?:\.\d)?", asked.question))
        assert "{" not in asked.question

    def test_the_answer_is_yes_or_no(self):
        asked = binarise(MOS, Rating(4.0), 3.0, random.Random(0))
        assert asked.rubric.level_of(asked.value) == "yes"
        assert asked.rubric.question(asked.request("decide"))["criteria"] == ["no", "yes"]
        assert categorize.ask(asked.rubric, phrasing=asked.request("categorize")).endswith("no, yes.")
        assert score.ask(asked.rubric, phrasing=asked.request("score")).endswith("Answer 1 for yes and 0 for no.")

    @pytest.mark.parametrize("threshold", [1.0, 5.5])
    def test_refuses_a_threshold_that_says_nothing(self, threshold):
        with pytest.raises(ValueError, match="threshold"):
            binarise(MOS, Rating(3.0), threshold, random.Random(0))


class TestAugment:
    @given(rubrics, shares, kinds, seeds)
    def test_the_value_is_on_the_scale_that_is_asked_for(self, rubric, share, kind, rng):
        asked = augment(rubric, at(rubric, share), kind, rng)
        asked.rubric.check(asked.value)
        if kind == "describe" and rubric.name not in WHATS:
            assert (asked.rubric, asked.provenance) == (rubric, ())
            return
        assert asked.provenance[-1]["kind"] == kind

    @given(rubrics, shares, shares, st.sampled_from(["scale", "paraphrase"]), st.integers(0, 99))
    def test_scales_and_wordings_keep_the_order(self, rubric, first, second, kind, seed):
        low, high = sorted([first, second])
        values = [augment(rubric, at(rubric, share), kind, random.Random(seed)).value for share in (low, high)]
        assert values[0] <= values[1]

    def test_both_rules_and_all_scales_come_up(self):
        steps = [augment(MOS, Rating(3.0), "scale", random.Random(seed)).provenance[0] for seed in range(60)]
        assert {(tuple(step["to"]), step["rule"]) for step in steps} == {
            ((1, 10), "affine"), ((2, 10), "proportional"), ((0, 100), "affine"), ((20, 100), "proportional"),
        }  # fmt: skip

    @given(rubrics, shares, seeds, seeds)
    def test_a_score_has_one_meaning_on_a_scale(self, rubric, share, one, other):
        first, second = (augment(rubric, at(rubric, share), "scale", rng) for rng in (one, other))
        if first.rubric.scale == second.rubric.scale:
            assert first.value == pytest.approx(second.value)

    def test_the_same_seed_gives_the_same(self):
        chances = dict.fromkeys(KINDS, 0.5)
        first, again = (augment_with_chances(MOS, Rating(3.3), chances, random.Random(7)) for _ in range(2))
        assert first == again

    def test_uses_the_paraphrases_of_a_language_model(self):
        own = Paraphrase("Tell us about the {label}.", "casual", "Rate the {label}.")
        texts = {
            augment(MOS, Rating(3.0), "paraphrase", random.Random(seed), paraphrases=[own]).question
            for seed in range(300)
        }
        assert texts == {own.text} | {one.text for one in OWN_PARAPHRASES}

    def test_refuses_an_unknown_kind_and_a_value_off_the_scale(self):
        with pytest.raises(ValueError, match="scale, invert"):
            augment(MOS, Rating(3.0), "louder", random.Random(0))
        with pytest.raises(ValueError, match="outside"):
            augment(MOS, Rating(5.1), "scale", random.Random(0))


class TestAugmentWithChances:
    def test_without_chances_nothing_changes(self):
        rating = Rating(3.0, 0.4, 5)
        assert augment_with_chances(MOS, rating, {}, random.Random(0)) == Augmented(MOS, rating)

    @given(rubrics, shares, st.booleans(), st.booleans(), seeds)
    def test_provenance_tells_every_step(self, rubric, share, scaled, turned, rng):
        rating = at(rubric, share)
        chances = {"scale": float(scaled), "invert": float(turned), "paraphrase": 1.0}
        asked = augment_with_chances(rubric, rating, chances, rng)
        assert len(asked.provenance) == 1 + scaled + turned

    @given(rubrics, shares, seeds)
    def test_a_threshold_comes_last(self, rubric, share, rng):
        asked = augment_with_chances(rubric, at(rubric, share), dict.fromkeys(KINDS, 1.0), rng)
        assert [step["kind"] for step in asked.provenance] == ["invert", "binary"]

    @pytest.mark.parametrize("chances", [{"louder": 0.5}, {"scale": 1.5}, {"scale": -0.1}])
    def test_refuses_unknown_kinds_and_chances(self, chances):
        with pytest.raises(ValueError, match="chance"):
            augment_with_chances(MOS, Rating(3.0), chances, random.Random(0))


class TestRequest:
    @given(rubrics, shares, kinds, seeds)
    def test_what_the_task_writes_it_can_read(self, rubric, share, kind, rng):
        asked = augment(rubric, at(rubric, share), kind, rng)
        text = score.write(score.ScoreTarget(asked.rubric, asked.value))
        assert score.parse(text, asked.rubric).value == pytest.approx(asked.value, abs=0.051)

    def test_the_answer_form_is_not_said_twice(self):
        assert with_answer_form("From {low} to {high}?", "score", MOS) == "From {low} to {high}?"

    def test_refuses_other_tasks(self):
        with pytest.raises(ValueError, match="profile"):
            with_answer_form("How is it?", "profile", MOS)


class TestReadParaphrase:
    SOURCE = "Rate the {label} from {low} to {high}."

    @pytest.mark.parametrize(
        "reply",
        [
            "How is the {label}, {low} to {high}?",
            '"{low} to {high}: what is the {label}?"',
            "<think>Shorter.</think>\n{label}, {low} to {high}?\n",
        ],
    )
    def test_takes_off_what_is_around_the_text(self, reply):
        assert read_paraphrase(reply, self.SOURCE)[0] not in '"<\n'

    @pytest.mark.parametrize(
        "reply",
        [
            "How is the noise, {low} to {high}?",  # a field is missing
            "How is the {label} of {clip}, {low} to {high}?",  # a field is new
            "How is the {label}, {low} to {high} or 1 to 10?",  # numbers of its own
            "rate the {label} from {low} to {high}",  # unchanged
            "Sure!\nHow is the {label}, {low} to {high}?",
            "{label} {low} {high}" + " really" * 100,
            "How is the {label}, {low} to {high}, } or {",  # would fail when it is filled in
            "How is the {label}, {low} to {high}, {label.__init__}?",  # would reach into what is filled in
            "",
        ],
    )
    def test_refuses_what_would_spoil_the_request(self, reply):
        with pytest.raises(ParseError):
            read_paraphrase(reply, self.SOURCE)

    def test_refuses_wordings_kept_for_testing(self):
        with pytest.raises(ParseError, match="testing"):
            read_paraphrase("Noisy?", "How noisy is it?")


def reword(url, cache, templates, **options):
    async def run():
        async with Client(Endpoint(url, "tiny"), cache=cache, attempts=1) as client:
            return *await paraphrase(client, templates, **options), client.counts

    return asyncio.run(run())


def rewording(request, _times):
    style, _, source = request["messages"][-1]["content"].partition("\n\nRequest: ")
    return f"{list(STYLES.values()).index(style) * 'really '}{source} Thanks, {request['seed'] * 'well, '}that is it."


class TestParaphrase:
    def test_five_styles_of_each_template(self, tmp_path):
        with serving(rewording) as stub:
            found, failed, _ = reword(stub.url, tmp_path, INSTRUCTIONS[:3])
        assert [(one.source, one.style) for one in found] == [(t, style) for t in INSTRUCTIONS[:3] for style in STYLES]
        assert failed == []
        assert found[0].model["model"] == "tiny"

    def test_another_run_takes_them_from_disk(self, tmp_path):
        with serving(rewording) as stub:
            first, *_ = reword(stub.url, tmp_path, INSTRUCTIONS[:2], seed=3)
            again, _, counts = reword(stub.url, tmp_path, INSTRUCTIONS[:2], seed=3)
            other, *_ = reword(stub.url, tmp_path, INSTRUCTIONS[:2], seed=4)
        assert first == again
        assert counts.sent == 0
        assert first != other

    def test_tries_again_with_another_seed_and_then_reports(self, tmp_path):
        def reply(request, times):
            return "What?" if request["seed"] < 2 else rewording(request, times)

        with serving(reply) as stub:
            found, failed, _ = reword(stub.url, tmp_path, INSTRUCTIONS[:1], styles=["casual"])
            assert (found[0].seed, failed) == (2, [])
            found, failed, _ = reword(stub.url, tmp_path, INSTRUCTIONS[:1], styles=["casual"], tries=2)
        assert (found, failed[0]["reason"]) == ([], "invalid")

    def test_reports_a_call_that_failed(self, tmp_path):
        with serving(lambda *_: {"status": 401}) as stub:
            _, failed, _ = reword(stub.url, tmp_path, INSTRUCTIONS[:1], styles=["casual"])
        assert failed[0]["reason"] == "refused"

    def test_refuses_an_unknown_style(self, tmp_path):
        with pytest.raises(ValueError, match="rude"):
            reword("http://localhost:1", tmp_path, INSTRUCTIONS[:1], styles=["rude"])


class TestSaveAndLoad:
    def test_what_is_saved_is_loaded(self, tmp_path):
        save_paraphrases(OWN_PARAPHRASES, tmp_path / "p.jsonl")
        assert load_paraphrases(tmp_path / "p.jsonl") == list(OWN_PARAPHRASES)

    def test_names_the_line_that_is_wrong(self, tmp_path):
        (tmp_path / "p.jsonl").write_text('{"text": "a", "style": "casual"}\n{"txt": 1}\n')
        with pytest.raises(ValueError, match="line 2"):
            load_paraphrases(tmp_path / "p.jsonl")


def plain(text):
    return re.sub(r"\W+", " ", text.casefold()).strip()


HELD_OUT = {plain(asked.rubric.fill(asked.question)) for name in NISQA_RUBRICS for asked in robustness_questions(name)}


class TestRobustness:
    def test_every_set_has_all_five_rubrics(self):
        assert list(ROBUSTNESS) == ["short", "restructured", "long", "detailed", "inverted"]
        assert all(list(texts) == list(NISQA_RUBRICS) for texts in ROBUSTNESS.values())

    def test_is_disjoint_from_everything_that_is_trained_on(self):
        trained = [*sum(wordings("decide") + wordings("score"), ())]
        trained += [*wordings("categorize")[0], *(one.text for one in OWN_PARAPHRASES)]
        asked = [*NISQA_RUBRICS.values(), *INVERTED.values()]
        filled = {plain(rubric.fill(text)) for rubric in asked for text in (*trained, *rubric.questions)}
        assert len(HELD_OUT) == sum(len(texts[name]) for texts in ROBUSTNESS.values() for name in NISQA_RUBRICS)
        assert not HELD_OUT & filled

    def test_the_inverted_set_asks_the_turned_rubric(self):
        for asked in robustness_questions("noisiness"):
            is_inverted = asked.provenance[-1]["set"] == "inverted"
            assert asked.rubric == (INVERTED if is_inverted else NISQA_RUBRICS)["noisiness"]

    def test_short_is_shorter_than_long(self):
        for name in NISQA_RUBRICS:
            assert max(map(len, ROBUSTNESS["short"][name])) < 20 < 150 < min(map(len, ROBUSTNESS["long"][name]))

    def test_refuses_another_rubric(self):
        with pytest.raises(ValueError, match="speed"):
            robustness_questions("speed")


class TestOwnParaphrases:
    def test_at_least_twenty_in_five_styles(self):
        assert len(OWN_PARAPHRASES) >= 20
        assert {one.style for one in OWN_PARAPHRASES} == set(STYLES)


class TestInExamples:
    CLIPS = tuple(
        RatedClip(f"{i}.wav", {n: Rating(1 + i / 5, 0.5) for n in NISQA_RUBRICS}, "train", "own") for i in range(20)
    )

    def made(self, task, clips=CLIPS, **manner):
        return list(make_instructions(clips, [task], seed=1, manner=Manner(**manner)))

    @pytest.mark.parametrize("task", ["decide", "score", "categorize"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_example_keeps_what_was_done_to_it(self, task, kind):
        for example in self.made(task, augment={kind: 1.0}):
            done = example["provenance"]
            steps = [step for found in done.values() for step in found] if task == "decide" else done
            assert {step["kind"] for step in steps} == {kind}

    def test_an_inverted_score_is_the_answer_to_the_inverted_question(self):
        clip = replace(self.CLIPS[0], ratings={"mos": Rating(4.5)})
        (example,) = self.made("score", [clip], augment={"invert": 1})
        assert example["completion"][0]["content"] == "1.5"
        request = example["prompt"][0]["content"][-1]["text"]
        assert INVERTED["mos"].label in request.casefold() or "how bad" in request.casefold()
        assert "target" not in example

    def test_a_threshold_is_a_question_of_two_levels(self):
        clip = replace(self.CLIPS[0], ratings={"mos": Rating(4.5)})
        (example,) = self.made("decide", [clip], augment={"binary": 1})
        assert example["questions"]["mos_reached"]["criteria"] == ["no", "yes"]
        assert example["targets"]["mos_reached"] == [0.0, 1.0]

    def test_chances_of_zero_change_nothing(self):
        plainly = self.made("score", augment={})
        assert plainly == self.made("score")
        assert not any("provenance" in example for example in plainly)

    def test_what_is_held_out_is_not_augmented(self):
        with pytest.raises(ValueError, match="held_out"):
            self.made("score", held_out=True, augment={"scale": 1.0})
