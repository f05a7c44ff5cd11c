"""Records of runs, with the machine and versions."""
