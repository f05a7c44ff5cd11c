"""Networks with their data, loss and accuracy: one file each."""

from bitknap.problems import Catalogue

WORKLOADS = Catalogue("bitknap.bench.workloads", "build", "workload", dashes=True)
