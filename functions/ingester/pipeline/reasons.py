"""Reasons that stand in a status row word for word: others know them, and decide by them.

The first system wrote the first six, so they stay as they are.
"""

NO_SERIES = "No opencast series match"
INVALID_SERIES = "Invalid Opencast series id."
ALREADY_THERE = "Already in opencast"
NO_MP4 = "No mp4 files"
BAD_DATA = "Bad webhook data"
TOO_SHORT = "Recording <2 minutes"
"""Below `MINIMUM_DURATION`, whatever that is."""

FILES_GONE = "Its staged files are gone from S3"
FILES_REPLACED = "Its staged files are not as they were staged"
