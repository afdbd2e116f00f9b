"""Whether a run can be trained again to the same bits.

Example:
    >>> import mnistburn
    >>> dataset = mnistburn.datasets.load("mnist", split="test")
    >>> config = mnistburn.TrainingConfig(num_epochs=1, model=mnistburn.ModelConfig(hidden_size=16))
    >>> data = (dataset[:128], dataset[128:192])
    >>> run = mnistburn.train("artifacts/verified", config, "cpu", data=data, progress=False)
    >>> mnistburn.verify(run, data=data, progress=False).same
    True
"""

from mnistburn.verification.difference import Difference
from mnistburn.verification.reference import ReferenceRun, verify_reference
from mnistburn.verification.retraining import verify
from mnistburn.verification.verification import Verification

__all__ = ["Difference", "ReferenceRun", "Verification", "verify", "verify_reference"]
