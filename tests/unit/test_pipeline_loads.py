from encoders.features import Cost
from pipeline.loads import _telling
from pipeline.remembering import EXAMINE, Extent, stage_nominal_s
from telecine.durations import Pool
from telecine.registry.records import Stage


def cost(features, nominal_s):
    return Cost(features=features, nominal_s=nominal_s, units=1, content="c")


def test_a_forecast_says_where_most_of_its_work_is_known_from():
    picture, sound = Pool((1.0,), "history", 0.1), Pool((1.0,), "profile", 0.5)
    pools = [(cost("audio", 3.0), sound), *[(cost("video", 2.0), picture)] * 3]
    assert _telling(pools) == picture
    assert _telling([(cost("audio", 30.0), sound), (cost("video", 2.0), picture)]) == sound
    assert _telling([]).basis == "profile"


def test_stages_that_decode_the_master_are_reckoned_by_its_bits_too():
    smooth, noisy = Extent(1440, 0.3), Extent(1440, 0.3, reading_s=16.0)
    for stage in (EXAMINE, Stage.MEASURE):
        assert stage_nominal_s(stage, noisy) == stage_nominal_s(stage, smooth) + 16
    assert stage_nominal_s(Stage.PACKAGE, noisy) == stage_nominal_s(Stage.PACKAGE, smooth)


def test_measuring_a_long_title_is_reckoned_by_the_windows_it_looks_at():
    whole, windows = Extent(144_000, 0.3, 100.0), Extent(144_000, 0.3, 100.0, measured=0.05)
    assert stage_nominal_s(Stage.MEASURE, windows) < 0.1 * stage_nominal_s(Stage.MEASURE, whole)
