"""The main job, step by step: table, instances, solutions, measured accuracy."""
