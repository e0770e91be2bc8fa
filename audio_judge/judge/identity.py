"""Who a judge is: its name and version, and what it was trained on; it warns, once each, of what it was not."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from audio_judge.judge.reader import Reader
from audio_judge.judge.results import Result
from audio_judge.languages import check_language
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import SPEECHEVAL_RUBRICS, Rubric
from audio_judge.tasks import faults


class UntrainedRubricWarning(UserWarning):
    """A judge is asked for a rubric it was not trained on."""


class UntrainedLanguageWarning(UserWarning):
    """A judge is wanted to answer in a language it was not trained in."""


class Identity:
    """A judge by name, and by what its processor notes of its training."""

    def __init__(self, reader: Reader, name: str, revision: str) -> None:
        self._reader = reader
        self.name, self.revision = name, revision
        self._warned: set[tuple[str, str]] = set()

    @property
    def signature(self) -> str:
        """Name and revision, by which a calibrated rubric knows its judge."""
        return f"{self.name} {self.revision}".strip()

    @property
    def rubrics(self) -> tuple[str, ...]:
        """Names of the rubrics the judge was trained on; none if its processor does not say."""
        return tuple(self._reader.processor.trained_rubrics or ())

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the judge was trained in; none if its processor does not say."""
        return tuple(self._reader.processor.trained_languages or ())

    @property
    def dimensions(self) -> dict[str, Rubric]:
        """SpeechEval's dimensions that ``assess`` speaks of; if some are known to be trained, only those."""
        known = {name: rubric for name, rubric in SPEECHEVAL_RUBRICS.items() if name in self.rubrics}
        # `mos` is among them and almost every judge learned it; alone it does not speak for the others
        return known if len(known) > 1 else dict(SPEECHEVAL_RUBRICS)

    @property
    def fault_questions(self) -> dict[str, dict[str, Any]]:
        """Questions about known faults; none for a judge that is not known to have learned them."""
        if not self._reader.processor.trained_faults:
            return {}
        return faults.all_questions(with_spans=self._reader.model.span_head is not None)

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
                is_known = not self.rubrics or rubric.name in self.rubrics
            if not is_known:
                self._warn(message, UntrainedRubricWarning, (rubric.name, rubric.definition))
        return asked

    def asked_in(self, language: str) -> str:
        """The language to ask in: the wanted one, or after a warning, once, one the judge was trained in."""
        # Who notes rubrics but no languages was trained before there were others; who notes neither may know any
        known = self.languages or (("en",) if self.rubrics else ())
        if check_language(language) in (known or (language,)):
            return language
        asked_in = "en" if "en" in known else known[0]
        message = (
            f"{self.name or 'this judge'} was not trained in {language!r} but in {', '.join(known)}: it is asked in "
            f"{asked_in!r}, and its words are made of what it decides"
        )
        self._warn(message, UntrainedLanguageWarning, (language, ""))
        return asked_in

    def _warn(self, message: str, category: type[UserWarning], about: tuple[str, str]) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, category, stacklevel=4)
