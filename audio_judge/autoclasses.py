"""Makes transformers' ``Auto`` classes know a judge, without making ``import audio_judge`` wait for transformers and torch.

The classes are registered as soon as transformers has been imported, by whomever: at once if it is there already, otherwise
by a finder that lets Python import it as usual and registers when that is done.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader

# The files of a judge on the Hub import transformers themselves, and must be whole before they are registered
WATCHED = (
    "transformers",
    "audio_judge.configuration_audio_judge",
    "audio_judge.modeling_audio_judge",
    "audio_judge.processing_audio_judge",
)


def register() -> None:
    """Register the judge's classes for transformers' ``Auto`` classes; twice is no harm."""
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModel,
        AutoModelForCausalLM,
        AutoModelForDecision,
        AutoModelForMultimodalLM,
        AutoProcessor,
    )

    from audio_judge.configuration_audio_judge import OWN_ENCODERS, AudioJudgeConfig
    from audio_judge.modeling_audio_judge import OWN_ENCODER_MODELS, AudioJudgeForCausalLM
    from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor, AudioJudgeProcessor

    AutoConfig.register("audio_judge", AudioJudgeConfig, exist_ok=True)
    for config, encoder in zip(OWN_ENCODERS.values(), OWN_ENCODER_MODELS, strict=True):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModel.register(config, encoder, exist_ok=True)
        AutoFeatureExtractor.register(config, AudioJudgeFeatureExtractor, exist_ok=True)
    for auto_class in (AutoModel, AutoModelForCausalLM, AutoModelForDecision, AutoModelForMultimodalLM):
        auto_class.register(AudioJudgeConfig, AudioJudgeForCausalLM, exist_ok=True)
    AutoFeatureExtractor.register(AudioJudgeConfig, AudioJudgeFeatureExtractor, exist_ok=True)
    AutoProcessor.register(AudioJudgeConfig, AudioJudgeProcessor, exist_ok=True)


def register_with_transformers() -> None:
    """Register now if transformers is imported, otherwise when it is."""
    if "transformers" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds no module itself: it hands on what the other finders say, and notes when the watched modules are imported.

    It stays in ``sys.meta_path``, since other threads may be going through that list at any time.
    """

    def __init__(self) -> None:
        self.is_done = False
        self.importing = 0
        self.lock = Lock()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self.is_done or name not in WATCHED:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            self._watch(spec.loader)
        return spec

    def _watch(self, loader: "Loader") -> None:
        """Shadow a loader's way to execute its module once; the loader is of this module alone, and keeps its kind."""
        usual = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            with self.lock:
                self.importing += 1
            try:
                usual(module)
            finally:
                with self.lock:
                    self.importing -= 1
            self._register()

        loader.exec_module = exec_module  # type: ignore[method-assign]

    def _register(self) -> None:
        """Register unless a watched module is still being imported, here or in another thread; that one will."""
        if self.importing or self.is_done or "transformers" not in sys.modules:
            return
        # What is missing for a judge must not break other uses of transformers; asking for a judge tells it
        with suppress(ImportError):
            register()
            self.is_done = True
