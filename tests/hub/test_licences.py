import pytest

from audio_judge.hub.licences import allows_commerce, parts_of, strictest


class TestStrictest:
    CASES = (
        (["mit", "apache-2.0"], "mit"),  # equally free: the first
        (["apache-2.0", "cc-by-4.0", "cc0-1.0", "bsd-3-clause"], "apache-2.0"),
        (["apache-2.0", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["gpl-3.0", "mit"], "gpl-3.0"),
        (["cc-by-sa-4.0", "llama3.2"], "llama3.2"),  # unknown
        (["llama3.2", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["cc-by-nc-4.0", "CC-BY-NC-SA-4.0"], "CC-BY-NC-SA-4.0"),
        (["cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"], "cc-by-nc-nd-4.0"),
    )

    @pytest.mark.parametrize(("licenses", "expected"), CASES)
    def test_of_several(self, licenses, expected):
        assert strictest(licenses) == expected


class TestAllowsCommerce:
    @pytest.mark.parametrize(("name", "expected"), [("cc-by-nc-4.0", False), ("CC-BY-NC-SA-4.0", False), ("mit", True)])
    def test_by_its_id(self, name, expected):
        assert allows_commerce(name) is expected


class TestPartsOf:
    def test_each_once_in_order(self):
        encoders = [{"license": "mit", "attributions": ["A", "B"]}, {"license": "mit", "attributions": ["B", "C"]}]
        config = {"audio_config": {"encoders": encoders, "license": None}, "text_config": {"license": "apache-2.0"}}
        assert parts_of(config) == (["mit", "apache-2.0"], ["A", "B", "C"])

    def test_configuration_that_says_nothing(self):
        assert parts_of({"audio_config": {"hidden_size": 8}, "adapter": "bottleneck"}) == ([], [])
