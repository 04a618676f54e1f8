#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lbctl: every verb answers in text and in JSON, a wrong word prints the right ones, exit statuses
# tell refusal, usage and absence apart.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
config
service web "$VIP" echo "b1 b2" "check: {tcp: true, interval: 500ms}"
service other "$VIP" id "b1 b2"
start_lb4

# answers STATUS PATTERN ARGUMENT…
answers() {
	local want=$1 pattern=$2 status=0
	shift 2
	lbctl "$@" >"$DIR/out.txt" 2>"$DIR/err.txt" </dev/null || status=$?
	[[ $status == "$want" ]] || fail "lbctl $*: status $status instead of $want: $(cat "$DIR/out.txt" "$DIR/err.txt")"
	grep -qE -- "$pattern" "$DIR/out.txt" "$DIR/err.txt" || fail "lbctl $*: no '$pattern' in: $(cat "$DIR/out.txt" "$DIR/err.txt")"
	if ((want)); then
		[[ -s $DIR/err.txt ]] || fail "lbctl $*: nothing on stderr"
	fi
	ok "lbctl $*: $want"
}
spawn_lab idle.json stall --to "$VIP:${PORT[echo]}" --count 3 idle &
wait_file 10 idle.json

answers 0 'b1' backends
answers 0 'b1' backends web
answers 0 'web' services
answers 0 'workers|uptime' status
LISTED=3
path_has log || LISTED=0
((LISTED)) && CLIENTS='10\.4\.0\.2:' || CLIENTS='.'
answers 0 "$CLIENTS" connections
answers 0 "$CLIENTS" connections web
check_within 3 "three connections are counted" running 3 web
answers 0 'b[12]' explain web 10.4.0.2:1234
answers 0 'b[12]' explain web 10.4.0.2:1234 --local "$VIP:${PORT[echo]}"
answers 0 'b[12]' table web
answers 0 . check "$DIR/lb4.yaml"
answers 0 . reload
NEW=10.4.2.2:1
if [[ $FORWARD == dsr-* ]]; then
	answers 1 'does not change ports' add web b3 $NEW
	NEW=10.4.2.3:${PORT[echo]}
fi
answers 0 . add web b3 $NEW --weight 4
answers 0 . weight web b3 5
answers 0 . drain web b3 --timeout 1s
answers 0 . undrain web b3
answers 0 . disable web b3
answers 0 . enable web b3
answers 0 . remove web b3
for verb in status services backends connections "explain web 10.4.0.2:1234" "table web" "check $DIR/lb4.yaml" reload \
	"add web b3 $NEW" "weight web b3 5" "drain web b3" "undrain web b3" "disable web b3" "enable web b3" "remove web b3"; do
	# shellcheck disable=SC2086 # words are meant
	lbctl --json $verb | jq -e 'type == "object"' >/dev/null || fail "lbctl --json $verb is not an object"
done
ok "each verb's --json is an object"
check_equal "connections listed" "$(lbctl --json connections web | jq '.connections | length')" $LISTED

answers 2 'backends' backend
answers 2 'status' stauts
answers 2 . explain web
answers 2 . weight web b1
answers 2 . weight web b1 many
answers 1 . drain web b1 --timeout soon
answers 2 . --nosuch status
answers 2 . status extra
answers 1 'web' backends wbe
answers 1 'b1' weight web b11 3
answers 1 'there|exists|taken|already' add web b1 10.4.2.2:9
answers 1 '.' add web b9 "10.4.1.2:${PORT[echo]}"
answers 1 'port' add web b9 10.4.2.2
answers 1 '65535|weight' weight web b1 65536
answers 1 . explain web 10.4.0.2
answers 1 . check "$DIR/nothere.yaml"
status=0
"$LBCTL" --socket "$DIR/nothere.sock" status >"$DIR/out.txt" 2>&1 || status=$?
check_equal "status without a daemon" $status 3
check_equal "nothing was changed by refusals" "$(lbctl --json backends web | jq -r '.backends | map("\(.name)*\(.weight)") | join(" ")')" "b1*1 b2*1"

# The API over the socket is the same that lbctl uses; nonsense loses its sender the connection only.
api() {
	curl -s --unix-socket "$DIR/lb4.sock" "$@"
}
check_equal "the API by curl" "$(api http://lb4/v1/backends?service=web | jq '.backends | length')" 2
check_equal "an unknown field is an error" "$(api -o /dev/null -w '%{http_code}' -d '{"wieght": 3}' http://lb4/v1/services/web/backends/b1/weight)" 400
check_equal "no JSON is an error" "$(api -o /dev/null -w '%{http_code}' -d '{' http://lb4/v1/services/web/backends/b1/weight)" 400
check_equal "an unknown path is an error" "$(api -o /dev/null -w '%{http_code}' http://lb4/v1/nothing)" 404
check_equal "a wrong method is an error" "$(api -o /dev/null -w '%{http_code}' -X PUT http://lb4/v1/status)" 405
check "and lb4 still answers" is_ready
pass
