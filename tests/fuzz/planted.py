"""The secrets of the fuzzed functions, which no table, log or text for people may contain."""

from __future__ import annotations

from tests.canaries import Canaries

ZOOM_SECRET = 'cnry-zoom/secret+1="q"'
OWN_KEY = "cnry-own/key+2==zz"
CLIENT_SECRET = "cnry-client?secret&3"
OAUTH_TOKEN = "cnry.oauth~token+4/x"
DOWNLOAD_TOKEN = "cnry.download~token+5/y"
PASSWORD = "cnry-opencast pass:word6"
SLACK_SECRET = "cnry7slack8signing9secret"
SLACK_TOKEN = "xoxb-cnry-slack-token-10"
SCHEDULE_TOKEN = "cnry-schedule-token=11"
GOOGLE_TOKEN = "ya29.cnry~google+token/12"
PASSCODE = "cnryPasscode13"

SECRETS = {
    "ZOOM_SECRET": ZOOM_SECRET,
    "OWN_KEY": OWN_KEY,
    "CLIENT_SECRET": CLIENT_SECRET,
    "OAUTH_TOKEN": OAUTH_TOKEN,
    "DOWNLOAD_TOKEN": DOWNLOAD_TOKEN,
    "PASSWORD": PASSWORD,
    "SLACK_SECRET": SLACK_SECRET,
    "SLACK_TOKEN": SLACK_TOKEN,
    "SCHEDULE_TOKEN": SCHEDULE_TOKEN,
    "GOOGLE_TOKEN": GOOGLE_TOKEN,
    "PASSCODE": PASSCODE,
}

CANARIES = Canaries(SECRETS)


def is_secret(value: object) -> bool:
    """Return whether a value is a text with a planted secret. No mutation may copy such a text."""
    return isinstance(value, str) and any(secret in value for secret in SECRETS.values())
