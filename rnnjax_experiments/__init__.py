"""Experiment scripts: one a task, each with named presets."""
