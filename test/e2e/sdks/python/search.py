# An API that wants its key in a header, with requests.
import json
import os

import requests

answer = requests.get(
    "https://api.search.example/v1/search",
    params={"q": "outrider"},
    headers={"x-api-key": os.environ["SEARCH_API_KEY"]},
    timeout=20,
)
print(json.dumps({"status": answer.status_code, "json": answer.json()}))
