#!/usr/bin/env bash
# Posts comparison.md as a comment of the pull request, in the place of the one that an earlier run of the same scenario has left. Without a
# comparison it posts the summary of the first run.
#
# Environment: OUT, NUMBER (of the pull request), SCENARIO, GH_REPO, GH_TOKEN
set -euo pipefail

file=$OUT/comparison.md
[ -f "$file" ] || file=$OUT/candidate/1/summary.md
[ -f "$file" ] || { echo "nothing was measured: there is nothing to tell"; exit 0; }
# Not seen by readers; the next run finds its comment by it.
export MARK="<!-- loadgen: $SCENARIO -->"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
# GitHub takes 65,536 characters.
{ echo "$MARK"; head -c 60000 "$file"; } >"$body"
earlier=$(gh api "repos/$GH_REPO/issues/$NUMBER/comments" --paginate --jq '.[] | select(.body | startswith(env.MARK)) | .id' | head -n 1)
if [ -n "$earlier" ]; then
    gh api --silent --method PATCH "repos/$GH_REPO/issues/comments/$earlier" --field "body=@$body"
else
    gh api --silent --method POST "repos/$GH_REPO/issues/$NUMBER/comments" --field "body=@$body"
fi
