#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs that people use: redis-benchmark and curl against nginx get through lb4 what they get
# directly, with no errors.
# Later: makes load.

. "${BASH_SOURCE[0]%/*}/lib.sh"

REQUESTS=$(by_scale 5000 20000 100000)

lab_up 3
mkdir -p "$DIR/www"
for b in b1 b2; do
	cat >"$DIR/nginx-$b.conf" <<-E2
		user root; daemon off; worker_processes 1; pid $DIR/nginx-$b.pid; error_log $DIR/nginx-$b.err;
		events { worker_connections 1024; }
		http {
			access_log off; sendfile on; keepalive_requests 100000; client_max_body_size 200m;
			server { listen 8080; listen [::]:8080; root $DIR/www; add_header X-Backend $b;
				location /take { proxy_pass http://127.0.0.1:8081; } }
			# Answers once it has read the whole body.
			server { listen 127.0.0.1:8081; location / { return 200 "\$http_content_length\\n"; } }
		}
	E2
	spawn_in $b nginx -c "$DIR/nginx-$b.conf" -e "$DIR/nginx-$b.err" >>"$DIR/nginx-$b.out" 2>&1 &
	PIDS+=($!)
done
spawn_in b3 redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$DIR" >"$DIR/redis.out" 2>&1 &
PIDS+=($!)
for size in 0 1 1000 65536 3000000 100000000; do
	head -c $size /dev/urandom >"$DIR/www/$size"
done

config
service redis "$VIP" 6379 b3 "check: {redis: true, interval: 500ms}"
service_each web "$VIP:80 [$VIP6]:80" 8080 "b1 b2" "check: {http: /1, interval: 500ms}"
start_lb4
wait_all_up

# Both report requests a second; what must be equal is what redis holds afterwards.
benchmark() {
	client redis-benchmark -h "$1" -c 50 -n "$REQUESTS" -d 200 -t set,get,incr,lpush,lpop,mset --csv \
		>"$DIR/benchmark-$2.csv" 2>"$DIR/benchmark-$2.err" || fail "redis-benchmark $2: $(cat "$DIR/benchmark-$2.err")"
	grep -qiE 'err' "$DIR/benchmark-$2.csv" "$DIR/benchmark-$2.err" && fail "redis-benchmark $2 saw errors: $(cat "$DIR/benchmark-$2.csv")"
	client redis-cli -h 10.4.3.2 get counter:__rand_int__
	client redis-cli -h 10.4.3.2 llen mylist
	client redis-cli -h 10.4.3.2 strlen key:__rand_int__
	client redis-cli -h 10.4.3.2 flushall
}
benchmark 10.4.3.2 direct >"$DIR/redis-direct.txt"
benchmark $VIP lb4 >"$DIR/redis-lb4.txt"
check "redis-benchmark leaves the same data through lb4 as directly" cmp "$DIR/redis-direct.txt" "$DIR/redis-lb4.txt"
check_equal "increments that arrived" "$(head -1 "$DIR/redis-lb4.txt")" "$REQUESTS"
check_equal "kinds of requests measured" "$(grep -c . "$DIR/benchmark-lb4.csv")" "$(grep -c . "$DIR/benchmark-direct.csv")"
client redis-benchmark -h $VIP -c 200 -P 16 -n $((REQUESTS * 5)) -t set,get --csv >"$DIR/pipelined.csv" 2>&1 ||
	fail "pipelined: $(cat "$DIR/pipelined.csv")"
check_not "pipelined requests on 200 connections without errors" grep -qi err "$DIR/pipelined.csv"

for size in 0 1 1000 65536 3000000 100000000; do
	want=$(sha256sum <"$DIR/www/$size")
	for to in "http://$VIP" "http://[$VIP6]" "http://10.4.1.2:8080"; do
		got=$(client curl -sSf "$to/$size" | sha256sum)
		[[ $got == "$want" ]] || fail "$to/$size: other bytes"
	done
done
ok "files of 0 to 100,000,000 bytes are the same over IPv4, IPv6 and directly"

# Twenty clients at once, each with one connection for many requests.
parallel=()
for ((i = 0; i < 20; i++)); do
	client curl -sSf --fail-early "http://$VIP/3000000?[1-15]" >"$DIR/many-$i" 2>"$DIR/many-$i.err" &
	parallel+=($!)
done
for pid in "${parallel[@]}"; do
	finished "$pid" || fail "curl: $(cat "$DIR"/many-*.err)"
done
want=$(for ((i = 0; i < 15; i++)); do cat "$DIR/www/3000000"; done | sha256sum)
for ((i = 0; i < 20; i++)); do
	[[ $(sha256sum <"$DIR/many-$i") == "$want" ]] || fail "client $i got other bytes"
	rm "$DIR/many-$i"
done
ok "20 clients with 15 requests of 3 MB each on one connection got every byte"

got=$(client curl -sSf -H Expect: --data-binary "@$DIR/www/100000000" "http://$VIP/take")
check_equal "bytes of an upload that nginx took" "$got" 100000000
check_matches "both servers took part" "$(for ((i = 0; i < 30; i++)); do
	client curl -sSfI "http://$VIP/1" | tr -d '\r' | sed -n 's/X-Backend: //p'
done | sort -u | tr '\n' ' ')" "b1 b2"
check_ended "connections that did not end by FIN from both" '(.service | startswith("web")) and .end != "done"' 0
pass
