import torch
from torch import nn

from audio_judge.training.tuning import same_dtypes


class TestSameDtypes:
    def test_what_a_checkpoint_widens_is_narrowed_again(self):
        model = nn.Linear(2, 2, dtype=torch.bfloat16)
        with same_dtypes(model):
            model.weight.data = torch.ones(2, 2)
        assert model.weight.dtype == torch.bfloat16
        assert model.weight.sum() == 4
