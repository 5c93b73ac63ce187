from encoders.features import Cost
from pipeline.loads import _telling
from telecine.durations import Pool


def cost(features, nominal_s):
    return Cost(features=features, nominal_s=nominal_s, units=1, content="c")


def test_a_forecast_says_where_most_of_its_work_is_known_from():
    picture, sound = Pool((1.0,), "history", 0.1), Pool((1.0,), "profile", 0.5)
    pools = [(cost("audio", 3.0), sound), *[(cost("video", 2.0), picture)] * 3]
    assert _telling(pools) == picture
    assert _telling([(cost("audio", 30.0), sound), (cost("video", 2.0), picture)]) == sound
    assert _telling([]).basis == "profile"
