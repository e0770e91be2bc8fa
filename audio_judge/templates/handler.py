"""Inference Endpoints: a clip and what to judge come in, answers go out.

A request holds the clip as base64 of an encoded file (wav, flac, ogg, mp3), or is the bytes of one:

    {"inputs": "UklGR…", "parameters": {"rubric": "mos"}}
    {"inputs": "UklGR…", "parameters": {"questions": {"hum": {"type": "noul", "instructions": "Is there hum?"}}}}
    {"inputs": {"audio": "UklGR…", "reference": "UklGR…"}, "parameters": {"rubric": ["mos", "noisiness"]}}
    {"inputs": "UklGR…", "parameters": {"rubric": {"name": "warmth", "instructions": "How warm does the voice sound?",
                                                   "levels": ["cold", "neutral", "warm"], "low": 1, "high": 10}}}

    {"inputs": "UklGR…", "parameters": {"task": "assess"}}

Without parameters, all of ``RUBRICS`` are judged, or the first of ``REQUESTS`` answered by a judge that knows no rubric by name; a
task in words is answered by a text for each window of the clip. A list of inputs is answered by a list. Sound is taken from the request
only: no path is opened and no address fetched.
"""

import base64
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoProcessor

# What can be asked for by name: filled in when the judge is pushed
RUBRICS: dict[str, dict[str, Any]] = {}

# What can be asked in words, of a judge that learned no typed questions: task to request, filled in when it is pushed
REQUESTS: dict[str, str] = {}

LONGEST_ANSWER = 512  # tokens
LONGEST_SECONDS = 7200.0
LEAST_REACH = 0.1  # seconds by which a reference may end before its clip
RUBRIC_KEYS = {"name", "instructions", "levels", "low", "high"}


class EndpointHandler:
    """A judge behind an endpoint.

    Args:
        path: Folder of the repository; the current one if empty.
    """

    def __init__(self, path: str = "") -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model: Any = AutoModelForCausalLM.from_pretrained(path or ".", trust_remote_code=True)
        self.model = model.to(self.device).eval()
        self.processor: Any = AutoProcessor.from_pretrained(path or ".", trust_remote_code=True)

    def __call__(self, data: dict[str, Any]) -> Any:
        """Answer a request.

        Args:
            data: ``inputs`` and, if wanted, ``parameters``; see the module.

        Returns:
            ``seconds`` of the clip and its ``answers`` by name, in the System One format; those to a rubric also have the
            expected ``value`` on its scale and its ``std``, a task has ``texts``. A list of them for a list of inputs.

        Raises:
            ValueError: If the request is not well formed; the message says what is wrong.
        """
        parameters = data.get("parameters") or {}
        if unknown := sorted(set(parameters) - {"questions", "rubric", "task", "reference"}):
            raise ValueError(f"parameters {', '.join(unknown)}; questions, rubric, task and reference are possible")
        inputs = data.get("inputs")
        if isinstance(inputs, list):
            return [self._answer(one, parameters) for one in inputs]
        return self._answer(inputs, parameters)

    def _answer(self, inputs: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        given = inputs if isinstance(inputs, dict) else {"audio": inputs}
        if unknown := sorted(set(given) - {"audio", "reference"}):
            raise ValueError(f"keys {', '.join(unknown)} of inputs; audio and reference are possible")
        clip, seconds = self._block(given.get("audio"), "audio")
        state, reference = [clip], given.get("reference", parameters.get("reference"))
        if reference is not None:
            original, length = self._block(reference, "reference")
            if length < seconds - LEAST_REACH:
                raise ValueError("reference: it is shorter than the clip; give one that runs along with it")
            original["audio"] = original["audio"][: round(seconds * original["sampling_rate"])]
            labels = [{"type": "text", "text": text} for text in ("Degraded clip: ", "\nReference clip: ")]
            state = [labels[0], clip, labels[1], original]
        windows = self.processor.windows(state)
        asked = [name for name in ("questions", "rubric", "task") if name in parameters]
        if len(asked) > 1:
            raise ValueError(f"{' and '.join(asked)} are given; leave one out")
        if "questions" in parameters:
            self._check_decides()
            answers = self._decide(windows, parameters["questions"])
        elif "task" in parameters or not (RUBRICS or "rubric" in parameters):
            answers = self._say(windows, parameters.get("task", next(iter(REQUESTS), None)))
        else:
            answers = self._rate(windows, named_rubrics(parameters.get("rubric")))
        return {"seconds": seconds, "answers": answers}

    def _block(self, sound: Any, name: str) -> tuple[dict[str, Any], float]:
        """A clip as a block of a state, and its length in seconds."""
        if isinstance(sound, bytes | bytearray):
            sound = base64.b64encode(sound).decode()
        if not isinstance(sound, str):
            raise ValueError(f"{name}: {type(sound).__name__}; an encoded file is needed, as base64 or bytes")
        try:
            samples, rate = self.processor.sound({"type": "audio", "data_base64": sound})
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        seconds = len(samples) / rate
        if seconds > LONGEST_SECONDS:
            raise ValueError(f"{name}: {seconds:.3g} s; up to {LONGEST_SECONDS:g} s are possible")
        return {"type": "audio", "audio": samples, "sampling_rate": rate}, seconds

    def _decide(self, windows: Any, questions: Any) -> dict[str, Any]:
        """Answers by question, about all windows."""
        return self.processor.decide(self.model, windows, questions)[0]

    def _check_decides(self) -> None:
        if REQUESTS:
            raise ValueError(f"this judge never learned typed questions; give a task: {', '.join(REQUESTS)}")

    def _say(self, windows: Any, task: Any) -> dict[str, Any]:
        """What the judge writes about each window, in order, under the name of the task."""
        if task not in REQUESTS:
            known = (
                f"there are {', '.join(REQUESTS)}"
                if REQUESTS
                else "this judge is asked for rubrics, or typed questions"
            )
            raise ValueError(f"task {task!r}; {known}")
        texts = []
        for place in range(len(windows)):
            inputs = self._chat([*windows[place], {"type": "text", "text": "\n" + REQUESTS[task]}])
            tokens = self.model.generate(**inputs, max_new_tokens=LONGEST_ANSWER, do_sample=False)
            written = tokens[0, inputs["input_ids"].shape[1] :]
            texts.append(self.processor.tokenizer.decode(written, skip_special_tokens=True))
        return {task: {"type": "text", "texts": texts}}

    def _rate(self, windows: Any, rubrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Answers by rubric, with the expected value on its scale; a rubric with a request is asked in words."""
        in_digits = {name: self._read_decimals(windows, one) for name, one in rubrics.items() if "request" in one}
        rubrics = {name: one for name, one in rubrics.items() if "request" not in one}
        if not rubrics:
            return in_digits
        self._check_decides()
        questions = {
            name: {"type": "score", "instructions": rubric["instructions"], "criteria": rubric["levels"]}
            for name, rubric in rubrics.items()
        }
        answers = self._decide(windows, questions)
        for name, rubric in rubrics.items():
            shares = torch.tensor(list(answers[name]["probabilities"].values()))
            answers[name] |= expected(torch.linspace(rubric["low"], rubric["high"], len(shares)), shares)
        return in_digits | answers

    def _read_decimals(self, windows: Any, rubric: dict[str, Any]) -> dict[str, Any]:
        """The expected value over all numbers with one decimal that the judge could write."""
        count = round((rubric["high"] - rubric["low"]) * 10) + 1
        values = torch.linspace(rubric["low"], rubric["high"], count)
        tokenizer, end = self.processor.tokenizer, self.processor.end_of_turn
        texts = [f"{round(value, 1) + 0.0:.1f}{end}" for value in values.tolist()]
        candidates = tokenizer(texts, add_special_tokens=False).input_ids
        request = {"type": "text", "text": "\n" + rubric["request"]}
        rows = []
        for place in range(len(windows)):
            inputs = self._chat([*windows[place], request])
            log_probabilities = self.model.candidate_log_probabilities(candidates=candidates, **inputs)
            rows.append(log_probabilities[0].softmax(-1))
        return {"type": "score"} | expected(values, windows.answer(rows).float())

    def _chat(self, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """Model inputs of one user turn that the judge shall answer."""
        text = self.processor.apply_chat_template([{"role": "user", "content": blocks}], add_generation_prompt=True)
        inputs = self.processor(
            text=[text],
            audio=[block["audio"] for block in blocks if block["type"] == "audio"],
            text_kwargs={"return_tensors": "pt", "add_special_tokens": False},
            audio_kwargs={"sampling_rate": self.processor.sampling_rate},
        )
        return self._on_device(dict(inputs))

    def _on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: v.to(self.device) if torch.is_tensor(v) else v for name, v in inputs.items()}


def named_rubrics(asked: Any) -> dict[str, dict[str, Any]]:
    """Find the rubrics that are asked for.

    Args:
        asked: Name, own rubric (``name``, ``instructions``, ``levels`` from lowest to highest, ``low``, ``high``), a list
            of them, or None for all of ``RUBRICS``.

    Raises:
        ValueError: If there is no rubric of that name, or an own one is not complete.

    Example:
        >>> list(named_rubrics({"name": "warmth", "instructions": "How warm?", "levels": ["cold", "warm"]}))
        ['warmth']
    """
    found = {}
    for one in list(RUBRICS) if asked is None else asked if isinstance(asked, list) else [asked]:
        if isinstance(one, dict):
            rubric = {"low": 1.0, "high": 5.0} | one
            levels = rubric.get("levels")
            numbers = all(isinstance(rubric[end], int | float) for end in ("low", "high"))
            if set(rubric) != RUBRIC_KEYS or not isinstance(levels, list) or len(levels) < 2 or not numbers:
                raise ValueError(
                    f"rubric {one}: name, instructions, two or more levels, and numbers low and high are needed"
                )
            found[str(rubric["name"])] = rubric
        elif isinstance(one, str) and one in RUBRICS:
            found[one] = RUBRICS[one]
        else:
            raise ValueError(f"rubric {one!r}; there are {', '.join(RUBRICS)}, and own ones with name and instructions")
    return found


def expected(values: torch.Tensor, shares: torch.Tensor) -> dict[str, float]:
    """Take the mean and the standard deviation of a distribution.

    Args:
        values: (options,).
        shares: Probability of each (options,).

    Example:
        >>> expected(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 0.5, 0.5]))
        {'value': 2.5, 'std': 0.5}
    """
    mean = float(shares @ values)
    return {"value": mean, "std": float(shares @ (values - mean) ** 2) ** 0.5}
