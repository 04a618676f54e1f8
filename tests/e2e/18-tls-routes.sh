#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# TLS clients of one address reach the pool that their ClientHello asks for, however it is cut, and
# whoever sends none is refused within the limits. lb4 never ends TLS: what nginx says of the name
# and the protocol shows that the ClientHello came through as it was.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "ClientHellos are read by the splicer"

COUNT=$(by_scale 20 60 300)
TLS=8443
NAMED=8444 # nginx wants a PROXY header there

lab_up 4
backend_start b1
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lb4.test -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>/dev/null
spawn_nginx() {
	cat >"$DIR/nginx-$1.conf" <<-E2
		user root; daemon off; worker_processes 1; pid $DIR/nginx-$1.pid; error_log $DIR/nginx-$1.err;
		events { worker_connections 512; }
		http {
			access_log off; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;
			server { listen $TLS ssl http2;
				location / { return 200 "$1 \$ssl_server_name \$ssl_alpn_protocol\\n"; } }
			server { listen $NAMED ssl proxy_protocol;
				location / { return 200 "$1 \$ssl_server_name \$proxy_protocol_addr\\n"; } }
		}
	E2
	spawn_in "$1" nginx -c "$DIR/nginx-$1.conf" -e "$DIR/nginx-$1.err" >>"$DIR/nginx-$1.out" 2>&1 &
	PIDS+=($!)
}
for backend in b1 b2 b3 b4; do
	spawn_nginx $backend
done

config
service front "$VIP:443" $TLS b4 "hello: {timeout: 1s}" 'tls_routes:' \
	'  - {sni: [shop.test], alpn: [h2], service: shop-h2}' \
	'  - {sni: [shop.test, "*.shop.test"], service: shop}' \
	'  - {alpn: [acme-tls/1], service: acme}'
service strict "$VIP:444" $TLS "" "hello: {timeout: 500ms, bytes: 1024}" 'tls_routes: [{sni: shop.test, service: shop}]'
service open "$VIP:445" echo b1 "hello: {timeout: 500ms, on_error: default}" 'tls_routes: [{sni: shop.test, service: shop}]'
service waited "$VIP:448" greet b1 "hello: {timeout: 500ms, on_error: default}" 'tls_routes: [{sni: shop.test, service: shop}]'
service proxied "$VIP:446" $TLS b4 "proxy_in: {from: 10.4.0.2}" 'tls_routes: [{sni: shop.test, service: named}]'
service going "$VIP:447" $TLS b4 "hello: {timeout: 3s}" 'tls_routes: [{sni: shop.test, service: shop}]'
service shop "" $TLS "b1 b2"
service shop-h2 "" $TLS b2
service acme "" $TLS b3
service named "" $NAMED b3 "proxy_out: v2"
start_lb4

# get NAME PORT [OPTION…]: what nginx answers to curl, which asks for NAME.
get() {
	local name=$1 port=$2
	shift 2
	client curl -sSk --max-time 5 --resolve "$name:$port:$VIP" "$@" "https://$name:$port/"
}
wait_until 5 "nginx serves TLS" get other.test 443 >/dev/null
check_equal "a name nobody routes, to the service's own pool" "$(get other.test 443 --http1.1)" "b4 other.test http/1.1"
check_matches "a name with a route" "$(get shop.test 443 --http1.1)" "^b[12] shop.test http/1.1$"
check_equal "the same name and h2, to another pool" "$(get shop.test 443 --http2)" "b2 shop.test h2"
check_matches "one label below a wildcard" "$(get www.shop.test 443 --no-alpn)" "^b[12] www.shop.test $"
check_equal "two labels below it" "$(get a.www.shop.test 443 --no-alpn)" "b4 a.www.shop.test "
check_equal "no name at all" "$(client curl -sSk --max-time 5 --no-alpn "https://$VIP:443/")" "b4  "
echo | client openssl s_client -connect "$VIP:443" -noservername -alpn acme-tls/1 >"$DIR/acme.txt" 2>&1 || true
check_within 3 "a protocol alone" has_ended '.via == "front" and .service == "acme" and .backend == "b3"'
check_equal "PROXY header and ClientHello, and a PROXY header out" "$(get shop.test 446 --no-alpn --haproxy-protocol)" "b3 shop.test 10.4.0.2"
check_within 3 "the line tells name and way" has_ended \
	'.via == "front" and .service == "shop-h2" and .sni == "shop.test" and .backend == "b2" and .end == "done"'

# A whole session in which the client writes single bytes.
drip() {
	client timeout 20 python3 - "$VIP" "$1" <<-'E2'
		import socket, ssl, sys
		context = ssl.create_default_context()
		context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
		received, sending = ssl.MemoryBIO(), ssl.MemoryBIO()
		tls = context.wrap_bio(received, sending, server_hostname="shop.test")
		s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		def pump(step):
		    while True:
		        try:
		            done = step()
		        except ssl.SSLWantReadError:
		            done = None
		        for byte in sending.read():
		            s.send(bytes([byte]))
		        if done is not None:
		            return done
		        received.write(s.recv(65536))
		pump(lambda: tls.do_handshake() or True)
		pump(lambda: tls.write(b"GET / HTTP/1.0\r\n\r\n"))
		print(pump(lambda: tls.read(65536)).decode().split("\r\n\r\n")[1].strip())
	E2
}
check_matches "a ClientHello in single bytes" "$(drip 443)" "^b[12] shop.test"

# talks WHAT WORD…
talks() {
	local what=$1
	shift
	lab talk --within 4s "$@" >"$DIR/talk.txt" 2>&1 || fail "$what: $(tr '\n' ' ' <"$DIR/talk.txt")"
	ok "$what"
}
# has_counted REASON NUMBER
has_counted() {
	lbctl --json services strict | jq -e ".services[0].ended.\"$1\" == $2" >/dev/null
}
TRUNCATED=$'\x16\x03\x01'
LIES=$'\x16\x03\x01\x7f\x7f'
LONG=$'\x16\x03\x01\x3f\xff\x01\x01\xff\xff'
talks "what is no TLS is refused" "$VIP:444" send=$'GET / HTTP/1.0\r\n\r\n' reset
talks "… and a broken record" "$VIP:444" "send=$LIES" reset
talks "… and a ClientHello of 128 KiB" "$VIP:444" "send=$LONG" reset
talks "… and half of one, in time" "$VIP:444" "send=$TRUNCATED" reset
talks "… and silence, in time" "$VIP:444" reset
talks "… and who leaves" "$VIP:444" "send=$TRUNCATED" fin reset
check_not "… and who is led nowhere" get other.test 444 2>"$DIR/nowhere.txt"
for reason in not-tls hello-malformed hello-too-long preface-closed no-route; do
	check_within 3 "counted: $reason" has_counted $reason 1
done
check_within 3 "counted: hello-timeout" has_counted hello-timeout 2
check_within 3 "the line says what was wrong" has_ended '.end == "hello-malformed" and .hello == "record-length"'
check_matches "the others still get there" "$(get shop.test 444 --no-alpn)" "^b[12] shop.test"

talks "with on_error: default, what is no TLS gets there" "$VIP:445" send=hello name recv=hello rst
talks "… and half of a ClientHello" "$VIP:445" "send=$TRUNCATED" name "recv=$TRUNCATED" rst
talks "… and who waits for the server" "$VIP:448" name rst
check_matches "… and names find their route" "$(get shop.test 445 --no-alpn)" "^b[12] shop.test"

# Every connection of a route went where explain says.
ROUTED='.via == "front" and .service == "shop" and .sni == "www.shop.test" and (.client | test("^10.4.0.1[0-7]:"))'
for ((i = 0; i < COUNT; i++)); do
	get www.shop.test 443 --no-alpn --interface "10.4.0.$((10 + i % 8))" >/dev/null || fail "connection $i"
done
check_within 3 "all of them are logged" has_ended "$ROUTED" "$COUNT"
explained=0
while read -r peer backend; do
	says=$(lbctl --json explain front "$peer" --sni WWW.shop.test --alpn http/1.1 | jq -r '"\(.via) \(.service) \(.backend)"')
	[[ $says == "front shop $backend" ]] || fail "$peer went to $backend, explain says $says"
	explained=$((explained + 1))
done < <(jq -r "select($ROUTED) | "'"\(.client) \(.backend)"' "$DIR/connections.log" | tail -n "$COUNT")
check_number "connections that explain agrees with" "$explained" ">=" "$COUNT"
check_matches "explain, of a client without a route" "$(lbctl explain strict 10.4.0.2:1000 --sni other.test)" "no route matches"
check_matches "services shows routes" "$(lbctl services front)" '2  shop.test, \*.shop.test +any +shop'
check_equal "accepted is routed and ended and active" \
	"$(lbctl --json services front | jq '.services[0] | .accepted == .routed + .active + ([.ended[]] | add)')" true

# A service that only routes may be given backends, and lose the last of them again. Its file has
# no place for them.
lbctl add strict own "10.4.1.2:$TLS" >/dev/null
check_matches "save names the service that has none" "$(lbctl save --dry-run 2>&1 || true)" "service strict has no backends"
lbctl remove strict own >/dev/null
check_equal "nothing differs from the file" "$(lbctl --json status | jq .drift)" 0

# A reload while a client is being waited for: its service is gone, or its routes are.
spawn_lab held.txt talk --within 10s "$VIP:447" "send=$TRUNCATED" reset &
PIDS+=($!)
held=$!
in_preface() {
	lbctl --json connections going | jq -e '.connections | length == 1 and .[0].state == "preface"' >/dev/null
}
wait_until 5 "a client is being waited for" in_preface
CONFIG=$(sed '/^  going:/,/^  shop:/ { /^  shop:/!d }' <<<"$CONFIG")$'\n'
write_config
lbctl reload --force >/dev/null
check_within 6 "a client whose service went is told" is_dead "$held"
check_within 3 "and logged" has_ended '.service == "going" and .end == "hello-timeout"'
check_matches "all goes on" "$(get shop.test 443 --http2)" "b2 shop.test h2"
pass
