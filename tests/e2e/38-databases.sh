#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# PostgreSQL, MariaDB, memcached and redis behind lb4, each with its preset check: their own clients
# get through lb4 what they get directly; a server whose process is stopped is ejected though its port
# still accepts, and comes back; and the checks leave no mark on MariaDB, which blocks hosts that do.

. "${BASH_SOURCE[0]%/*}/lib.sh"

POSTGRES=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -1)
[[ -x $POSTGRES/pgbench ]] || skip "needs PostgreSQL"
for program in mariadbd mariadb-install-db mariadb-slap memcached redis-benchmark; do
	type -P $program >/dev/null || skip "needs $program"
done
TRANSACTIONS=$(by_scale 200 500 5000)

# PostgreSQL refuses to run as root: in a namespace of users root is called nobody.
as_nobody() {
	local where=$1
	shift
	spawn_in "$where" unshare --user --map-user=65534 --map-group=65534 "$@"
}

lab_up 4
mkdir -m 700 "$DIR/pg" "$DIR/my"
as_nobody b1 "$POSTGRES/initdb" --no-sync --no-locale --encoding=UTF8 --username=bench --auth=trust \
	--pgdata "$DIR/pg" >"$DIR/initdb.out" 2>&1 &
INITDB=$!
in_ns b2 mariadb-install-db --no-defaults --datadir="$DIR/my" --user=root --skip-test-db \
	--auth-root-authentication-method=normal >"$DIR/install-db.out" 2>&1 ||
	fail "mariadb-install-db: $(tail -3 "$DIR/install-db.out")"
finished $INITDB || fail "initdb: $(tail -3 "$DIR/initdb.out")"

echo "host all all 0.0.0.0/0 trust" >>"$DIR/pg/pg_hba.conf"
as_nobody b1 "$POSTGRES/postgres" -D "$DIR/pg" -h 0.0.0.0 -p 5432 -k '' -F \
	-c shared_buffers=16MB -c max_connections=40 >"$DIR/postgres.out" 2>&1 &
declare -A SERVER=([pg]=$!)
# It blocks only hosts whose name it knows: those of lb4 and of the client.
printf '%s\n' "127.0.0.1 localhost" "10.4.2.1 lb.test" "10.4.0.2 client.test" "10.4.0.3 rude.test" >"$DIR/hosts"
spawn_in b2 sh -c 'mount --bind "$1/hosts" /etc/hosts; exec mariadbd --no-defaults --user=root \
	--datadir="$1/my" --socket="$1/my.sock" --bind-address=0.0.0.0 --port=3306 \
	--max-connect-errors=2 --innodb-buffer-pool-size=16M --innodb-flush-log-at-trx-commit=0' - "$DIR" \
	>"$DIR/mariadb.out" 2>&1 &
SERVER[my]=$!
spawn_in b3 memcached -u root -l 0.0.0.0 -p 11211 -U 0 -m 64 >"$DIR/memcached.out" 2>&1 &
SERVER[mc]=$!
spawn_in b4 redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$DIR" >"$DIR/redis.out" 2>&1 &
SERVER[rd]=$!
PIDS+=("${SERVER[@]}")
disown -a

# sql QUERY: as MariaDB's own root, past everything.
sql() {
	mariadb --no-defaults -S "$DIR/my.sock" -u root -N -e "$1"
}
wait_until 20 "MariaDB answers" eval 'sql "select 1" >/dev/null 2>&1'
# Without a user who may come from there, a host is turned away before the greeting.
sql "create user bench@'%' identified by 'secret'; create database d; grant all on d.* to bench@'%'; grant all on slap.* to bench@'%'"


TIMES="interval: 500ms, fast_interval: 100ms, timeout: 500ms, rise: 2, fall: 3"
config
service pg "$VIP" 5432 b1 "check: {postgres: true, $TIMES}" "max_eject: 100%" "fail: closed"
service my "$VIP" 3306 b2 "check: {mysql: true, $TIMES}" "max_eject: 100%" "fail: closed"
service often "$VIP2" 3306 b2 "check: {mysql: true, interval: 40ms}" "fail: open"
service mc "$VIP" 11211 b3 "check: {memcached: true, $TIMES}" "max_eject: 100%" "fail: closed"
service rd "$VIP" 6379 b4 "check: {redis: true, $TIMES}" "max_eject: 100%" "fail: closed"
start_lb4
check_within 20 "all are up by their presets" all_up

# same WHAT FUNCTION ADDRESS: the function prints the same for that address as through lb4.
same() {
	"$2" "$3" >"$DIR/$2-direct.txt" 2>"$DIR/$2.err" || fail "$2, directly: $(tail -3 "$DIR/$2.err")"
	"$2" $VIP >"$DIR/$2-lb4.txt" 2>"$DIR/$2.err" || fail "$2, through lb4: $(tail -3 "$DIR/$2.err")"
	[[ -s $DIR/$2-lb4.txt ]] || fail "$1: no results"
	check "$1: the same directly and through lb4" cmp "$DIR/$2-direct.txt" "$DIR/$2-lb4.txt"
}

# The same seed makes the same transactions; when each took place is not compared.
pgbench_and_tables() {
	local pg=(client env PGUSER=bench PGDATABASE=bench "PGHOST=$1" PGCONNECT_TIMEOUT=10)
	"${pg[@]}" PGDATABASE=postgres "$POSTGRES/psql" -qc 'drop database if exists bench' -c 'create database bench'
	"${pg[@]}" "$POSTGRES/pgbench" --initialize --quiet --scale=1
	"${pg[@]}" "$POSTGRES/pgbench" --no-vacuum --random-seed=7 --transactions="$TRANSACTIONS" |
		grep -E 'actually processed|failed'
	"${pg[@]}" "$POSTGRES/psql" -Atq \
		-c 'select aid, abalance from pgbench_accounts order by aid' \
		-c 'select tid, tbalance from pgbench_tellers order by tid' \
		-c 'select tid, bid, aid, delta from pgbench_history order by aid, delta, tid'
}
same "pgbench" pgbench_and_tables 10.4.1.2
check_matches "pgbench: every transaction was done" "$(grep actually "$DIR/pgbench_and_tables-lb4.txt")" \
	": $TRANSACTIONS/$TRANSACTIONS"
client env PGUSER=bench PGDATABASE=bench "$POSTGRES/pgbench" -h $VIP -n -S -C -c 8 -t 50 >"$DIR/pgbench-c.txt" 2>&1 ||
	fail "pgbench with a connection a transaction: $(tail -3 "$DIR/pgbench-c.txt")"
check_matches "pgbench: and with 400 connections" "$(grep actually "$DIR/pgbench-c.txt")" ": 400/400"

MY=(-u bench -psecret --skip-ssl)
mariadb_tables() {
	client mariadb --no-defaults "${MY[@]}" -h "$1" d -N -e '
		drop table if exists t;
		create table t (id int primary key, x double, b longblob);
		insert into t select seq, seq / 7, repeat(char(seq % 256), seq % 3000) from seq_1_to_3000;
		insert into t values (0, 0, repeat("long", 1000000));
		checksum table t; select id, x, length(b), md5(b) from t order by id; select b from t where id in (0, 2999)'
}
same "mariadb" mariadb_tables 10.4.2.2
client mariadb-slap --no-defaults "${MY[@]}" -h $VIP --create-schema=slap --auto-generate-sql \
	--auto-generate-sql-load-type=mixed --number-of-queries=500 --concurrency=10 --detach=5 >"$DIR/slap.txt" 2>&1 ||
	fail "mysqlslap: $(tail -3 "$DIR/slap.txt")"
check_matches "mysqlslap: ten clients, a new connection every five queries" "$(cat "$DIR/slap.txt")" \
	"running queries: 10"

# Values of 0 to 100,000 bytes set, counted up and got again on one connection.
memcached_values() {
	local i
	for ((i = 0; i < 300; i++)); do
		printf 'set k%d %d 0 %d\r\n%s\r\n' $i $i ${#FILLER[i % 3]} "${FILLER[i % 3]}"
		printf 'get k%d\r\nset n 0 0 2\r\n%d\r\nincr n %d\r\n' $i $((i % 90 + 10)) $i
	done >"$DIR/memcached.in"
	printf 'delete k0\r\nget k0 k1 k299\r\nquit\r\n' >>"$DIR/memcached.in"
	client bash -c 'exec 3<>"/dev/tcp/$0/11211"; cat "$1" >&3 & cat <&3; wait' "$1" "$DIR/memcached.in"
}
FILLER=("" "$(printf '%01000d' 7)" "$(printf '%0100000d' 7)")
same "memcached" memcached_values 10.4.3.2

redis_benchmark() {
	client redis-benchmark -h "$1" -c 20 -n 5000 -d 200 -t set,get,incr,lpush,lpop --csv >"$DIR/redis.csv" 2>&1 ||
		fail "redis-benchmark: $(tail -3 "$DIR/redis.csv")"
	grep -i err "$DIR/redis.csv" && fail "redis-benchmark met errors"
	client redis-cli -h "$1" get counter:__rand_int__
	client redis-cli -h "$1" llen mylist
	client redis-cli -h "$1" flushall
}
same "redis-benchmark" redis_benchmark 10.4.4.2

# --- Stopped, and the kernel goes on accepting for it.

declare -A PORT_OF=([pg]=5432 [my]=3306 [mc]=11211 [rd]=6379) IP_OF=([pg]=10.4.1.2 [my]=10.4.2.2 [mc]=10.4.3.2 [rd]=10.4.4.2)
backend_of() {
	lbctl --json backends "$1" | jq -r '.backends[0].name'
}
accepts() {
	client timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}
is() { # SERVICE STATE
	backend_is "$1" "$(backend_of "$1")" ".state == \"$2\" and .eligible == $([[ $2 == up ]] && echo true || echo false)"
}
for s in pg my mc rd; do
	kill -STOP "${SERVER[$s]}"
done
# At once: checks that nobody accepts fill the queue of the one that is checked often.
for s in pg my mc rd; do
	check "$s: the port of the stopped server still accepts" accepts "${IP_OF[$s]}" "${PORT_OF[$s]}"
done
for s in pg my mc rd; do
	check_within 5 "$s: the stopped server is ejected" is $s down
	# By then its queue may be full of checks.
	check_error "$s: because of" $s "$(backend_of $s)" "(no answer|not connected) within 500ms"
done
for s in pg my mc rd; do
	kill -CONT "${SERVER[$s]}"
done
for s in pg my mc rd; do
	check_within 5 "$s: going on, it is back" is $s up
done
check_equal "and answers through lb4 again" \
	"$(client mariadb --no-defaults "${MY[@]}" -h $VIP d -N -e 'select count(*) from t')" 3001

# --- What the checks did to MariaDB meanwhile.

probes() {
	(($(sql "show global status like 'connections'" | cut -f2) > 500))
}
check_within 30 "MariaDB has met hundreds of connections" probes
check "and lb4's host is not blocked" client mariadb --no-defaults "${MY[@]}" -h $VIP d -e 'do 1'
# Who goes after the greeting is, as a third host shows.
ip -n "$(ns client)" route add 10.4.2.2/32 via 10.4.0.1 src 10.4.0.3
for i in 1 2 3; do
	client bash -c 'exec 3<>/dev/tcp/10.4.2.2/3306; head -c 4 <&3 >/dev/null'
done
check_matches "as a host is that goes after the greeting" \
	"$(client mariadb --no-defaults "${MY[@]}" -h 10.4.2.2 d -e 'select 1' 2>&1 || true)" "is blocked"
ip -n "$(ns client)" route del 10.4.2.2/32

aborted() {
	sql "show global status like 'Aborted_connects'" | cut -f2
}
denied() {
	grep -c "Access denied for user 'lb4'" "$DIR/mariadb.out" || true
}
check_number "checks are refused logins" "$(denied)" '>' 10
sql "create user lb4@'10.4.2.1'"
# One may have been under way.
logins=$(sql "show global status like 'connections'" | cut -f2)
more() {
	(($(sql "show global status like 'connections'" | cut -f2) > $1))
}
wait_until 10 "another check" more $((logins + 10))
before=$(aborted) denied=$(denied)
wait_until 10 "further checks" more $((logins + 100))
check_equal "with a user lb4 none is aborted" "$(aborted)" "$before"
check_equal "and none is in the log" "$(denied)" "$denied"
pass
