"""Transcribe frames: lines of handwritten digits, speech."""
