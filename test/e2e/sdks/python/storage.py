# Google's own authentication in Python: application default credentials.
import json

import google.auth
from google.auth.transport.requests import AuthorizedSession

credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
answer = AuthorizedSession(credentials).get("https://storage.googleapis.com/storage/v1/b/acme/o", timeout=20)
print(json.dumps({"status": answer.status_code, "json": answer.json()}))
