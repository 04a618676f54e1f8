#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The PROXY protocol: backends learn the true client, proxies that are trusted may name it, others
# are refused, and the named client is the one that is hashed and logged.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "PROXY headers are made and read by the splicer"

COUNT=$(by_scale 20 60 300)

lab_up 4
backend_start b1 b2 b3
spawn_nginx() {
	cat >"$DIR/nginx.conf" <<-E2
		user root; daemon off; worker_processes 1; pid $DIR/nginx.pid; error_log $DIR/nginx.err;
		events { worker_connections 512; }
		http {
			log_format proxy '\$proxy_protocol_addr:\$proxy_protocol_port \$proxy_protocol_server_addr:\$proxy_protocol_server_port';
			access_log $DIR/nginx.log proxy;
			server { listen 8080 proxy_protocol; listen [::]:8080 proxy_protocol;
				location / { return 200 "\$proxy_protocol_addr\\n"; } }
		}
	E2
	: >"$DIR/nginx.log"
	spawn_in b4 nginx -c "$DIR/nginx.conf" -e "$DIR/nginx.err" >>"$DIR/nginx.out" 2>&1 &
	PIDS+=($!)
}
spawn_nginx
PROXY_IN="proxy_in: {from: [10.4.0.2, 10.4.1.1, fd04::2], timeout: 1s}"

config
service v1 "$VIP:81 [$VIP6]:81" 8080 b4 "proxy_out: v1" "check: {http: /, interval: 200ms, timeout: 200ms}"
service v2 "$VIP:82 [$VIP6]:82" 8080 b4 "proxy_out: v2" "check: {http: /, interval: 200ms, timeout: 200ms}"
service bare "$VIP:89" 8080 b4 "proxy_out: v2" "check: {http: /, proxy: none, interval: 200ms, timeout: 200ms}"
service chain "$VIP:83" 8080 "inner=10.4.1.1:84" "proxy_out: v2"
service inner "10.4.1.1:84" 8080 b4 "proxy_out: v1" "proxy_in: {from: 10.4.1.1}"
service named "$VIP:85" 8080 b4 "proxy_out: v2" "$PROXY_IN"
service hashed "$VIP:86" greet "b1 b2 b3" "hash: source" "$PROXY_IN"
service greeted "$VIP:87" greet b1 "$PROXY_IN"
service plain "$VIP:88" echo b1 "$PROXY_IN"
start_lb4
wait_until 5 "nginx serves" client curl -sSf "http://$VIP:82/"
for version in v1 v2; do
	check_within 3 "probes with a header of $version find it up" backend_is $version b4 '.state == "up"'
done
check_within 3 "probes without one find it down" backend_is bare b4 '.state == "down"'
config_of_checks=$(lbctl --json services | jq -rc '[.services[] | select(.name | IN("v1", "v2", "bare")) | .check.proxy]')
check_equal "what probes begin with" "$config_of_checks" '["v1","v2","none"]'
sed -i '/check:/d' "$DIR/lb4.yaml" # their requests would be in nginx's log
lbctl reload >/dev/null
: >"$DIR/nginx.log"

# What nginx was told last, and what the log of connections has.
told() {
	tail -1 "$DIR/nginx.log"
}
last_of() {
	jq -r "select(.service == \"$1\") | \"\(.client) \(.local)\"" "$DIR/connections.log" | tail -1
}
same_client() {
	[[ -n $(last_of "$1") && $(told) == "$(last_of "$1" | tr -d '[]')" ]]
}
for service in v1 v2; do
	port=8${service#v}
	check_equal "client that nginx saw, $service" "$(client curl -sS --interface 10.4.0.5 "http://$VIP:$port/")" 10.4.0.5
	check_within 3 "address and port of both ends as logged" same_client $service
	check_equal "over IPv6" "$(client curl -sS "http://[$VIP6]:$port/")" fd04::2
	check_within 3 "address and port of both ends as logged" same_client $service
done
check_equal "client through two load balancers" "$(client curl -sS --interface 10.4.0.6 "http://$VIP:83/")" 10.4.0.6
check_within 3 "the second one logs the client, and the first one as its peer" has_ended \
	'.service == "inner" and (.client | startswith("10.4.0.6:")) and (.peer | startswith("10.4.1.1:"))'
check_matches "nginx was told where the client had connected to" "$(told)" "^10.4.0.6:[0-9]+ $VIP:83$"

# talks WHAT WORD…
talks() {
	local what=$1
	shift
	lab talk "$@" >"$DIR/talk.txt" 2>&1 || fail "$what: $(tr '\n' ' ' <"$DIR/talk.txt")"
	ok "$what"
}
NAMED=$'PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n'
REQUEST=$'GET / HTTP/1.0\r\n\r\n'
client curl -sS --haproxy-protocol "http://$VIP:85/" >"$DIR/curl.txt"
check_equal "client that curl named" "$(cat "$DIR/curl.txt")" 10.4.0.2
talks "a trusted proxy names a client" --from 10.4.0.2 "$VIP:85" "send=$NAMED$REQUEST" "recv=HTTP/1.1 200 OK" rst
check_within 3 "nginx logs that client and where it had connected to" grep -q '^203.0.113.9:1234 198.51.100.1:443$' "$DIR/nginx.log"
check_within 3 "and so does lb4, with the proxy as its peer" has_ended \
	'.service == "named" and .client == "203.0.113.9:1234" and (.peer | startswith("10.4.0.2:"))'
talks "byte by byte" --from 10.4.0.2 "$VIP:88" send=P quiet=20ms send=R quiet=20ms send=OXY\  quiet=20ms \
	send=UNKNOWN quiet=20ms send=$'\r' quiet=20ms send=$'\nhi' name recv=hi rst
talks "a server that speaks first" --from 10.4.0.2 "$VIP:87" "send=$NAMED" name quiet=100ms rst

before=$(wc -l <"$DIR/nginx.log")
check_not "a forged header is refused" client curl -sS --interface 10.4.0.9 --haproxy-protocol "http://$VIP:85/" 2>"$DIR/forged.txt"
talks "whatever it sends" --from 10.4.0.9 "$VIP:85" reset
check_within 3 "logged as proxy-untrusted" has_ended '.end == "proxy-untrusted" and (.client | startswith("10.4.0.9:")) and .backend == null' 2
counted() {
	lbctl --json services "$1" | jq -r ".services[0].ended.\"$2\""
}
check_equal "counted" "$(counted named proxy-untrusted)" 2
check_equal "lines of nginx since then" "$(wc -l <"$DIR/nginx.log")" "$before"
talks "a proxy that sends no header is refused" --from 10.4.0.2 "$VIP:88" "send=$REQUEST" reset
talks "… or a broken one" --from 10.4.0.2 "$VIP:88" "send="$'PROXY TCP4 203.0.113.9 nonsense\r\n' reset
talks "… or only its beginning" --from 10.4.0.2 --within 4s "$VIP:88" send=PROX reset
talks "… or nothing at all" --from 10.4.0.2 --within 4s "$VIP:88" reset
talks "… or leaves" --from 10.4.0.2 --within 4s "$VIP:88" send=PROX fin reset
check_within 3 "each has its reason" has_ended '.end == "preface-closed"'
check_equal "counted" "$(counted plain proxy-missing) $(counted plain proxy-malformed) $(counted plain proxy-timeout) $(counted plain preface-closed)" "1 1 2 1"

for ((i = 1; i <= COUNT; i++)); do
	carried="203.0.113.$((i % 250 + 1))"
	lab talk --from 10.4.0.2 "$VIP:86" "send=PROXY TCP4 $carried $VIP $((1000 + i)) 80"$'\r\n' name rst >/dev/null ||
		fail "connection $i of a named client"
done
check_within 3 "all of them are logged" has_ended '.service == "hashed"' "$COUNT"
while read -r carried backend; do
	explained=$(explains hashed "$carried")
	[[ $explained == "$backend" ]] || fail "$carried went to $backend, explain says $explained"
done < <(jq -r 'select(.service == "hashed") | "\(.client) \(.backend)"' "$DIR/connections.log")
ok "$COUNT named clients went where explain says"
check_equal "backends that took part" "$(jq -r 'select(.service == "hashed") | .backend' "$DIR/connections.log" | sort -u | wc -l)" 3
pass
