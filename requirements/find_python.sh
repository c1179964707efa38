#!/bin/sh
# Print the first Python 3.11 or 3.12 that really starts (a version manager's shim may exist and not work).
for candidate in ${PYTHON:-} python3.11 python3.12 python3 python; do
    if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
echo "error: Python 3.11 or 3.12 with its venv module is needed and was not found; install one, or say PYTHON=/path/to/python" >&2
exit 2
