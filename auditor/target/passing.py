"""What gradients have to pass in a network to exist at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.errors import ModelError
from auditor.target.through import Past

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images


def passed(target: Target, x: Images) -> Past | None:
    """The least that gradients have to pass to lead from the answers to `x`, `(N, …)`, back to it; None where there is
    no differentiable form, or they never do."""
    return next((past for past in Past if not obstacle(target, x, past)), None)


def obstacle(target: Target, x: Images, past: Past) -> str:
    """Why there are no gradients though they pass so much, as a sentence; empty where there are some."""
    if target.twin is None:
        return "There is no differentiable form of it."
    leaf = x.detach().clone().to(target.device).requires_grad_()
    try:
        with torch.enable_grad(), target.under(exact=True, through=past):
            logits = target.differentiable(leaf)
        if logits.requires_grad and torch.autograd.grad(logits.sum(), leaf, allow_unused=True)[0] is not None:
            return ""
    except (RuntimeError, TypeError, ValueError, ModelError) as error:
        return f"Its gradient cannot be computed: {type(error).__name__}: {str(error).strip()[:200]}."
    return "Its answer is cut off from its input: something inside detaches, rounds or leaves PyTorch."
