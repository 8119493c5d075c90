"""The controller: an autoregressive LSTM over a list of categorical choices (NASNet, as MnasNet uses it)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Controller(nn.Module):
    """A one-layer LSTM that makes one choice a step, each seeing all the choices before it.

    A step's input is the embedding of the option chosen at the step before (a start token at the first);
    its output goes through the choice's own linear head to a softmax over the choice's options.
    Single precision on the CPU. Randomness is an argument everywhere: torch's global generator is neither
    read nor moved.

    Raises:
        ValueError: no choices, or a choice without options.
    """

    def __init__(
        self, options: Sequence[int], *, hidden: int, init_range: float, generator: torch.Generator
    ) -> None:
        """Make a controller for `options[i]` options at choice `i`, all weights uniform(±`init_range`)."""
        super().__init__()
        if not options or min(options) < 1:
            raise ValueError(f"a controller needs choices with at least one option each, got {list(options)}")
        count = torch.tensor(options)
        widest = max(options)
        # By way of "meta", since a layer made on the CPU draws its weights from the global generator.
        lstm = nn.LSTM(hidden, hidden, batch_first=True, device="meta", dtype=torch.float32)
        self.lstm = lstm.to_empty(device="cpu")
        # Row 0 is the start token, row first_token[i] + k is option k of choice i.
        self.embedding = nn.Parameter(torch.empty(1 + sum(options), hidden, dtype=torch.float32))
        self.head_weights = nn.Parameter(torch.empty(len(options), hidden, widest, dtype=torch.float32))
        self.head_biases = nn.Parameter(torch.empty(len(options), widest, dtype=torch.float32))
        self.first_token = 1 + count.cumsum(0) - count  # [choices]
        self.closed = torch.arange(widest) >= count.unsqueeze(1)  # [choices, widest], no such option
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-init_range, init_range, generator=generator)

    def evaluate(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities of `actions` and entropies in nats, both [batch, choices].

        Args:
            actions: [batch, choices], int64: the option taken at each choice.
        """
        before = actions[:, :-1] + self.first_token[:-1]
        tokens = nn.functional.pad(before, (1, 0))  # the start token, 0, in front: [batch, choices]
        outputs, _ = self.lstm(self.embedding[tokens])  # [batch, choices, hidden]
        logits = torch.einsum("bch,cho->bco", outputs, self.head_weights) + self.head_biases
        log_softmax = logits.masked_fill(self.closed, -torch.inf).log_softmax(dim=2)
        log_probs = log_softmax.gather(2, actions.unsqueeze(2)).squeeze(2)
        # p log p of a closed option is 0, not 0 · -inf.
        entropies = -(log_softmax.exp() * log_softmax.masked_fill(self.closed, 0.0)).sum(dim=2)
        return log_probs, entropies

    @torch.no_grad()
    def sample(self, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Choose by inverse transform; return actions (int64) and log-probabilities, both [batch, choices].

        Args:
            uniforms: [batch, choices], independent draws from [0, 1): all the randomness there is.
        """
        batch, choices = uniforms.shape
        hidden_state = cell_state = torch.zeros(batch, self.lstm.hidden_size)
        tokens = torch.zeros(batch, dtype=torch.int64)
        input_weights, state_weights, input_biases, state_biases = self.lstm.parameters()
        actions, log_probs = [], []
        for choice in range(choices):
            hidden_state, cell_state = torch.lstm_cell(
                self.embedding[tokens],
                (hidden_state, cell_state),
                input_weights,
                state_weights,
                input_biases,
                state_biases,
            )
            logits = torch.addmm(self.head_biases[choice], hidden_state, self.head_weights[choice])
            log_softmax = logits.masked_fill(self.closed[choice], -torch.inf).log_softmax(dim=1)
            below = log_softmax.exp().cumsum(dim=1) <= uniforms[:, choice : choice + 1]
            # Rounding can leave the last sum just under a draw near 1.
            action = below.sum(dim=1).clamp(max=int((~self.closed[choice]).sum()) - 1)
            actions.append(action)
            log_probs.append(log_softmax.gather(1, action.unsqueeze(1)).squeeze(1))
            tokens = action + self.first_token[choice]
        return torch.stack(actions, dim=1), torch.stack(log_probs, dim=1)
