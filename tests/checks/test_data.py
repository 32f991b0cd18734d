from __future__ import annotations

import torch

from auditor.check import Finding, Severity
from auditor.engine.scene import Scene
from auditor_checks.data import SampleQuality
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def _said(gray: Trained, x: torch.Tensor, y: torch.Tensor) -> list[Finding]:
    return found(SampleQuality, scene_of(gray.network, x, y))


def test_nothing_is_said_of_different_pictures_of_all_classes(honest: Scene) -> None:
    assert not found(SampleQuality, honest)


def test_copies_warn(gray: Trained) -> None:
    x, y = torch.cat([gray.x[:200], gray.x[:20]]), torch.cat([gray.y[:200], gray.y[:20]])
    (finding,) = _said(gray, x, y)
    assert finding.severity is Severity.WARN
    assert "20 of 220" in finding.detail


def test_one_copy_among_many_passes_unless_its_label_differs(gray: Trained) -> None:
    x = torch.cat([gray.x, gray.x[:1]])
    assert not _said(gray, x, torch.cat([gray.y, gray.y[:1]]))
    (finding,) = _said(gray, x, torch.cat([gray.y, (gray.y[:1] + 1) % 10]))
    assert "more than one label" in finding.detail


def test_blank_pictures_warn_and_mostly_blank_ones_stop_the_audit(gray: Trained) -> None:
    # Each blank in a grey of its own, so that they are no copies.
    greys = torch.linspace(0.0, 1.0, 256).view(-1, 1, 1, 1)
    for blank, severity in ((20, Severity.WARN), (200, Severity.BLOCK)):
        x = gray.x.clone()
        x[:blank] = greys[:blank]
        (finding,) = _said(gray, x, gray.y)
        assert finding.severity is severity
        assert f"{blank} of 256" in finding.detail


def test_one_class_alone_warns(gray: Trained) -> None:
    (finding,) = _said(gray, gray.x[gray.y == 3], gray.y[gray.y == 3])
    assert finding.severity is Severity.WARN
    assert "label 3" in finding.detail


def test_missing_classes_warn_and_sorted_data_is_called_so(gray: Trained) -> None:
    few = gray.y < 5
    (mixed,) = _said(gray, gray.x[few], gray.y[few])
    order = gray.y[few].argsort()
    (in_order,) = _said(gray, gray.x[few][order], gray.y[few][order])
    assert mixed.severity is in_order.severity is Severity.WARN
    assert "5 of 10" in mixed.detail
    assert "sorted" not in mixed.detail
    assert "sorted" in in_order.detail


def test_a_small_sample_may_lack_classes(gray: Trained) -> None:
    assert not _said(gray, gray.x[:12], gray.y[:12])
    assert not _said(gray, gray.x[:1], gray.y[:1])
    many = target_of(lambda z: torch.cat([gray.network(z), torch.zeros(len(z), 990)], 1), 1000)
    assert not found(SampleQuality, scene_of(gray.network, gray.x, gray.y, target=many))
