import pytest
import torch
from tiny import audio, chat_inputs

from audio_judge.judge.generation import SeededNoise, generate, stop_tokens
from audio_judge.text_models.replies import Sampling

DRAWN = Sampling(1.0, 0.9, 6)


@pytest.fixture(scope="module")
def tiny(judge):
    """A judge and its processor: do not change them."""
    return judge("audio_judge_encoder", "pooled_linear")


def inputs(processor, *seconds):
    asked = {"type": "text", "text": "Rate this."}
    return chat_inputs(processor, *([audio(one, processor.sampling_rate, 400 * one), asked] for one in seconds))


class TestGenerate:
    def test_draw_of_a_row_does_not_depend_on_the_others(self, tiny):
        both = generate(*tiny, inputs(tiny[1], 0.5, 0.9), DRAWN, seeds=[3, 4])
        alone = [generate(*tiny, inputs(tiny[1], one), DRAWN, seeds=[seed])[0] for one, seed in ((0.5, 3), (0.9, 4))]
        assert both == alone

    def test_seeds_are_added(self, tiny):
        one, other = (generate(*tiny, inputs(tiny[1], 0.5), DRAWN, seeds=[seed]) for seed in (3, 4))
        again = generate(*tiny, inputs(tiny[1], 0.5), Sampling(1.0, 0.9, 6, seed=1), seeds=[3])
        assert one != other == again

    def test_limit_cuts_off_and_a_stop_does_not(self, tiny):
        said = inputs(tiny[1], 0.5)
        (cut,) = generate(*tiny, said, Sampling(max_tokens=1), stops=[])
        (stopped,) = generate(*tiny, said, Sampling(max_tokens=1), stops=range(len(tiny[1].tokenizer)))
        assert (cut.text, cut.cut_off, stopped.cut_off) == (stopped.text, True, False)

    def test_model_in_training_writes_in_evaluation_mode(self, tiny):
        model, modes = tiny[0], []
        hook = model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
        model.train()
        generate(*tiny, inputs(tiny[1], 0.5), Sampling(max_tokens=2))
        hook.remove()
        assert (set(modes), model.training) == ({False}, True)
        model.eval()


class TestSeededNoise:
    def test_draws_have_the_shares_of_the_softmax(self):
        logits = torch.tensor([0.6, 0.3, 0.1]).log().expand(4000, 3)
        drawn = SeededNoise(range(4000), logits.device)(None, logits).argmax(1)
        assert torch.bincount(drawn).div(4000).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.03)

    def test_row_does_not_depend_on_the_others(self):
        logits = torch.zeros(2, 50)
        both = SeededNoise([7, 8], logits.device)(None, logits)
        assert torch.equal(both[1:], SeededNoise([8], logits.device)(None, logits[1:]))

    def test_what_was_filtered_stays_out(self):
        assert SeededNoise([0], torch.device("cpu"))(None, torch.tensor([[-torch.inf, 0.0]])).argmax(1) == 1


class TestStopTokens:
    def test_every_way_to_begin_a_tag_stops(self, tiny):
        tokenizer = tiny[1].tokenizer
        tags, breaks = stop_tokens(tiny[1])
        assert tokenizer.convert_tokens_to_ids("<|im_end|>") in tags
        for text, ids in (("</answer>", tags), ("<think>", tags), ("\n", breaks)):
            assert set(tokenizer(text, add_special_tokens=False).input_ids) & set(ids)
