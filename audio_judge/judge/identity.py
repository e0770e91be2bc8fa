"""Who a judge is: its name and version, what it was trained on and so how it is asked; it warns, once each, of what it was not."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from audio_judge.errors import UsageError, callers_stacklevel
from audio_judge.judge.learned import COMPARE_QUESTION, DECIDE, DETECT_QUESTION, LABELLED, OUR_WORDS, Learned
from audio_judge.judge.native_model import NativeProcessor
from audio_judge.judge.reader import Reader
from audio_judge.judge.results import Result
from audio_judge.judge.wordings import Questions, Understood, hears_in_words, understood_by
from audio_judge.languages import check_language
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS, Rubric
from audio_judge.tasks import faults
from audio_judge.tasks.listeners import Listener, as_listener


class UntrainedRubricWarning(UserWarning):
    """A judge is asked for a rubric it was not trained on."""


class UntrainedQuestionWarning(UserWarning):
    """A judge is asked a typed question in words that it never learned, nor any that mean the same."""


class UntrainedTaskWarning(UserWarning):
    """A judge is asked for a task it was not trained on."""


class UntrainedTaskError(UsageError):
    """A judge is asked for what it cannot do, as it was not trained on that nor on anything that stands in for it."""


class UntrainedLanguageWarning(UserWarning):
    """A judge is wanted to answer in a language it was not trained in."""


class UntrainedListenerWarning(UserWarning):
    """A judge is wanted to listen on behalf of somebody whose ratings it never learned."""


class Identity:
    """A judge by name, and by what is noted of its training: in its configuration, or, of earlier versions, in its processor."""

    def __init__(self, reader: Reader, name: str, revision: str) -> None:
        self._reader = reader
        self.name, self.revision = name, revision
        self._warned: set[tuple[str, str]] = set()
        self._read: tuple[Any, Learned | None] = None, None

    @property
    def signature(self) -> str:
        """Name and revision, by which a calibrated rubric knows its judge."""
        return f"{self.name} {self.revision}".strip()

    @property
    def learned(self) -> Learned | None:
        """What it learned; None of a judge that does not say, which is asked typed questions."""
        note = getattr(self._reader.model.config, "learned", None)
        if note is not self._read[0]:  # once, as it is asked for every rubric of every clip
            self._read = note, Learned.of(self._reader.model.config)
        return self._read[1]

    @property
    def is_untaught(self) -> bool:
        """Whether it is a native model that notes no training, so that its requests must say all that is asked."""
        return self.learned is None and isinstance(self._reader.processor, NativeProcessor)

    @property
    def rubrics(self) -> tuple[str, ...]:
        """Names of the rubrics the judge was trained on; none if it does not say."""
        if self.learned is not None:
            return self.learned.scored
        return tuple(getattr(self._reader.processor, "trained_rubrics", None) or ())

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the judge was trained in; none if it does not say."""
        if self.learned is not None:
            return self.learned.languages
        return tuple(getattr(self._reader.processor, "trained_languages", None) or ())

    @property
    def dimensions(self) -> dict[str, Rubric]:
        """SpeechEval's dimensions that ``assess`` speaks of; if some are known to be trained, only those."""
        known = {name: rubric for name, rubric in SPEECHEVAL_RUBRICS.items() if name in self.rubrics}
        decided = {name: rubric for name, rubric in known.items() if self._is_decided(name)}
        # `mos` is among them and almost every judge learned it; alone it does not speak for the others
        return next((some for some in (decided, known) if len(some) > 1), dict(SPEECHEVAL_RUBRICS))

    @property
    def advised(self) -> list[Rubric]:
        """What suggestions are about: SpeechEval's dimensions, and those of NISQA's that are known to be trained."""
        exact = [rubric for name, rubric in RUBRICS.items() if name in self.rubrics and self._is_decided(name)]
        return list({rubric.name: rubric for rubric in [*self.dimensions.values(), *exact]}.values())

    @property
    def fault_questions(self) -> dict[str, dict[str, Any]]:
        """Questions about known faults; none for a judge that is not known to have learned them."""
        knows = self._reader.processor.trained_faults if self.learned is None else self.learned.has_faults
        return faults.all_questions(with_spans=self._reader.model.span_head is not None) if knows else {}

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Kind of fault to the probability from which the judge names it, as fitted to it; none of one to which that was not fitted."""
        return {} if self.learned is None or self.learned.decided is None else self.learned.decided.thresholds

    # How it is asked

    def way_to_score(self, rubric: str) -> str:
        """The task by which it scores a rubric: the one that it learned it by, or another one that takes any rubric.

        Raises:
            UntrainedTaskError: If it learned to score no rubric, or only some in texts that speak of no other.
        """
        if self.learned is None:
            is_decimal = getattr(self._reader.processor, "answer_form", DECIDE) == "decimal"
            return "score" if is_decimal else DECIDE
        ways = [way for way in (self.learned.way_to_score(rubric), *self._scores_anything) if way is not None]
        if not ways:
            raise self.unlearned(f"to score {rubric!r}")
        return ways[0]

    def says(self, task: str) -> bool:
        """Whether a task in words is asked as a whole and read from the judge's text, numbers included.

        Else numbers are decided, and only the words between them are the judge's, if it learned the task.

        Raises:
            UntrainedTaskError: If it learned neither the task nor to score whatever it is asked.
        """
        if self.learned is None:
            return False
        if task not in self.learned.tasks:
            if not self._scores_anything:
                raise self.unlearned(f"to {task}")
            return False
        # Suggestions state no scores, but follow from those of the dimensions that the judge knows
        stated = self.learned.tasks[task].rubrics or tuple(name for name in self.dimensions if self._is_decided(name))
        return len(stated) < 1 + (task == "suggest") or not all(map(self._is_decided, stated))

    @property
    def _scores_anything(self) -> list[str]:
        """The tasks by which it can be asked for a rubric that it was not trained on: typed questions, and numbers in words."""
        if self.learned is None:
            return [DECIDE]
        in_words = [task for task in (*LABELLED, "rate") if task in self.learned.tasks]
        # Typed questions of another kind are typed questions, too
        return [DECIDE] * self.learned.decides + in_words

    def _is_decided(self, rubric: str) -> bool:
        """Whether it learned to score a rubric by the probability of each answer."""
        return self.learned is None or self.learned.way_to_score(rubric, (DECIDE, *LABELLED)) is not None

    def scores_all(self, rubrics: Iterable[str]) -> bool:
        """Whether it is known to have learned to score some rubrics by the probability of each answer."""
        return all(name in self.rubrics and self._is_decided(name) for name in rubrics)

    def writes(self, task: str) -> bool:
        """Whether the judge writes the free words of a task; after a warning, once, they are made of what it decides if not.

        One that learned nothing but sentences of our own writers can say no more than is made of what it decides, and less.
        """
        if self.learned is not None and self.learned.words == OUR_WORDS:
            return False
        if self.learned is None or task in self.learned.tasks:
            return True
        message = f"{self.unlearned(f'to {task}')}: its words are made of what it decides"
        self._warn(message, UntrainedTaskWarning, (task, ""))
        return False

    def way_to_detect(self) -> str:
        """The task by which it tells real from fake speech, in a typed question or in a label.

        Raises:
            UntrainedTaskError: If it learned neither that nor any typed question.
        """
        return self._way(DETECT_QUESTION, "detect")

    def way_to_compare(self) -> str:
        """The task by which it compares, in a typed question or in a text.

        Raises:
            UntrainedTaskError: If it learned neither that nor any typed question.
        """
        return self._way(COMPARE_QUESTION, "compare")

    def _way(self, question: str, task: str) -> str:
        if self.learned is None or question in self.learned.tasks:
            return question
        if task in self.learned.tasks:
            return task
        error = self.unlearned(f"to {task}")
        if not self.learned.decides:
            raise error
        self._warn(f"{error}. Check what it answers", UntrainedTaskWarning, (task, ""))
        return question

    def unlearned(self, what: str) -> UntrainedTaskError:
        """The error that says what the judge learned in place of ``what``."""
        return UntrainedTaskError(f"{self.name or 'this judge'} never learned {what}; it learned {self.learned}")

    def understood(self, questions: Questions) -> Understood:
        """Typed questions in words that the judge learned, after a warning, once each, about those that have none."""
        found = understood_by(self._reader.model, self._reader.processor, questions, self.name)
        for key in found.unknown:
            text = str(questions[key].get("instructions"))
            self._warn(
                found.notes[key]["warning"], UntrainedQuestionWarning, (text, str(questions[key].get("criteria")))
            )
        return found

    def signed(self, said: Result) -> Result:
        """A result with the judge's name and version."""
        return replace(said, model=self.name, revision=self.revision)

    def trained(self, rubrics: Iterable[Rubric]) -> list[Rubric]:
        """The rubrics, after a warning for each that the judge was not trained on, once."""
        asked = list(rubrics)
        for rubric in asked:
            if isinstance(rubric, CalibratedRubric):
                message = f"{rubric.name!r} was calibrated with {rubric.judge!r}; calibrate it again for this judge"
                is_known = rubric.judge in ("", self.signature)
            else:
                message = (
                    f"{self.name or 'this judge'} was not trained on {rubric.name!r}, so its scores may say little about "
                    f"it; it was trained on {', '.join(self.rubrics)}. Check them, or fit them with judge.calibrate(...)"
                )
                is_known = not self.rubrics or rubric.name in self.rubrics or self._hears(rubric)
            if not is_known:
                self._warn(message, UntrainedRubricWarning, (rubric.name, rubric.definition))
        return asked

    def _hears(self, rubric: Rubric) -> bool:
        return hears_in_words(self._reader.model, self._reader.processor, rubric.question())

    def on_behalf_of(self, listener: str | Listener | None) -> Listener | None:
        """The listener, after a warning, once, if the judge never learned how such a one rates."""
        behalf = as_listener(listener)
        known = () if self.learned is None else self.learned.listeners
        if behalf is not None and behalf.name not in known:
            message = (
                f"{self.name or 'this judge'} never learned how {behalf.name!r} rates, so that the words of the request may "
                f"change nothing; it learned {', '.join(known) or 'no listener'}"
            )
            self._warn(message, UntrainedListenerWarning, (behalf.name, ""))
        return behalf

    def asked_in(self, language: str, *, says: bool = False) -> str:
        """The language to ask in: the wanted one, or after a warning, once, one the judge was trained in.

        ``says`` is whether it answers in whole texts, which nobody translates.
        """
        # Who notes rubrics but no languages was trained before there were others; who notes neither may know any
        known = self.languages or (("en",) if self.rubrics else ())
        if check_language(language) in (known or (language,)):
            return language
        asked_in = "en" if "en" in known else known[0]
        message = (
            f"{self.name or 'this judge'} was not trained in {language!r} but in {', '.join(known)}: it is asked in "
            f"{asked_in!r}, and its words are {'in that language' if says else 'made of what it decides'}"
        )
        self._warn(message, UntrainedLanguageWarning, (language, ""))
        return asked_in

    def _warn(self, message: str, category: type[UserWarning], about: tuple[str, str]) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, category, stacklevel=callers_stacklevel())
