import re
from collections import Counter
from dataclasses import fields

import pytest

from audio_judge.data.paraphrases import ROBUSTNESS
from audio_judge.errors import UsageError
from audio_judge.eval.controls.robustness import ANY_RUBRIC, UNSEEN
from audio_judge.languages import wordings
from audio_judge.rubrics import RUBRICS
from audio_judge.rubrics.concepts import (
    ASKS,
    REGISTERS,
    Concept,
    Wording,
    compositions,
    concepts,
    elsewhere,
    frames,
    mixtures,
    read_concept,
    scales,
    unhearable,
)

SEEN = [one for one in concepts().values() if one.seen]
KEPT_OUT = [one for one in concepts().values() if not one.seen]
EVERY = [
    *(wording for one in concepts().values() for wording in one.wordings),
    *unhearable(),
    *frames(),
    *compositions(),
]


def plain(text):
    return " ".join(re.findall(r"[\w{}]+", text.casefold()))


def held_out_share(found):
    return sum(one.held_out for one in found) / len(found)


def named(concept):
    return concept.name


class TestSeen:
    @pytest.mark.parametrize("concept", SEEN, ids=named)
    def test_has_thirty_wordings_of_which_a_third_is_held_out(self, concept):
        assert len(concept.wordings) >= 30
        assert 1 / 3 <= held_out_share(concept.wordings) <= 0.4

    @pytest.mark.parametrize("concept", SEEN, ids=named)
    def test_each_way_and_register_trains_and_is_held_out(self, concept):
        for held_out in (False, True):
            found = [one for one in concept.wordings if one.held_out == held_out]
            assert {one.asks for one in found} == set(ASKS)
            assert {one.register for one in found} == set(REGISTERS)

    @pytest.mark.parametrize("concept", SEEN, ids=named)
    def test_asks_for_both_directions_often(self, concept):
        count = Counter(one.asks for one in concept.wordings)
        assert count["strength"] >= 14
        assert count["freedom"] >= 7
        assert count["presence"] >= 6
        assert count["absence"] >= 3

    @pytest.mark.parametrize("concept", SEEN, ids=named)
    def test_a_third_of_the_names_is_held_out(self, concept):
        assert len(concept.training_names) == 2 * len(concept.held_out_names) >= 4
        assert (*concept.training_names, *concept.held_out_names) == concept.names


class TestKeptOut:
    def test_are_twelve(self):
        assert len(KEPT_OUT) == 12

    @pytest.mark.parametrize("concept", KEPT_OUT, ids=named)
    def test_never_train_and_ask_in_all_ways(self, concept):
        assert len(concept.wordings) >= 12
        assert {one.asks for one in concept.wordings} == set(ASKS)
        assert all(one.held_out for one in concept.wordings)
        assert concept.training_names == ()

    @pytest.mark.parametrize("concept", KEPT_OUT, ids=named)
    def test_their_words_are_in_nothing_that_is_seen(self, concept):
        texts = [wording.text for one in SEEN for wording in one.wordings] + [
            name for one in SEEN for name in one.names
        ]
        texts += [one.text for one in (*unhearable(), *frames(), *compositions())]
        texts += [text for scale in scales() for text in (*scale.levels, *scale.sentences)]
        stems = re.compile("|".join(rf"\b{re.escape(word)}" for word in concept.words))
        assert [text for text in texts if stems.search(text.casefold())] == []

    @pytest.mark.parametrize("concept", KEPT_OUT, ids=named)
    def test_their_own_texts_use_them(self, concept):
        stems = re.compile("|".join(rf"\b{re.escape(word)}" for word in concept.words))
        texts = [*concept.names, *(one.text for one in concept.wordings)]
        assert [text for text in texts if not stems.search(text.casefold())] == []


class TestTexts:
    def test_none_stands_twice(self):
        count = Counter(plain(one.text) for one in EVERY)
        assert [text for text, times in count.items() if times > 1] == []

    def test_no_name_stands_twice(self):
        count = Counter(name.casefold() for one in concepts().values() for name in one.names)
        assert [name for name, times in count.items() if times > 1] == []

    def test_a_held_out_name_is_no_wording_that_trains(self):
        trained = {plain(one.text) for one in EVERY if not one.held_out}
        assert [name for one in concepts().values() for name in one.held_out_names if plain(name) in trained] == []

    def test_what_other_tests_probe_with_is_not_among_them(self):
        probes = [text for texts in ROBUSTNESS.values() for group in texts.values() for text in group]
        probes += [text for group in ANY_RUBRIC.values() for text in group]
        probes += [text for one in UNSEEN.values() for text in (*one.questions, one.definition)]
        found = {plain(one.text) for one in EVERY}
        assert found & set(map(plain, probes)) == set()
        labels = [one.label for one in UNSEEN.values() if one.label != "hiss"]
        assert [text for text in found for label in labels if label in text] == []
        assert not {one.levels for one in scales()} & {one.levels for one in UNSEEN.values()}

    def test_held_out_ones_are_no_question_of_our_rubrics(self):
        asked = {plain(text) for one in RUBRICS.values() for text in one.questions}
        asked |= {plain(one.fill(text)) for one in RUBRICS.values() for text in wordings("decide")[0]}
        assert asked & {plain(one.text) for one in EVERY if one.held_out} == set()

    def test_braces_are_those_of_templates_alone(self):
        assert all("{a}" in one.text and "{b}" in one.text for one in compositions())
        assert all("{a}" in one.text and "{b}" not in one.text for one in frames())
        rest = [one.text for one in EVERY if one not in (*frames(), *compositions())]
        assert [text for text in rest if set(text) & set("{}")] == []


class TestOthers:
    def test_unhearable_are_sixty_of_which_a_third_is_held_out(self):
        assert len(unhearable()) >= 60
        assert 1 / 3 <= held_out_share(unhearable()) <= 0.4

    @pytest.mark.parametrize("templates", [frames, compositions])
    def test_templates_ask_in_all_ways_and_a_third_is_held_out(self, templates):
        assert len(templates()) >= 16
        assert 0.3 <= held_out_share(templates()) <= 0.4
        for held_out in (False, True):
            assert {one.asks for one in templates() if one.held_out == held_out} == set(ASKS)

    @pytest.mark.parametrize("asks", ASKS[:2])
    def test_scales_of_names_and_of_numbers(self, asks):
        found = [one for one in scales() if one.asks == asks]
        numbers = [one for one in found if one.levels[0].isdigit() or len(one.levels[0]) == 1]
        assert len(found) - len(numbers) >= 12
        assert all(one.sentences for one in numbers)
        assert 0.3 <= held_out_share(found) <= 0.4
        assert all(2 <= len(one.levels) <= 11 for one in found)

    def test_no_sentence_or_direction_of_levels_stands_twice(self):
        sentences = Counter(plain(text) for one in scales() for text in one.sentences)
        lists = Counter((one.levels, one.asks, one.held_out) for one in scales())
        assert max(sentences.values()) == max(lists.values()) == 1

    def test_held_out_names_of_levels_have_a_list_of_their_own(self):
        trained = {one.levels for one in scales() if not one.held_out}
        assert not [one for one in scales() if one.held_out and not one.sentences and one.levels in trained]


class TestTrainingAlone:
    """Texts that all train: nothing of what is held out may be among them."""

    MIXED = tuple(wording.text for one in mixtures() for wording in one.wordings)

    @pytest.mark.parametrize("concept", KEPT_OUT, ids=lambda concept: concept.name)
    def test_no_mixture_has_the_words_of_a_concept_that_is_kept_out(self, concept):
        assert not [(text, word) for text in self.MIXED for word in concept.words if word.casefold() in text.casefold()]

    def test_no_mixture_is_a_wording_that_is_held_out(self):
        held_out = {plain(one.text) for one in EVERY if one.held_out}
        assert not held_out & set(map(plain, self.MIXED))

    def test_what_cannot_be_heard_fills_its_templates(self):
        found = elsewhere()
        asked = {text.format(noun=found["nouns"][0], adjective=found["adjectives"][0]) for text in found["templates"]}
        assert not [text for text in asked if "{" in text]


class TestReadConcept:
    GOOD = """
causes: [hum]
seen: true
names: [hum]
wordings:
  - {text: "How strong is the hum?", asks: strength, register: lay}
"""

    def read(self, folder, text):
        (folder / "drone.yaml").write_text(text)
        return read_concept(folder / "drone.yaml")

    def test_is_called_like_its_file(self, tmp_path):
        wording = Wording("How strong is the hum?", "strength", "lay")
        assert self.read(tmp_path, self.GOOD) == Concept("drone", ("hum",), (wording,), ("hum",))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("strength", "strenth", "wordings, number 1: asks 'strenth'; use one of strength, freedom"),
            ("register: lay", "register: layman", "number 1: register 'layman'; use one of engineer"),
            ("register: lay", "regster: lay", "number 1: unknown key 'regster'; known: text, asks, register"),
            (", register: lay", "", "number 1: no register in .*; add it"),
            ('"How strong is the hum?"', "no", "number 1: text False; text in quotes is needed"),
            ("causes: [hum]", "causes: hum", "causes 'hum'; a list is needed"),
            ("causes: [hum]", "", r"causes \[\] and rubric ''; give one of the two"),
            ("seen: true", "seen: false", r"words \[\]; give them if, and only if, seen is false"),
            ("seen: true", 'seen: "yes"', "seen 'yes'; true or false is needed"),
            ("names: [hum]", "names: []", "names and wordings; at least one of each is needed"),
            ("names: [hum]", "nouns: [hum]", "unknown key 'nouns'; known: names, wordings, causes"),
            ("names: [hum]", "names: [", "cannot be read as YAML"),
            (GOOD, "hum", "'hum'; a mapping with names, wordings"),
        ],
    )
    def test_a_wrong_file_is_named_with_key_and_fix(self, tmp_path, old, new, message):
        assert old in self.GOOD
        with pytest.raises(UsageError, match=rf"drone\.yaml: .*{message}"):
            self.read(tmp_path, self.GOOD.replace(old, new))

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"drone\.yaml: cannot be read"):
            read_concept(tmp_path / "drone.yaml")

    def test_a_rubric_stands_in_place_of_causes(self):
        found = {one.rubric for one in concepts().values() if one.rubric}
        assert found == set(RUBRICS)

    def test_keys_are_those_of_the_class(self):
        assert [one.name for one in fields(Wording)] == ["text", "asks", "register", "held_out"]
