"""Contains the tests; local time is UTC in all of them, so that their results do not depend on the machine."""

import os
import time

os.environ["TZ"] = "UTC"
time.tzset()
