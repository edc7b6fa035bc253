"""RPM's order of versions, by orderings that rpm itself gives (rpm 4.11, `rpmdev-vercmp`)."""

from __future__ import annotations

import pytest

from labctl.provision.resources.rpm_version import compare, older

ORDER = [
    # left, right, order
    ("1.0", "1.0", 0),
    ("1.0", "2.0", -1),
    ("2.0.1", "2.0", 1),
    ("9", "10", -1),
    ("1.09", "1.9", 0),
    ("1.010", "1.10", 0),
    ("19.03.9", "20.10.24", -1),
    ("19.03.9", "19.03.15", -1),
    ("19.03.9", "19.3.9", 0),
    ("18.09.9", "19.03.8", -1),
    ("26.1.4", "24.0.7", 1),
    # Separators part, and are nothing themselves.
    ("1.0", "1_0", 0),
    ("1.0", "1.0.", 0),
    ("a_b", "a.b", 0),
    # Digits are newer than letters; letters go by their codes.
    ("1.a", "1.1", -1),
    ("1.0a", "1.0", 1),
    ("1.0a", "1.0b", -1),
    ("1.0Z", "1.0a", -1),
    ("a", "1", -1),
    ("abc", "abcd", -1),
    ("xyz10", "xyz10.1", -1),
    ("10xyz", "10.1xyz", -1),
    ("6.0.rc1", "6.0", 1),
    ("5.5p1", "5.5p10", -1),
    # A tilde is older than nothing at all.
    ("1.0~rc1", "1.0", -1),
    ("1.0~rc1", "1.0~rc2", -1),
    ("1.0~rc1~git123", "1.0~rc1", -1),
    ("1.0~", "1.0", -1),
    ("20.10.0~ce", "19.03.15", 1),
    # Releases.
    ("3.el7", "3.1.el7", -1),
    ("3.el7", "4.el7", -1),
    ("3.el7", "3.el7_9", -1),
    ("160.el7_9", "160.el7_9.1", -1),
    ("3.el7.centos", "3.el7", 1),
]


@pytest.mark.parametrize(("left", "right", "order"), ORDER)
def test_order(left: str, right: str, order: int) -> None:
    assert compare(left, right) == order
    assert compare(right, left) == -order


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("19.03.9-3.el7", "20.10.24-3.el7", True),
        ("20.10.24-3.el7", "19.03.9-3.el7", False),
        ("19.03.9-3.el7", "19.03.9-3.el7", False),
        ("19.03.9-2.el7", "19.03.9-3.el7", True),
        ("1.2.13-3.1.el7", "1.6.33-3.1.el7", True),
        # A wish without a release is met by any release of that version.
        ("19.03.9-3.el7", "19.03.9", False),
        ("19.03.8-3.el7", "19.03.9", True),
        ("19.03.9-99.el7", "19.03.10", True),
    ],
)
def test_older(left: str, right: str, expected: bool) -> None:
    assert older(left, right) is expected
