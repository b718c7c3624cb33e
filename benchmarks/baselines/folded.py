"""Waits until a gateway's views have come as far as its log: `folded.py URL TOKEN`."""

import json
import sys
import time
import urllib.request

PATIENCE_S = 600.0
EVERY_S = 0.2


def main() -> None:
    url, token = sys.argv[1:]
    end = time.monotonic() + PATIENCE_S
    asked = urllib.request.Request(f"{url}/v1/views", headers={"Authorization": f"Bearer {token}"})
    while time.monotonic() < end:
        with urllib.request.urlopen(asked) as answer:
            views = json.load(answer)["views"]
        if views and not any(each.get("behind", 1) for each in views):
            print("{}")
            return
        time.sleep(EVERY_S)
    raise TimeoutError("the views were not folded in time")


if __name__ == "__main__":
    main()
