"""Reasons that other code recognizes word for word in a status row.

The first six reasons are kept for compatibility.
"""

NO_SERIES = "No opencast series match"
INVALID_SERIES = "Invalid Opencast series id."
ALREADY_THERE = "Already in opencast"
NO_MP4 = "No mp4 files"
BAD_DATA = "Bad webhook data"
TOO_SHORT = "Recording <2 minutes"
"""Reason to ignore a recording shorter than `MINIMUM_DURATION`, whatever that setting is."""

FILES_GONE = "Its staged files are gone from S3"
FILES_REPLACED = "Its staged files are not as they were staged"
