"""What was decided and measured of one clip, in sentences built from it: what, how strong, when, and what it does to the score.

Nothing is said that was not decided or measured. How a sentence is put hangs on what it says: alternatives are drawn by a seed
made of the facts, so that equal facts get equal words and different clips read differently. In languages without templates
(``audio_judge.languages.findings``) ``explain.reasons`` speaks.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from audio_judge.clips import Cause
from audio_judge.languages import get_language
from audio_judge.languages.findings import FINDINGS, Findings
from audio_judge.rubrics.rubric import RUBRICS, fill_fields, in_language, sentence_case
from audio_judge.tasks import explain

# Below this, a judge is not sure enough of a fault to name it without a "probably"
SURE = 0.7
# A fault that lasts for more of the clip than this is there nearly all the time
MOST = 0.6
# Bursts that add up to less of the clip say little of when there is noise
BURSTS = 0.2
USUAL_LUFS = -23
# Points of a scale of five by which what weighs most is worse than the next
STANDS_OUT = 0.3
# A level that fewer listeners than these would choose is not what they say
LEAST_SHARE = 0.3
# Bands that reach so high, and pauses so far below the speech, speak for a clip
WIDE_HZ, QUIET_DB = 8000, 20
# A share of clipped samples that takes more than 6 dB of headroom; a ratio of speech to noise with which nobody is disturbed
STRONGLY_CLIPPED, CLEAN_SNR_DB = 0.03, 30.0
# A level that is off by less needs no setting right
AUDIBLE_DB = 3.0
# More places than these are counted and not listed
_LISTED = 3
# What comes and goes, to the shares of the time from which it is more than slight, and strong
_LASTING = dict.fromkeys(("packet_loss", "jitter", "time_clipping"), (0.03, 0.12)) | {"clicks": (0.02, 0.1)}
FIELD = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Found:
    """What is known of a clip, or of the part that the words are about.

    Args:
        scores: On NISQA's rubrics, with ``mos``, which is that of the whole clip; a rubric of which nothing shall be said is absent.
        faults: That are there, with what was measured of each as its parameters; spans in seconds. None if nobody asked.
        seconds: Length of the part; None if it is not known.
        spread: Expected standard deviation of the listeners' votes on the whole.
        shares: Rubric to level to the estimated share of listeners who would choose it; of no rubric where it is not known.
        measured: ``lufs`` (loudness), ``high_hz`` (where the sound ends), ``snr_db`` (speech over pauses), ``gap_seconds``: what is known.
        part: From when to when the words are about, which is no news of a fault that lasts as long.
    """

    scores: Mapping[str, float]
    faults: Sequence[Cause] | None = ()
    seconds: float | None = None
    spread: float | None = None
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    part: tuple[float, float] | None = None


def explanation(found: Found, language: str = "en") -> str:
    """Write reasons: each score that faults hurt with its faults, the worst first, then what is in order, and the verdict.

    Example:
        >>> explanation(Found({"mos": 2.1, "noisiness": 1.4}, [Cause("noise", {"snr_db": 8.0})])).partition(". ")[0]
        'This comes to 2.1 overall, in a word poor'
    """
    return _joined_up(Writer(FINDINGS[language], found, language).sentences())


def description(found: Found, language: str = "en") -> str:
    """Write what an explanation says but for the verdict.

    Example:
        >>> description(Found({"mos": 2.1, "noisiness": 1.4}, None))
        'The noise floor is the trouble, noisiness 1.4: noise covers the voice.'
    """
    return _joined_up(Writer(FINDINGS[language], found, language).sentences(has_verdict=False))


def advice(found: Found, areas: Sequence[str] = (), language: str = "en") -> tuple[str, ...]:
    """Write advice, a line each: against every fault that is more than slight, the most harmful first, then for low scores without one.

    Args:
        areas: Names of rubrics that need work; those of scores that a fault hurts are spoken of with it.

    Returns:
        One line or more; a line names its fault, or the rubric, before its colon, and what to do behind it.

    Example:
        >>> advice(Found({"mos": 2.1, "loudness": 1.9}, [Cause("level", {"gain_db": -12.0})]))[0].partition(": ")[0]
        'A voice that is noticeably too quiet (-35 LUFS, 12 dB below the usual -23)'
    """
    return tuple(map(sentence_case, Writer(FINDINGS[language], found, language).advice(areas)))


def expand(template: str, rng: random.Random, known: Callable[[list[str]], list[str]] = list) -> str:
    """Draw the alternatives of a template, the innermost first.

    Args:
        known: Those of some alternatives that can be drawn.

    Example:
        >>> expand("[a|a] b[|]", random.Random(0))
        'a b'
    """
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(known(match[1].split("|"))) + template[match.end() :]
    return template


def _joined_up(sentences: Sequence[str]) -> str:
    """One paragraph; what stands in two brackets, one behind the other, stands in one."""
    return " ".join(sentence_case(one.replace(") (", "; ")) for one in sentences)


def seed_of(*facts: object) -> random.Random:
    """A generator that is the same for the same facts, on every machine.

    Example:
        >>> seed_of(1.5, "noise").random() == seed_of(1.5, "noise").random()
        True
    """
    return random.Random(repr(facts))  # a string is hashed by its content, unlike in ``hash``


class Writer:
    """Puts what is known of one clip into words of one language; draws are made in the order of what is written."""

    def __init__(self, words: Findings, found: Found, language: str) -> None:
        self.words, self.found, self.language = words, found, language
        self.scores = {name: value for name, value in found.scores.items() if name != "mos"}
        shown = {name: f"{value:.1f}" for name, value in found.scores.items()}
        self.faults = explain.strongest_of_each_kind(found.faults or ())
        kinds = [
            (one.kind, [f"{v:.2g}" for v in one.parameters.values() if isinstance(v, float)]) for one in self.faults
        ]
        self.rng = seed_of(shown, kinds)

    def sentences(self, *, has_verdict: bool = True) -> list[str]:
        """All of it, with the verdict first or last; None of a clip of which there is nothing to say but that."""
        faults = self.faults
        with_verdict = self._with_verdict if has_verdict else list
        if not faults and explain.is_clean(self.found.scores, ()):
            return with_verdict(self._flawless())
        hurt = {name: [one for one in faults if explain.hurts(one.kind) == name] for name in self.scores}
        ranked = sorted(self.scores, key=lambda name: RUBRICS[name].goodness(self.scores[name]))
        places = {name: explain.fifth(RUBRICS[name], self.scores[name]) for name in ranked}
        middling = [name for name in ranked if places[name] == 2 and not hurt[name]]
        # What is in the middle makes a sentence of its own only where there is nothing worse to speak of
        spoken = [name for name in ranked if hurt[name] or places[name] < 2] or middling[:1]
        beside = [
            *self._list(
                [name for name in middling if name not in spoken], self.words.middling, self.words.middling_one
            ),
            *self._fine([name for name in ranked if places[name] > 2 and not hurt[name]]),
        ]
        # Faults whose rubric has no score that may be spoken of
        bare = [self._bare(one) for one in faults if explain.hurts(one.kind) not in self.scores]
        first, others = spoken[:1], spoken[1:]
        if (
            has_verdict
            and first
            and hurt[first[0]]
            and places[first[0]] < 2
            and self._stands_out(ranked)
            and self.rng.random() < 0.4
        ):
            opening = self._because(first[0], hurt[first[0]])
            return [opening, *self._more([self._told(name, hurt) for name in others] + bare), *beside]
        told = [self._told(name, hurt) for name in spoken] + bare
        return with_verdict([*self._led(told), *beside])

    def advice(self, areas: Sequence[str]) -> list[str]:
        """Lines of advice that begin small."""
        faults = [one for one in self.faults if explain.severity(one) != explain.SLIGHT]
        harm = {one.kind: self.scores.get(explain.hurts(one.kind), 5.0) for one in faults}
        lines = [self._remedy(one) for one in sorted(faults, key=lambda one: harm[one.kind])]
        treated = {explain.hurts(one.kind) for one in faults}
        lines += [self._general(name) for name in areas if name not in treated and name in self.found.scores]
        if lines:
            return lines
        frame = expand(self._draw(self.words.nothing_to_do), self.rng)
        return [fill_fields(frame, {"x": f"{self.found.scores['mos']:.1f}"})]

    def _remedy(self, fault: Cause) -> str:
        side = explain.side_of(fault) if explain.has_side(fault.kind) else None
        frames = self.words.remedies_by_side[fault.kind, side] if side is not None else self.words.remedies[fault.kind]
        fields: dict[str, str] = {}
        for name in self.words.faults[fault.kind].measures:
            if isinstance(value := fault.parameters.get(name), int | float):
                fields |= measure_fields(name, float(value))
        return f"{self.phrase(fault)}: {self._filled(frames, fields)}."

    def _filled(self, frames: Sequence[str], fields: dict[str, str]) -> str:
        """A template of which all fields are known, if there is one with fields rather one of these."""
        usable = [one for one in frames if set(FIELD.findall(one)) <= fields.keys()]
        measured = [one for one in usable if FIELD.search(one)]
        return fill_fields(expand(self._draw(measured or usable), self.rng), fields)

    def _general(self, name: str) -> str:
        if name not in self.words.general:
            return self.rng.choice(get_language(self.language).advice[name])
        known = self.found.measured
        fields = {"x": f"{self.found.scores[name]:.1f}"}
        if 0 < known.get("high_hz", 0) < WIDE_HZ:
            fields["high"] = f"{known['high_hz'] / 1000:.1f}"
        gap = USUAL_LUFS - known.get("lufs", USUAL_LUFS)
        if abs(gap) >= AUDIBLE_DB:
            turn = expand(self.words.turn[-1 if gap > 0 else 1], self.rng)
            fields |= {"lufs": f"{known['lufs']:.1f}", "gap": f"{abs(gap):.0f}", "turn": turn}
        usable = [one for one in self.words.general[name] if set(FIELD.findall(one)) <= fields.keys()]
        measured = [one for one in usable if set(FIELD.findall(one)) - {"x"}]
        return fill_fields(expand(self._draw(measured or usable), self.rng), fields)

    def _stands_out(self, ranked: Sequence[str]) -> bool:
        """Whether the first score is worse than the second by so much that it is what weighs most."""
        values = [self.scores[name] for name in ranked[:2]]
        return len(values) == 1 or values[1] - values[0] >= STANDS_OUT

    def _told(self, name: str, hurt: Mapping[str, Sequence[Cause]]) -> str:
        return self._hurt(name, hurt[name]) if hurt[name] else self._unexplained(name)

    def _flawless(self) -> list[str]:
        seconds = self.found.seconds
        opening = expand(self._draw(self.words.flawless), self.rng)
        fine = self._fine(sorted(self.scores, key=lambda name: -self.scores[name]))
        is_known = seconds and self.found.faults is not None  # whether there are faults
        return [fill_fields(opening, {"seconds": f"{seconds:.1f}"}), *fine] if is_known else fine

    def _fine(self, names: Sequence[str]) -> list[str]:
        several, one = self.words.fine, self.words.fine_one
        if len(names) < len(self.scores):
            several, one = (*several, self.words.but[0]), (*one, self.words.but[1])
        return self._list(names, several, one, are_fine=True)

    def _with_verdict(self, sentences: list[str]) -> list[str]:
        verdict = self.verdict()
        return [verdict, *sentences] if self.rng.random() < 0.4 else [*sentences, verdict]

    def verdict(self) -> str:
        """The level of the whole, by its name and its number."""
        mos, level = self.found.scores["mos"], self._level()
        frames = [one for one in self.words.verdicts if self.found.spread is not None or "{std}" not in one]
        share = self.found.shares.get("mos", {}).get(level, 0.0)
        if share < LEAST_SHARE:
            frames = [one for one in frames if "{share}" not in one]
        fields = {
            "level": level,
            "mos": f"{mos:.1f}",
            "std": f"{self.found.spread or 0:.1f}",
            "share": f"{100 * share:.0f}",
        }
        return fill_fields(expand(self._draw(frames), self.rng), fields)

    def _level(self) -> str:
        return in_language(RUBRICS["mos"], self.language).level_of(self.found.scores["mos"])

    def _draw(self, templates: Sequence[str]) -> str:
        return self.rng.choice(list(templates))

    def _led(self, sentences: list[str]) -> list[str]:
        if len(sentences) < 2:
            return sentences
        # One colon a sentence
        lead = expand(self.words.leads, self.rng)
        return [_after("" if ":" in lead and ":" in sentences[0] else lead, sentences[0]), *self._more(sentences[1:])]

    def _more(self, sentences: list[str]) -> list[str]:
        return [_after(expand(self.words.more, self.rng), one) for one in sentences]

    def _hurt(self, name: str, faults: Sequence[Cause]) -> str:
        place = explain.fifth(RUBRICS[name], self.scores[name])
        frames = self.words.hurts[0 if place < 2 else min(place - 1, 2)]
        fields = self._named(name) | {"cause": self._joined([self.phrase(one) for one in faults])}
        return fill_fields(expand(self._draw(frames), self.rng), fields)

    def _because(self, name: str, faults: Sequence[Cause]) -> str:
        """A verdict with the faults that weigh most as its reason."""
        fields = self._named(name) | {"cause": self._joined([self.phrase(one) for one in faults])}
        fields |= {"mos": f"{self.found.scores['mos']:.1f}", "level": self._level()}
        return fill_fields(expand(self._draw(self.words.because), self.rng), fields)

    def _bare(self, fault: Cause) -> str:
        return f"{self.phrase(fault)}."

    def _joined(self, phrases: Sequence[str]) -> str:
        if len(phrases) < 3:
            return phrases[0] + "".join(self._draw(self.words.together) + one for one in phrases[1:])
        return f"{', '.join(phrases[:-1])} and {phrases[-1]}"

    def _unexplained(self, name: str) -> str:
        words = self.words.unexplained[name][min(explain.fifth(RUBRICS[name], self.scores[name]), 2)]
        share = self._share(name)
        frames = [one for one in self.words.alone if share or "{share}" not in _without_choices(one)]
        unknown = "" if self.found.faults is None else expand(self.words.unknown, self.rng)
        fields = self._named(name) | {"words": expand(words, self.rng), "share": share, "unknown": unknown}
        return fill_fields(self._with(self._draw(frames), fields), fields)

    def _with(self, template: str, fields: Mapping[str, str]) -> str:
        """A template with its alternatives drawn among those of which every field is known."""

        def known(options: Sequence[str]) -> list[str]:
            return [one for one in options if all(fields.get(name, "x") for name in FIELD.findall(one))] or [""]

        return expand(template, self.rng, known)

    def _named(self, name: str) -> dict[str, str]:
        label = in_language(RUBRICS[name], self.language).label
        value = self.scores[name]
        names = {"dim": label, "label": expand(self.words.labels[name], self.rng)}
        return names | {"x": f"{value:.1f}", "cost": f"{5 - value:.1f}"}

    def _share(self, name: str) -> str:
        level, share = max(self.found.shares.get(name, {}).items(), key=lambda pair: pair[1], default=("", 0.0))
        fields = {"level": level, "share": f"{100 * share:.0f}"}
        return fill_fields(expand(self.words.share, self.rng), fields) if share >= LEAST_SHARE else ""

    def phrase(self, fault: Cause) -> str:
        """A fault in words: how strong, what was measured of it, and when."""
        words = self.words.faults[fault.kind]
        text = expand(words.phrases[strength(fault, self.found.scores, self.found.seconds)], self.rng)
        if "{direction}" in text:
            text = fill_fields(text, {"direction": explain.direction(fault, self.language)})
        if fault.parameters.get("probability", 1.0) < SURE:
            text = f"{expand(self.words.hedge, self.rng)} {text}"
        details = [one for one in (*self._measures(fault), self._when(fault)) if one]
        if not details and fault.parameters.get("probability", 0.0) >= SURE:
            share = f"{100 * fault.parameters['probability']:.0f}"
            details = [fill_fields(expand(self.words.sure, self.rng), {"share": share})]
        return f"{text} ({'; '.join(details)})" if details else text

    def _measures(self, fault: Cause) -> list[str]:
        said = []
        for name, template in self.words.faults[fault.kind].measures.items():
            value = fault.parameters.get(name)
            if isinstance(value, int | float):
                said.append(fill_fields(expand(template, self.rng), measure_fields(name, float(value))))
        return said

    def _when(self, fault: Cause) -> str:
        spans = [(start, end) for start, end in fault.spans if (start, end) != self.found.part]
        total, length = sum(end - start for start, end in spans), self.found.seconds
        # Noise that fills the pauses is there throughout, whatever stands out of it
        is_steady = fault.kind == "noise" and ("snr_db" in fault.parameters or total < BURSTS * (length or 0))
        if not spans or is_steady:
            return ""
        once, few, many, most = self.words.spans
        fields = {
            "start": f"{spans[0][0]:.1f}",
            "end": f"{spans[-1][1]:.1f}",
            "n": str(len(spans)),
            "sum": _brief(total),
        }
        fields["times"] = listed([f"{start:.1f}" for start, _ in spans])
        if length and total >= MOST * length:
            template, fields = most, fields | {"share": f"{min(100, 100 * total / length):.0f}"}
        elif len(spans) == 1 and spans[0][1] - spans[0][0] >= 0.15:
            template = once
        else:
            template = few if len(spans) <= _LISTED else many
        return fill_fields(expand(template, self.rng), fields)

    def _list(
        self, names: Sequence[str], several: Sequence[str], one: Sequence[str], *, are_fine: bool = False
    ) -> list[str]:
        if not names:
            return []
        items = listed([self._item(name, self._note(name) if are_fine else "") for name in names])
        return [fill_fields(expand(self._draw(several if len(names) > 1 else one), self.rng), {"list": items})]

    def _item(self, name: str, note: str) -> str:
        frames = [one for one in self.words.item if note or "{note}" not in _without_choices(one)]
        fields = self._named(name) | {"note": note}
        return fill_fields(self._with(self._draw(frames), fields), fields)

    def _note(self, name: str) -> str:
        """What was measured beside a score and speaks for it; empty if nothing does."""
        known, fields = self.found.measured, dict[str, str]()
        if "lufs" in known:
            fields["lufs"] = f"{known['lufs']:.1f}"
        if known.get("high_hz", 0) >= WIDE_HZ:
            fields["high"] = f"{known['high_hz'] / 1000:.1f}"
        if known.get("snr_db", 0) >= QUIET_DB:
            fields["snr"] = f"{known['snr_db']:.0f}"
        if self.found.seconds and known.get("gap_seconds") == 0:
            fields["seconds"] = f"{self.found.seconds:.1f}"
        template = self.words.measures.get(name, "")
        return fill_fields(expand(template, self.rng), fields) if set(FIELD.findall(template)) <= fields.keys() else ""


def _without_choices(template: str) -> str:
    while _CHOICE.search(template):
        template = _CHOICE.sub("", template)
    return template


def measure_fields(name: str, value: float) -> dict[str, str]:
    """What a template of a parameter takes, in the units that engineers speak in.

    Example:
        >>> measure_fields("high_hz", 3400.0), measure_fields("gain_db", -18.04)["value"]
        ({'value': '3.4'}, '18')
    """
    if name == "gain_db":
        return {
            "value": f"{abs(value):.0f}",
            "lufs": f"{USUAL_LUFS + value:.0f}",
            "side": "below" if value < 0 else "above",
        }
    if name == "fraction":
        return {"value": _brief(100 * value), "headroom": "6" if value < STRONGLY_CLIPPED else "12"}
    if name == "snr_db":  # suppression by more than 12 dB is heard itself
        return {"value": f"{value:.0f}", "reduce": f"{min(12.0, max(6.0, CLEAN_SNR_DB - value)):.0f}"}
    if name == "loss_rate":
        return {"value": _brief(100 * value)}
    return {"value": _brief(value / 1000 if name == "high_hz" else value)}


def strength(fault: Cause, scores: Mapping[str, float] = MappingProxyType({}), seconds: float | None = None) -> int:
    """How strong a fault is: ``explain.SLIGHT``, ``CLEAR`` or ``STRONG``.

    By its ``severity``, what was measured of it, how much of the time it is there, else by the score that it hurts; clear if
    nothing is known.

    Example:
        >>> strength(Cause("noise", {"probability": 0.9}), {"noisiness": 1.2})
        2
    """
    if explain.is_graded(fault):
        return explain.severity(fault)
    if fault.spans and seconds and fault.kind in _LASTING:
        share = sum(end - start for start, end in fault.spans) / seconds
        return sum(share > least for least in _LASTING[fault.kind])
    name = explain.hurts(fault.kind)
    if name not in scores:
        return explain.CLEAR
    return (explain.STRONG, explain.STRONG, explain.CLEAR, explain.SLIGHT, explain.SLIGHT)[
        explain.fifth(RUBRICS[name], scores[name])
    ]


def _brief(value: float) -> str:
    """Two digits that count: 0.42, 3.4, 18."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def listed(items: Sequence[str]) -> str:
    """One thing or more, as in running text."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _after(lead: str, sentence: str) -> str:
    """A sentence behind what leads to it: its first letter small, but for ``I``."""
    if not lead or re.match(r"I\b", sentence):
        return lead + sentence
    return lead + sentence[:1].lower() + sentence[1:]
