"""Whether bitknap, as installed, solves an instance by the method named."""

import sys

from bitknap import build_instance, solve

solution = solve(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4))
assert (solution.solver, solution.objective) == (sys.argv[1], 4.0), solution
print(f"solved by {solution.solver}")
