"""SGD and AdamW in NumPy and float64, written from the papers; Adam is in `guide`."""

from dataclasses import dataclass, field

import numpy

from reference.guide import Floats, Parameters


def clipped(gradient: Floats, value: float, norm: float) -> Floats:
    """Bound each element, then the length of the whole."""
    gradient = gradient.clip(-value, value)
    length = float(numpy.sqrt((gradient**2).sum()))
    return gradient * (norm / length) if length > norm else gradient


@dataclass
class Sgd:
    """SGD as in Sutskever et al. (2013): each gradient clipped, then decayed, then summed up.

    The first gradient is the sum, undampened.
    """

    weight_decay: float = 0.0
    momentum: float | None = None
    dampening: float = 0.0
    nesterov: bool = False
    clip_value: float = numpy.inf
    clip_norm: float = numpy.inf
    _velocity: Parameters = field(default_factory=dict)

    def step(self, rate: float, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the parameters after one step against the gradients."""
        return {
            name: value - rate * self._direction(name, value, gradients[name])
            for name, value in parameters.items()
        }

    def _direction(self, name: str, value: Floats, gradient: Floats) -> Floats:
        gradient = clipped(gradient, self.clip_value, self.clip_norm) + self.weight_decay * value
        if self.momentum is None:
            return gradient
        velocity = gradient
        if name in self._velocity:
            velocity = self.momentum * self._velocity[name] + (1.0 - self.dampening) * gradient
        self._velocity[name] = velocity
        return gradient + self.momentum * velocity if self.nesterov else velocity


@dataclass
class AdamW:
    """AdamW as in Loshchilov and Hutter (2019), algorithm 2 without its schedule.

    AMSGrad keeps the largest second moment before its bias is corrected, as Burn does. A cautious
    decay spares what the step moves away from 0; there, 0 counts as positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-5
    weight_decay: float = 1e-4
    cautious: bool = False
    amsgrad: bool = False
    clip_value: float = numpy.inf
    clip_norm: float = numpy.inf
    _time: int = 0
    _first: Parameters = field(default_factory=dict)
    _second: Parameters = field(default_factory=dict)
    _largest: Parameters = field(default_factory=dict)

    def step(self, rate: float, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the parameters after one step against the gradients."""
        self._time += 1
        return {
            name: value - rate * self._change(name, value, gradients[name])
            for name, value in parameters.items()
        }

    def _change(self, name: str, value: Floats, gradient: Floats) -> Floats:
        gradient = clipped(gradient, self.clip_value, self.clip_norm)
        zero = numpy.zeros_like(value)
        first = self.beta_1 * self._first.get(name, zero) + (1.0 - self.beta_1) * gradient
        second = self.beta_2 * self._second.get(name, zero) + (1.0 - self.beta_2) * gradient**2
        largest = numpy.maximum(self._largest.get(name, zero), second)
        self._first[name], self._second[name], self._largest[name] = first, second, largest
        mean = first / (1.0 - self.beta_1**self._time)
        square = (largest if self.amsgrad else second) / (1.0 - self.beta_2**self._time)
        decay = self.weight_decay * value
        if self.cautious:
            decay = numpy.where((value >= 0.0) == (first >= 0.0), decay, 0.0)
        return mean / (numpy.sqrt(square) + self.epsilon) + decay
