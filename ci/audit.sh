#!/usr/bin/env bash
# The audit of a GitHub job: settings come as AUDITOR_… variables. Always ends well; the verdict is a later step's, so
# that reports are kept first.
set -uo pipefail

base="$OUT.base"
if [ -z "${AUDITOR_BASELINE:-}" ] && [ -f "$base/result.json" ]; then
    export AUDITOR_BASELINE="$base"
elif [ -z "${AUDITOR_BASELINE:-}" ] && [ -n "${AUDITOR_MAX_DROP:-}" ]; then
    echo "::notice::There is no run of the base branch to compare with, so max-drop is not asked for."
    unset AUDITOR_MAX_DROP
fi

auditor scan --out "$OUT" ${CONFIG:+--config "$CONFIG"}
code=$?
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
if [ "$code" -eq 2 ] || [ ! -f "$OUT/result.json" ]; then
    if [ "$code" -ne 2 ] && compgen -G "$OUT/*/result.json" >/dev/null; then
        echo "::notice::Several audits were made; name one with the input audit, and it is compared with the base branch."
        case $code in 0) echo verdict=pass ;; 1) echo verdict=fail ;; 3) echo verdict=inconclusive ;; *) echo verdict=error ;; esac >>"$GITHUB_OUTPUT"
    fi
    exit 0
fi

# What changed since the base branch, on the job's page and beside the report; gates decide, not this.
if [ -n "${AUDITOR_BASELINE:-}" ]; then
    auditor compare "$AUDITOR_BASELINE" "$OUT" --format html,markdown,json || true
fi

# What later pull requests are compared with; without reports.
rm -rf "$base" && mkdir "$base" && cp -r "$OUT/result.json" "$OUT/samples.csv" "$base"
python - "$OUT/result.json" >>"$GITHUB_OUTPUT" <<'PYTHON'
import json, sys
run = json.load(open(sys.argv[1]))
known = [threat["robust_accuracy"] for model in run["models"] for threat in model["threats"]]
print(f"verdict={run['verdict']}")
print(f"robust-accuracy={min(known) if known and None not in known else ''}")
PYTHON
