#!/usr/bin/env bash
# Takes both pictures of README.md anew: the report of the recorded baseline, and the page of a shop under load. Needs chromedriver
# (make browser), ImageMagick's convert (apt-get install imagemagick) and both programs.
#
#   docs/pictures/take.sh [FOLDER OF THE PROGRAMS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=$(realpath "${1:-target/release}")
port=${PORT:-5077}
work=$(mktemp -d)
shop='' driver=''
trap '[ -z "$shop" ] || kill "$shop"; [ -z "$driver" ] || kill "$driver"; wait; rm -rf "$work"' EXIT

webdriver() { # METHOD PATH [JSON]
    curl --silent --fail --request "$1" "http://127.0.0.1:$((port + 1))$2" ${3:+--data "$3"}
}

chromedriver --port=$((port + 1)) >"$work/chromedriver.log" 2>&1 &
driver=$!
until webdriver GET /status >"$work/status"; do sleep 0.1; done
flags='"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking", "--window-size=1000,1100"'
session=$(webdriver POST /session "{\"capabilities\": {\"alwaysMatch\": {\"goog:chromeOptions\": {\"args\": [$flags]}}}}" |
    sed 's/.*"sessionId":"\([0-9a-f]*\)".*/\1/')

shoot() { # URL SECONDS FILE
    webdriver POST "/session/$session/url" "{\"url\": \"$1\"}" >"$work/opened"
    sleep "$2"
    webdriver GET "/session/$session/screenshot" | sed 's/.*"value":"\([^"]*\)".*/\1/' | base64 --decode >"$work/shot.png"
    convert "$work/shot.png" +dither -colors 96 -strip "PNG8:docs/pictures/$3"
}

cp -r reports/baseline/1 "$work/run"
"$bin/loadgen" report "$work/run"
shoot "file://$work/run/report.html" 1 report.png

"$bin/ordershop" up --listen "127.0.0.1:$port" --data-dir "$work/data" >"$work/up.log" 2>&1 &
shop=$!
until curl --silent --fail "http://127.0.0.1:$port/health" >"$work/health"; do sleep 0.1; done
"$bin/loadgen" run checkout --rate 20 --duration 12s --no-audit --target "http://127.0.0.1:$port" --out "$work/load" >"$work/load.log" 2>&1 &
load=$!
shoot "http://127.0.0.1:$port/" 8 page.png
wait "$load" || cat "$work/load.log"
webdriver DELETE "/session/$session" >"$work/closed"
ls -l docs/pictures/*.png
