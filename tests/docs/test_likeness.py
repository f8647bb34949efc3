import json

import pytest

from tests.docs.likeness import differences

PRINTED = json.dumps(
    {
        "request_id": "a",
        "prediction": {"index": 7, "label": "7"},
        "radius": 1.234,
        "sound": True,
        "rest": [{"more": 9}],
    }
)


@pytest.mark.parametrize(
    "shown",
    [
        '{"request_id":"b","prediction":{"index":7,"label":"7"},"radius":1.2341,"sound":true,"rest":[{"more":9}, ...]}',
        '{... "prediction":{"index":7,"label":"7"}, ...}',
        '... "radius": 1.23 ...',
        "",
    ],
)
def test_json_is_like_itself_but_for_what_changes_or_is_left_out(shown: str) -> None:
    assert not differences(shown, f"listening\n{PRINTED}\n")


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ('{... "prediction":{"index":8,"label":"7"} ...}', "index: 8 shown, not printed"),
        ('{... "label":"8" ...}', 'label: "8" shown, not printed'),
        ('{... "radius":1.26 ...}', "radius: 1.26 shown, not printed"),
        ('{... "sound":false ...}', "sound: false shown, not printed"),
        ('{... "speed":1.0 ...}', "speed: shown, not printed"),
        (PRINTED.replace(', "sound": true', ""), "sound: printed, not shown"),
    ],
)
def test_another_key_prediction_or_radius_is_found(shown: str, found: str) -> None:
    assert differences(shown, PRINTED) == [found]


def test_a_line_may_differ_in_numbers_and_in_what_is_left_out() -> None:
    printed = "The key:\neabs_a1b2\nmnist version 1: 20 of 20 right, 100.00%, 2e-05 s\napp classify sha256:00ff\n"
    shown = "The key:\neabs_...\nmnist version 1: 9852 of 10000 right, 98.52%, 0.1 s\napp classify sha256:abcd\n"
    assert not differences(shown, printed)
    assert differences("mnist version 1: 5 of 5 wrong, 1%, 1 s\n", printed) == [
        "'mnist version 1: 5 of 5 wrong, 1%, 1 s' shown, not printed"
    ]
