"""The reader of the NISQA Corpus, on tiny tables in its published layout."""

import csv
import pickle

import pytest

from audio_judge.clips import Cause, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.nisqa import read_nisqa

PUBLISHED = [
    "db",
    "con",
    "file",
    "con_description",
    "filename_deg",
    "filename_ref",
    "source",
    "lang",
    "votes",
    "mos",
    "noi",
    "col",
    "dis",
    "loud",
    "noi_std",
    "col_std",
    "dis_std",
    "loud_std",
    "mos_std",
    "filepath_deg",
    "filepath_ref",
]
SWITCHES = ["filter", "timeclipping", "wbgn", "p50mnru", "bgn", "clipping", "arb_filter", "asl_in", "asl_out"]
CODECS = ["codec1", "codec2", "codec3", "plcMode1", "plcMode2", "plcMode3"]
STRENGTHS = [
    "wbgn_snr",
    "bgn_snr",
    "tc_fer",
    "tc_nburst",
    "cl_th",
    "bp_low",
    "bp_high",
    "p50_q",
    "bMode1",
    "bMode2",
    "bMode3",
    "FER1",
    "FER2",
    "FER3",
    "asl_in_level",
    "asl_out_level",
]
SIMULATION = SWITCHES + CODECS + STRENGTHS
SIMULATION_OFF = dict.fromkeys(SWITCHES + CODECS, "-") | dict.fromkeys(STRENGTHS, "")


def a_row(db="NISQA_TRAIN_SIM", name="c1.wav", **changes):
    row = {
        "db": db, "con": "1", "file": "1", "con_description": "simulated", "filename_deg": name, "filename_ref": name,
        "source": "AusTalk", "lang": "en", "votes": "5", "mos": "3.2", "noi": "3.5", "col": "2.5", "dis": "4.0",
        "loud": "4.5", "mos_std": "0.4", "noi_std": "0.5", "col_std": "0.6", "dis_std": "0.7", "loud_std": "0.8",
        "filepath_deg": f"{db}/deg/{name}", "filepath_ref": f"{db}/ref/{name}",
    }  # fmt: skip
    return row | changes


def write_table(path, rows, columns=PUBLISHED, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_corpus(root, *rows):
    return write_table(root / "NISQA_corpus_file.csv", rows)


def write_set(root, *rows, db="NISQA_TRAIN_SIM"):
    rows = [SIMULATION_OFF | row for row in rows]
    return write_table(root / db / f"{db}_file.csv", rows, PUBLISHED + SIMULATION)


def simulated(root, **columns):
    write_set(root, a_row(**columns))
    return next(read_nisqa(root)).causes


def described(root, description):
    write_corpus(root, a_row("NISQA_TEST_P501", con_description=description))
    return next(read_nisqa(root)).causes


class TestClip:
    def test_five_ratings_with_std_and_votes(self, tmp_path):
        write_corpus(tmp_path, a_row())
        assert next(read_nisqa(tmp_path)).ratings == {
            "mos": Rating(3.2, 0.4, 5),
            "noisiness": Rating(3.5, 0.5, 5),
            "coloration": Rating(2.5, 0.6, 5),
            "discontinuity": Rating(4.0, 0.7, 5),
            "loudness": Rating(4.5, 0.8, 5),
        }

    def test_std_and_votes_may_be_blank(self, tmp_path):
        write_corpus(tmp_path, a_row(votes="NaN", mos_std=""))
        assert next(read_nisqa(tmp_path)).ratings["mos"] == Rating(3.2)

    def test_votes_written_as_a_float(self, tmp_path):
        write_corpus(tmp_path, a_row(votes="24.0"))
        assert next(read_nisqa(tmp_path)).ratings["mos"].votes == 24

    def test_dimension_nobody_rated_is_absent(self, tmp_path):
        write_corpus(tmp_path, a_row(col="nan", col_std=""))
        assert "coloration" not in next(read_nisqa(tmp_path)).ratings

    def test_optional_columns_may_be_missing(self, tmp_path):
        columns = ["db", "mos", "noi", "col", "dis", "loud", "filepath_deg"]
        write_table(tmp_path / "NISQA_corpus_file.csv", [{name: a_row()[name] for name in columns}], columns)
        clip = next(read_nisqa(tmp_path))
        assert (clip.condition, clip.reference, clip.ratings["mos"]) == (None, None, Rating(3.2))

    def test_paths_are_under_root_and_need_not_exist(self, tmp_path):
        write_corpus(tmp_path, a_row())
        clip = next(read_nisqa(tmp_path))
        assert clip.path == str(tmp_path / "NISQA_TRAIN_SIM" / "deg" / "c1.wav")
        assert clip.reference == str(tmp_path / "NISQA_TRAIN_SIM" / "ref" / "c1.wav")

    def test_backslashes_in_paths(self, tmp_path):
        write_corpus(tmp_path, a_row(filepath_deg=r"NISQA_TRAIN_SIM\deg\c1.wav"))
        assert next(read_nisqa(tmp_path)).path == str(tmp_path / "NISQA_TRAIN_SIM" / "deg" / "c1.wav")

    @pytest.mark.parametrize("blank", ["", "NaN", "nan", "-"])
    def test_missing_reference_is_none(self, tmp_path, blank):
        write_corpus(tmp_path, a_row(filepath_ref=blank))
        assert next(read_nisqa(tmp_path)).reference is None

    def test_condition_is_unique_over_sets(self, tmp_path):
        write_corpus(tmp_path, a_row("NISQA_TEST_FOR", con="3.0"), a_row("NISQA_TEST_P501", con="3"))
        assert [clip.condition for clip in read_nisqa(tmp_path)] == ["NISQA_TEST_FOR/3", "NISQA_TEST_P501/3"]

    def test_extra_keeps_other_columns_as_text(self, tmp_path):
        write_set(tmp_path, a_row(wbgn="x", wbgn_snr="12"))
        extra = next(read_nisqa(tmp_path)).extra
        assert (extra["db"], extra["con_description"], extra["lang"]) == ("NISQA_TRAIN_SIM", "simulated", "en")
        assert extra["wbgn_snr"] == "12"
        assert not {"mos", "filepath_deg", "bgn_snr"} & set(extra)

    def test_byte_order_mark_and_non_ascii(self, tmp_path):
        rows = [a_row(con_description="Café")]
        write_table(tmp_path / "NISQA_corpus_file.csv", rows, encoding="utf-8-sig")
        assert next(read_nisqa(tmp_path)).extra["con_description"] == "Café"


class TestSelection:
    @pytest.fixture
    def root(self, tmp_path):
        write_corpus(
            tmp_path,
            a_row("NISQA_TRAIN_SIM"),
            a_row("NISQA_VAL_LIVE"),
            a_row("NISQA_TEST_LIVETALK", filepath_ref=""),
            a_row("NISQA_TEST_P501"),
        )
        return tmp_path

    @pytest.mark.parametrize(("split", "count"), [("train", 1), ("validation", 1), ("test", 2), (None, 4)])
    def test_split_from_db(self, root, split, count):
        clips = list(read_nisqa(root, split))
        assert len(clips) == count
        assert split is None or {clip.split for clip in clips} == {split}

    def test_subsets(self, root):
        assert [clip.extra["db"] for clip in read_nisqa(root, subsets=["NISQA_TEST_P501"])] == ["NISQA_TEST_P501"]

    def test_with_reference_drops_and_reports(self, root, caplog):
        clips = list(read_nisqa(root, "test", with_reference=True))
        assert [clip.extra["db"] for clip in clips] == ["NISQA_TEST_P501"]
        assert "rows left out, no reference" in caplog.text

    def test_subset_that_is_not_there(self, root):
        with pytest.raises(CorpusError, match=r"NISQA_TEST_FOR.*found.*NISQA_TEST_P501"):
            list(read_nisqa(root, subsets={"NISQA_TEST_FOR", "NISQA_TEST_P501"}))

    def test_split_that_is_not_there(self, tmp_path):
        write_corpus(tmp_path, a_row())
        with pytest.raises(CorpusError, match="no clips for split=test"):
            list(read_nisqa(tmp_path, "test"))

    def test_unknown_split_fails_on_the_call(self, root):
        with pytest.raises(ValueError, match="split is 'dev'"):
            read_nisqa(root, "dev")

    def test_string_as_subsets_fails_on_the_call(self, root):
        with pytest.raises(ValueError, match="a collection"):
            read_nisqa(root, subsets="NISQA_TEST_P501")


class TestTables:
    def test_per_set_table_alone(self, tmp_path):
        write_set(tmp_path, a_row(), a_row(name="c2.wav"))
        assert len(list(read_nisqa(tmp_path))) == 2

    def test_per_set_table_wins_and_the_whole_one_fills_in(self, tmp_path):
        write_corpus(tmp_path, a_row(), a_row("NISQA_TEST_FOR"))
        write_set(tmp_path, a_row(wbgn="x", wbgn_snr="12"))
        clips = list(read_nisqa(tmp_path))
        assert [(clip.extra["db"], len(clip.causes)) for clip in clips] == [
            ("NISQA_TRAIN_SIM", 1),
            ("NISQA_TEST_FOR", 0),
        ]

    def test_missing_corpus_says_what_to_get_on_the_call(self, tmp_path):
        with pytest.raises(CorpusError, match=r"NISQA Corpus.*depositonce.*gabrielmittag/NISQA"):
            read_nisqa(tmp_path / "nowhere")


class TestMalformed:
    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"mos": "good"}, "mos is 'good'"),  # not a number
            ({"mos": "0.9"}, "mos is '0.9'; a number from 1 to 5"),  # below the scale
            ({"loud": "5.1"}, "loud is '5.1'; a number from 1 to 5"),  # above the scale
            ({"mos": "inf"}, "mos is 'inf'"),  # not finite
            ({"mos": "nan"}, "mos is 'nan'"),  # a clip nobody rated
            ({"mos_std": "-0.1"}, "mos_std is '-0.1'"),  # no such deviation
            ({"votes": "4.5"}, "votes is 4.5"),  # half a listener
            ({"votes": "0"}, "votes is '0'"),  # no listener
            ({"db": "NISQA_DEV"}, "db is 'NISQA_DEV'"),  # no split in the name
            ({"db": "TRAIN_TEST"}, "db is 'TRAIN_TEST'"),  # two splits in the name
            ({"filepath_deg": ""}, "filepath_deg is empty"),  # no clip
            ({"filepath_deg": "/etc/passwd"}, "inside the corpus folder"),  # absolute
            ({"filepath_deg": "C:\\x.wav"}, "inside the corpus folder"),  # absolute, with a drive
            ({"filepath_ref": "../x.wav"}, "inside the corpus folder"),  # outside
        ],
    )
    def test_bad_cell_names_file_and_line(self, tmp_path, changes, problem):
        table = write_corpus(tmp_path, a_row(), a_row(**changes))
        with pytest.raises(CorpusError) as caught:
            list(read_nisqa(tmp_path))
        assert str(caught.value).startswith(f"{table}, line 3: ")
        assert problem in str(caught.value)
        assert (caught.value.path, caught.value.line) == (table, 3)

    @pytest.mark.parametrize("column", ["db", "mos", "dis", "filepath_deg"])
    def test_missing_column(self, tmp_path, column):
        columns = [name for name in PUBLISHED if name != column]
        row = {name: value for name, value in a_row().items() if name != column}
        write_table(tmp_path / "NISQA_corpus_file.csv", [row], columns)
        with pytest.raises(CorpusError, match=rf"line 1: column {column} is missing"):
            list(read_nisqa(tmp_path))

    def test_missing_reference_column_when_references_are_asked_for(self, tmp_path):
        row = {name: value for name, value in a_row().items() if name != "filepath_ref"}
        write_table(tmp_path / "NISQA_corpus_file.csv", [row], list(row))
        with pytest.raises(CorpusError, match="filepath_ref is missing"):
            list(read_nisqa(tmp_path, with_reference=True))

    @pytest.mark.parametrize("tail", ["NISQA_TRAIN_SIM,1\n", "x," * 30 + "\n"])
    def test_row_of_another_length(self, tmp_path, tail):
        table = write_corpus(tmp_path, a_row())
        table.write_text(table.read_text() + tail)
        with pytest.raises(CorpusError, match=r"line 3: [0-9]+ fields for 21 columns"):
            list(read_nisqa(tmp_path))

    def test_empty_table(self, tmp_path):
        (tmp_path / "NISQA_corpus_file.csv").touch()
        with pytest.raises(CorpusError, match="line 1: column db"):
            list(read_nisqa(tmp_path))

    def test_table_that_is_not_text(self, tmp_path):
        (tmp_path / "NISQA_corpus_file.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(CorpusError, match="cannot be read as UTF-8 text"):
            list(read_nisqa(tmp_path))

    def test_strength_that_is_not_a_number(self, tmp_path):
        with pytest.raises(CorpusError, match="wbgn_snr is 'loud'"):
            simulated(tmp_path, wbgn="x", wbgn_snr="loud")

    def test_loss_in_percent_where_a_rate_belongs(self, tmp_path):
        with pytest.raises(CorpusError, match="FER1 is '5'; a number from 0 to 1"):
            simulated(tmp_path, codec1="evs", plcMode1="random", FER1="5")

    def test_error_survives_pickling(self):
        error = CorpusError("a.csv", 2, "bad")
        assert str(pickle.loads(pickle.dumps(error))) == "a.csv, line 2: bad"


class TestSimulatedCauses:
    @pytest.mark.parametrize(
        ("columns", "cause"),
        [
            ({"filter": "lowpass", "bp_high": "3400"}, Cause("band_limit", {"high_hz": 3400.0})),
            ({"filter": "highpass", "bp_low": "300"}, Cause("band_limit", {"low_hz": 300.0})),
            (
                {"filter": "bandpass", "bp_low": "300", "bp_high": "3400"},
                Cause("band_limit", {"low_hz": 300.0, "high_hz": 3400.0}),
            ),
            # edge of a high-pass that the low-pass replaced
            ({"filter": "lowpass", "bp_low": "9000", "bp_high": "3400"}, Cause("band_limit", {"high_hz": 3400.0})),
            ({"filter": "irs"}, Cause("filter", {"name": "irs"})),
            ({"arb_filter": "x"}, Cause("filter", {"name": "arbitrary"})),
            (
                {"timeclipping": "x", "tc_fer": "5", "tc_nburst": "3"},
                Cause("time_clipping", {"loss_rate": 0.05, "longest_burst_frames": 3, "concealment": "zero"}),
            ),
            ({"wbgn": "x", "wbgn_snr": "12.5"}, Cause("noise", {"colour": "white", "snr_db": 12.5})),
            ({"p50mnru": "x", "p50_q": "-6"}, Cause("noise", {"colour": "speech_modulated", "snr_db": -6.0})),
            ({"bgn": "x", "bgn_snr": "20"}, Cause("noise", {"colour": "recorded", "snr_db": 20.0})),
            ({"bgn": "car", "bgn_snr": "20"}, Cause("noise", {"colour": "recorded", "snr_db": 20.0, "name": "car"})),
            ({"clipping": "x", "cl_th": "0.1"}, Cause("clipping", {"threshold_full_scale": 0.1})),
            ({"asl_in": "x", "asl_in_level": "-40"}, Cause("level", {"level_dbov": -40.0, "stage": "input"})),
            ({"asl_out": "x", "asl_out_level": "-10"}, Cause("level", {"level_dbov": -10.0, "stage": "output"})),
            (
                {"codec1": "opus", "bMode1": "6", "plcMode1": "noloss"},
                Cause("codec", {"name": "opus", "bitrate_kbps": 6.0}),
            ),
            ({"codec2": "amrnb", "bMode2": "3"}, Cause("codec", {"name": "amrnb", "mode": 3})),
            ({"codec3": "evs", "bMode3": "13.2"}, Cause("codec", {"name": "evs", "bitrate_kbps": 13.2})),
            ({"codec1": "g722", "bMode1": "64"}, Cause("codec", {"name": "g722", "bitrate_kbps": 64.0})),
            ({"codec1": "g711", "bMode1": "NaN"}, Cause("codec", {"name": "g711"})),
            # switched on without a strength
            ({"wbgn": "x", "wbgn_snr": "NaN"}, Cause("noise", {"colour": "white"})),
        ],
    )
    def test_one_fault(self, tmp_path, columns, cause):
        assert simulated(tmp_path, **columns) == (cause,)

    @pytest.mark.parametrize("on", ["x", "X", "1", "1.0", "True"])
    def test_switch_on(self, tmp_path, on):
        assert simulated(tmp_path, clipping=on) == (Cause("clipping"),)

    @pytest.mark.parametrize("off", ["", "-", "0", "0.0", "NaN", "no", "False", "<undefined>"])
    def test_switch_off_whatever_the_strength(self, tmp_path, off):
        assert simulated(tmp_path, clipping=off, cl_th="0.1") == ()

    def test_skipped_codec_has_no_loss(self, tmp_path):
        assert simulated(tmp_path, codec1="skip", plcMode1="random", FER1="0.1") == ()

    def test_codec_without_loss_ignores_the_rate(self, tmp_path):
        assert [cause.kind for cause in simulated(tmp_path, codec1="evs", plcMode1="noloss", FER1="0.1")] == ["codec"]

    def test_loss_follows_its_codec(self, tmp_path):
        columns = {"codec1": "evs", "plcMode1": "bursty", "FER1": "0.1", "codec2": "g722", "plcMode2": "noloss"}
        assert simulated(tmp_path, **columns) == (
            Cause("codec", {"name": "evs"}),
            Cause("packet_loss", {"loss_rate": 0.1, "pattern": "bursty"}),
            Cause("codec", {"name": "g722"}),
        )

    def test_order_is_that_of_the_chain(self, tmp_path):
        columns = {"asl_out": "x", "codec1": "evs", "wbgn": "x", "filter": "lowpass", "asl_in": "x"}
        kinds = [cause.kind for cause in simulated(tmp_path, **columns)]
        assert kinds == ["level", "band_limit", "noise", "codec", "level"]

    def test_columns_win_over_the_description(self, tmp_path):
        causes = simulated(tmp_path, clipping="x", con_description="White Noise 20dB")
        assert causes == (Cause("clipping"),)


class TestDescribedCauses:
    @pytest.mark.parametrize(
        ("description", "causes"),
        [
            ("simulated", []),
            ("Fullband clean", []),
            ("White Noise 20dB", [Cause("noise", {"colour": "white", "snr_db": 20.0})]),
            ("Anchor P50MNRU 10dB", [Cause("noise", {"colour": "speech_modulated", "snr_db": 10.0})]),
            ("Anchor BP 100-5000Hz", [Cause("band_limit", {"low_hz": 100.0, "high_hz": 5000.0})]),
            ("LPF 3400 Hz", [Cause("band_limit", {"high_hz": 3400.0})]),
            ("HPF 300 Hz", [Cause("band_limit", {"low_hz": 300.0})]),
            ("Level -20dB", [Cause("level", {"level_db": -20.0, "stage": "output"})]),
            ("Time Clipping 20%", [Cause("time_clipping", {"loss_rate": 0.2, "concealment": "zero"})]),
            ("Amp clipping 0.1", [Cause("clipping", {"threshold_full_scale": 0.1})]),
            ("Arbitrary Filter", [Cause("filter", {"name": "arbitrary"})]),
            ("Skype - mobile hotspot", [Cause("channel", {"name": "skype"}), Cause("channel", {"name": "mobile"})]),
            (
                "EVS@13.2 PL 10% bursty + BGN 20dB",
                [
                    Cause("codec", {"name": "evs", "bitrate_kbps": 13.2}),
                    Cause("packet_loss", {"loss_rate": 0.1, "pattern": "bursty"}),
                    Cause("noise", {"colour": "recorded", "snr_db": 20.0}),
                ],
            ),
            (
                "Opus@12PL 5%",
                [Cause("codec", {"name": "opus", "bitrate_kbps": 12.0}), Cause("packet_loss", {"loss_rate": 0.05})],
            ),
            ("G.711 x AMR-WB@2", [Cause("codec", {"name": "g711"}), Cause("codec", {"name": "amrwb", "mode": 2})]),
            ("WhatsApp, packet loss", [Cause("channel", {"name": "whatsapp"}), Cause("packet_loss")]),
        ],
    )
    def test_causes_in_the_order_named(self, tmp_path, description, causes):
        assert described(tmp_path, description) == tuple(causes)

    def test_simulation_columns_all_off_count_as_absent(self, tmp_path):
        write_set(tmp_path, a_row("NISQA_TEST_FOR", con_description="White Noise 20dB"), db="NISQA_TEST_FOR")
        assert [cause.kind for cause in next(read_nisqa(tmp_path)).causes] == ["noise"]
