"""RMSProp as TensorFlow has it, and the learning rate over the steps of a short training."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class RMSpropTF(Optimizer):
    """RMSProp with TensorFlow's semantics, which torch's own does not have.

    The mean square starts at 1 rather than 0, epsilon stands inside the square root, and the learning rate goes
    into the momentum buffer, so that a falling rate does not shrink the steps already gathered (section 5 and
    tensorflow/tpu `utils.build_optimizer`: decay 0.9, momentum 0.9, epsilon 0.001).
    """

    def __init__(
        self,
        parameters: Iterable[dict[str, object]],
        *,
        learning_rate: float,
        decay: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 1e-3,
    ) -> None:
        """`parameters` are groups with a `weight_decay` each, the factor of the weights in the gradient."""
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": 0.0})
        self.decay, self.momentum, self.epsilon = decay, momentum, epsilon

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                state = self.state[parameter]
                if not state:
                    state["mean_square"] = torch.ones_like(parameter)
                    state["momentum"] = torch.zeros_like(parameter)
            if not parameters:
                continue
            gradients: list[Tensor] = [p.grad for p in parameters]
            squares: list[Tensor] = [self.state[p]["mean_square"] for p in parameters]
            buffers: list[Tensor] = [self.state[p]["momentum"] for p in parameters]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, self.decay)
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - self.decay)
            roots = torch._foreach_add(squares, self.epsilon)
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(buffers, self.momentum)
            torch._foreach_addcdiv_(buffers, gradients, roots, group["lr"])
            torch._foreach_sub_(parameters, buffers)


def learning_rate_at(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """The rate of `step` (from 0) of `steps`: linear to `peak` over the fraction `warmup`, then half a cosine.

    The last step's rate is near zero: a proxy task of a few epochs must end settled, or its accuracy is that of
    the noise at its end.
    """
    rising = max(1, int(steps * warmup))
    if step < rising:
        return peak * ((step + 1) / rising)  # so that the last of them is the peak itself
    return peak * 0.5 * (1 + math.cos(math.pi * (step + 1 - rising) / (steps + 1 - rising)))
