#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lbctl capture: what the program saw of a client, of a service, and what it dropped; one at a time, and none that
# outlives its reader.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is nat
PATH_OWN=1

is_capturing() {
	[[ $(lbctl --json fastpath | jq .fastpath.captures) == "$1" ]]
}

# capture_begin FILE ARGUMENT…: lbctl in the background, and it captures; its pid in CAPTURE.
capture_begin() {
	local file=$1
	shift
	"$LBCTL" --socket "$DIR/lb4.sock" capture "$@" >"$DIR/$file" 2>"$DIR/$file.err" &
	CAPTURE=$!
	PIDS+=("$CAPTURE")
	wait_until 3 "packets are captured" is_capturing true
}

# comments FILE: of a pcapng file, "INTERFACE COMMENT" for each packet.
comments() {
	python3 - "$1" <<-'P'
		import struct, sys
		data, at, names = open(sys.argv[1], "rb").read(), 0, []

		def options(body):
		    found = {}
		    while body[:2] != b"\0\0":
		        code, size = struct.unpack_from("HH", body)
		        found[code] = body[4:4 + size]
		        body = body[4 + (size + 3 & ~3):]
		    return found

		while at < len(data):
		    kind, size = struct.unpack_from("II", data, at)
		    body = data[at + 8:at + size - 4]
		    assert struct.unpack_from("I", data, at + size - 4)[0] == size
		    if kind == 1:
		        names.append(options(body[8:])[2].decode())
		    if kind == 6:
		        interface, _, _, kept, _ = struct.unpack_from("IIIII", body)
		        print(names[interface], options(body[20 + (kept + 3 & ~3):])[1].decode())
		    at += size
	P
}

lab_up 1
backend_start b1
config "interfaces: $(at_hook to-b1 to-client)"
service http "$VIP" http b1
service http6 "[$VIP6]" http b1@6
service echo "$VIP" echo b1
FORWARD=splice service plain "$VIP:1004" echo b1
start_lb4
wait_all_up

# A client, while others are there too: both directions, in a file that others read.
capture_begin client.txt 10.4.0.3 -w "$DIR/client.pcapng"
check_matches "a second capture is refused" "$(lbctl capture http 2>&1)" 'a capture is running already'
client curl -sS --interface 10.4.0.3 "http://$VIP:${PORT[http]}/" >/dev/null
client curl -sS --interface 10.4.0.4 "http://$VIP:${PORT[http]}/" >/dev/null
kill -INT "$CAPTURE"
check "Ctrl-C ends it well" finished "$CAPTURE"
tcpdump -nr "$DIR/client.pcapng" >"$DIR/tcpdump.txt" 2>"$DIR/tcpdump.err" || fail "$(cat "$DIR/tcpdump.err")"
check_number "packets to the VIP" "$(grep -c "10.4.0.3.* > $VIP.${PORT[http]}: Flags" "$DIR/tcpdump.txt")" '>=' 4
check_number "the backend's answers, as they came in" "$(grep -c "10.4.1.2.${PORT[http]} > 10.4.1.1.*: Flags" "$DIR/tcpdump.txt")" '>=' 3
check_not "packets of others" grep -q "10.4.0.4" "$DIR/tcpdump.txt"
comments "$DIR/client.pcapng" | sort | uniq -c | sort -rn >"$DIR/comments.txt"
check_equal "verdicts" "$(awk '{ $1 = ""; print }' "$DIR/comments.txt" | sort | paste -sd'|')" \
	" to-b1 forwarded, service http, backend b1| to-client forwarded, service http, backend b1"

# A service over IPv6, in lines, as many as were asked for.
capture_begin lines.txt http6 -c 3
client curl -sS "http://[$VIP6]:${PORT[http]}/" >/dev/null
check "it ends by itself" finished "$CAPTURE"
check_equal "lines" "$(wc -l <"$DIR/lines.txt")" 3
check_matches "a line" "$(head -1 "$DIR/lines.txt")" "Z  forwarded   to-client   \[fd04::2\]:[0-9]+ → \[$VIP6\]:${PORT[http]}  SYN 0  http6/b1"

# A drop and its reason.
capture_begin drops.txt --drops -c 1
client python3 - "$VIP" "${PORT[echo]}" <<-'P'
	import socket, struct, sys
	raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 1, 6, 0)
	ip += socket.inet_aton("10.4.0.5") + socket.inet_aton(sys.argv[1])
	raw.sendto(ip + struct.pack("!HHIIHHHH", 4711, int(sys.argv[2]), 1, 0, 5 << 12 | 2, 1000, 0, 0), (sys.argv[1], 0))
P
client curl -sS "http://$VIP:${PORT[http]}/" >/dev/null
check "it ends with the first one" finished "$CAPTURE"
check_matches "its reason" "$(cat "$DIR/drops.txt")" "Z  ttl +to-client   10.4.0.5:4711 → $VIP:${PORT[echo]}  SYN 0  echo/b1"

# What is spliced although its service is not.
lbctl fastpath off >/dev/null
capture_begin off.txt http -c 1
client curl -sS "http://$VIP:${PORT[http]}/" >/dev/null
check "new connections while the fast path is off" finished "$CAPTURE"
check_matches "are seen, with that verdict" "$(cat "$DIR/off.txt")" "Z  off  .*SYN 0  http\$"
lbctl fastpath on >/dev/null
check_matches "a service that is always spliced" "$(lbctl capture plain 2>&1)" "is spliced.*
  .*tcpdump -ni any host $VIP and tcp port 1004"

# None outlives its reader.
check_equal "time is up" "$(lbctl capture echo -t 0)" ""
check "it has ended" is_capturing false
capture_begin killed.txt echo
disown "$CAPTURE" # no notice
kill -KILL "$CAPTURE"
check_within 3 "lbctl is killed: it ends" is_capturing false
check_matches "and is logged" "$(cat "$DIR/lb4.err")" 'packets of service echo are captured.*the capture of packets has ended'
pass
