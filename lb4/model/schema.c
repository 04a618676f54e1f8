// SPDX-License-Identifier: BSD-2-Clause
#include <net/if.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "config.h"
#include "maglev.h"
#include "rate.h"
#include "schema.h"
#include "server_name.h"

#define INTO(type, member)                                                                         \
	.into = {offsetof(struct type, member), sizeof(((struct type *)0)->member)}
#define ALSO_INTO(type, member)                                                                    \
	.also_into = {offsetof(struct type, member), sizeof(((struct type *)0)->member)}
#define RANGE(least, most) .min = (least), .max = (most)
#define WORDS(...)                                                                                 \
	.words = (const struct word[])                                                             \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
		}                                                                                  \
	}

#define MSEC NSEC_PER_MSEC
#define SEC  NSEC_PER_SEC
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define YEAR (365 * DAY)

/* Limits of the kernel: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT, and TCP_USER_TIMEOUT
 * as an int of milliseconds, which ends within the 25th day. */
#define KEEPALIVE_MAX	    (32767 * SEC)
#define KEEPALIVE_COUNT_MAX 127
#define USER_TIMEOUT_MAX    (24 * DAY)

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

static const char *refuse_file_path(const char *text)
{
	if (*text != '/')
		return "expected a path that begins with /";
	if (text[strlen(text) - 1] == '/')
		return "the path ends with /";
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "the path holds a control character";
	return NULL;
}

static const char *refuse_state_file(const char *text)
{
	if (!strcmp(text, "auto") || !strcmp(text, "off"))
		return NULL;
	if (*text != '/')
		return "expected auto, off or a path that begins with /";
	return refuse_file_path(text);
}

/* As dev_valid_name() of the kernel, whose isspace() is that of Latin-1. */
static const char *refuse_interface(const char *text)
{
	if (!strcmp(text, ".") || !strcmp(text, ".."))
		return "no network interface has that name";
	if (strpbrk(text, "/: \t\n\v\f\r\xa0"))
		return "the name of a network interface holds no blank, / or :";
	return NULL;
}

static const char *refuse_sni(const char *text)
{
	bool wildcard = !strncmp(text, "*.", 2);
	char name[SERVER_NAME_MAX + 1];

	if (!strcmp(text, "*"))
		return "the service's own backends take what no route matches";
	if (!is_printable(text))
		return "a blank or a character outside ASCII (write xn--...)";
	if (strchr(text, ':'))
		return "a server name has no port";
	if (strchr(wildcard ? text + 1 : text, '*'))
		return "* may only stand for the whole first label, as in *.example.org";
	return server_name_read(wildcard ? text + 2 : text, strlen(text) - (wildcard ? 2 : 0),
				name);
}

static const char *refuse_alpn(const char *text)
{
	if (!*text || strlen(text) > TLS_PROTOCOL_LENGTH_MAX)
		return "expected the name of a protocol, 1 to 255 bytes";
	if (!is_printable(text))
		return "a blank or a character outside ASCII";
	return NULL;
}

/* Both go into a request line by line: a blank or a line end in them would make another request. */
static const char *refuse_path(const char *text)
{
	if (*text != '/')
		return "expected a path that begins with /";
	if (!is_printable(text))
		return "the path holds a blank or a character outside ASCII";
	return NULL;
}

static const char *refuse_host(const char *text)
{
	if (!is_printable(text) || strchr(text, '/'))
		return "expected a host name as the Host header has it";
	return NULL;
}

/* Logs in without a password: sent as it stands, ended by a NUL. */
static const char *refuse_user(const char *text)
{
	if (!is_printable(text))
		return "the name holds a blank or a character outside ASCII";
	return NULL;
}

const struct word schema_balance_words[] = {
	{"maglev", BALANCE_MAGLEV},
	{"least-connections", BALANCE_LEAST_CONNECTIONS},
	{"round-robin", BALANCE_ROUND_ROBIN},
	{"two-choices", BALANCE_TWO_CHOICES},
	{},
};

const struct word schema_forward_words[] = {
	{"auto", FORWARD_AUTO},	    {"splice", FORWARD_SPLICE},	    {"nat", FORWARD_NAT},
	{"dsr-l2", FORWARD_DSR_L2}, {"dsr-ipip", FORWARD_DSR_IPIP}, {},
};

const struct word schema_hook_words[] = {
	{"auto", HOOK_AUTO},
	{"tc", HOOK_TC},
	{"xdp", HOOK_XDP},
	{},
};

const struct word schema_hash_words[] = {
	{"connection", HASH_CONNECTION},
	{"source", HASH_SOURCE},
	{},
};

const struct word schema_on_down_words[] = {
	{"drain", ON_DOWN_DRAIN},
	{"reset", ON_DOWN_RESET},
	{"keep", ON_DOWN_KEEP},
	{},
};

const struct word schema_fail_words[] = {
	{"open", FAIL_OPEN},
	{"closed", FAIL_CLOSED},
	{},
};

const struct word schema_proxy_words[] = {
	{"none", PROXY_NONE},
	{"v1", PROXY_V1},
	{"v2", PROXY_V2},
	{},
};

const struct word schema_hello_error_words[] = {
	{"refuse", HELLO_ERROR_REFUSE},
	{"default", HELLO_ERROR_DEFAULT},
	{},
};

static const struct word log_levels[] = {
	{"error", LOG_ERROR},
	{"warning", LOG_WARNING},
	{"info", LOG_INFO},
	{"debug", LOG_DEBUG},
	{},
};

const struct section schema_admin = {
	"admin",
	(const struct setting[]){
		{"socket", SETTING_TEXT, "path of the Unix socket that lbctl talks to",
		 "/run/lb4/lb4.sock", INTO(config, socket_path),
		 RANGE(2, sizeof(((struct sockaddr_un *)0)->sun_path) - 1),
		 .refuse = refuse_file_path, .at_start = true},
		{},
	},
};

const struct section schema_log = {
	"log",
	(const struct setting[]){
		{"level", SETTING_WORD, "what is worth a line on standard error", "info",
		 INTO(config, log_level), .words = log_levels},
		{"connections", SETTING_WORD, "which connections get a line when they end", "all",
		 INTO(config, log_connections),
		 WORDS({"all", LOG_CONNECTIONS_ALL}, {"failed", LOG_CONNECTIONS_FAILED},
		       {"off", LOG_CONNECTIONS_OFF})},
		{"sample", SETTING_NUMBER, "one in so many of those connections gets its line", "1",
		 INTO(config, log_sample), RANGE(1, 1000000)},
		{},
	},
};

const struct section schema_fastpath = {
	"fastpath",
	(const struct setting[]){
		{"max_flows", SETTING_NUMBER, "connections that nat holds at a time", "262144",
		 INTO(config, max_flows), RANGE(1024, 8388608), .at_start = true},
		{"nat_ports", SETTING_PORTS, "ports that nat sends to backends from", "10000-29999",
		 INTO(config, nat_port_low), RANGE(1024, 65535), ALSO_INTO(config, nat_port_high),
		 .at_start = true},
		{"pins", SETTING_TEXT, "directory of a BPF file system, by which flows outlive lb4",
		 "/sys/fs/bpf/lb4", INTO(config, pins), RANGE(2, 255), .refuse = refuse_file_path,
		 .at_start = true},
		{},
	},
};

const struct section schema_source = {
	"source",
	(const struct setting[]){
		{"ipv4", SETTING_NUMBER, "leading bits of an IPv4 client address that count", "32",
		 INTO(service_settings, mask_ipv4), RANGE(1, 32)},
		{"ipv6", SETTING_NUMBER, "leading bits of an IPv6 client address that count", "128",
		 INTO(service_settings, mask_ipv6), RANGE(1, 128)},
		{},
	},
};

const struct section schema_hash = {
	"hash",
	(const struct setting[]){
		{"source", SETTING_SECTION, "how much of the client's address counts",
		 .required = "expected connection, source or {source: {ipv4: BITS, ipv6: BITS}}",
		 .section = &schema_source},
		{},
	},
};

const struct section schema_check = {
	"a check",
	(const struct setting[]){
		{"tcp", SETTING_TRUE, "a connection can be made"},
		{"http", SETTING_TEXT, "a GET of this path is answered as expected",
		 INTO(check_config, http_path), RANGE(1, 1024), .refuse = refuse_path},
		{"redis", SETTING_TRUE, "PING is answered with PONG"},
		{"postgres", SETTING_TRUE, "an SSLRequest is answered"},
		{"mysql", SETTING_TRUE, "a greeting comes, and a login is answered"},
		{"memcached", SETTING_TRUE, "the version is told"},
		{"amqp", SETTING_TRUE,
		 "the header of AMQP 0-9-1 is answered with Connection.Start"},
		{"smtp", SETTING_TRUE, "the greeting is 220"},
		{"exec", SETTING_TEXTS, "a program, with its arguments, that exits with 0",
		 INTO(check_config, exec), RANGE(1, CHECK_ARGUMENTS_MAX)},
		{"send", SETTING_BYTES, "text that is sent", INTO(check_config, send),
		 RANGE(1, CHECK_PAYLOAD_MAX), ALSO_INTO(check_config, send_size)},
		{"expect", SETTING_BYTES, "text that must come back", INTO(check_config, expect),
		 RANGE(1, CHECK_PAYLOAD_MAX), ALSO_INTO(check_config, expect_size)},
		{"send_hex", SETTING_HEX, "bytes that are sent", INTO(check_config, send),
		 RANGE(1, CHECK_PAYLOAD_MAX), ALSO_INTO(check_config, send_size)},
		{"expect_hex", SETTING_HEX, "bytes that must come back", INTO(check_config, expect),
		 RANGE(1, CHECK_PAYLOAD_MAX), ALSO_INTO(check_config, expect_size)},
		{"user", SETTING_TEXT, "name of a mysql login, which has no password",
		 INTO(check_config, mysql_user), RANGE(1, 80), .refuse = refuse_user},
		{"address", SETTING_IP, "where the probe goes instead of the backend's address",
		 INTO(check_config, address)},
		{"port", SETTING_NUMBER, "the port it goes to instead of the backend's",
		 INTO(check_config, port), RANGE(1, 65535)},
		{"host", SETTING_TEXT, "the Host header of the request; else the backend's address",
		 INTO(check_config, http_host), RANGE(1, 255), .refuse = refuse_host},
		{"status", SETTING_STATUS, "the status, or range of them, that is expected",
		 "200-399", INTO(check_config, status_min), RANGE(100, 599),
		 ALSO_INTO(check_config, status_max)},
		{"body", SETTING_TEXT, "text that the body of the answer must hold",
		 INTO(check_config, http_body), RANGE(1, 1024)},
		{"interval", SETTING_DURATION, "time between probes while the verdict is certain",
		 "2s", INTO(check_config, interval), RANGE(10 * MSEC, DAY)},
		/* A quarter of the interval, that is. */
		{"fast_interval", SETTING_DURATION, "time between probes while in doubt", "500ms",
		 INTO(check_config, fast_interval), RANGE(10 * MSEC, DAY), .at_most = "interval"},
		{"timeout", SETTING_DURATION, "time for one probe, connecting included", "1s",
		 INTO(check_config, timeout), RANGE(1 * MSEC, DAY), .at_most = "interval"},
		{"rise", SETTING_NUMBER, "consecutive successes that bring a backend up", "2",
		 INTO(check_config, rise), RANGE(1, 1000)},
		{"fall", SETTING_NUMBER, "consecutive failures that take a backend down", "3",
		 INTO(check_config, fall), RANGE(1, 1000)},
		{"proxy", SETTING_WORD, "PROXY header that a probe begins with", "auto",
		 INTO(check_config, proxy),
		 WORDS({"auto", CHECK_PROXY_AUTO}, {"none", PROXY_NONE}, {"v1", PROXY_V1},
		       {"v2", PROXY_V2})},

		{},
	},
};

const struct section schema_passive = {
	"passive",
	(const struct setting[]){
		{"fall", SETTING_NUMBER,
		 "consecutive failed connects or instant resets that take a backend down", "3",
		 INTO(passive_config, fall), RANGE(1, 1000)},
		{"hold", SETTING_DURATION, "how long the first ejection lasts; it doubles", "2s",
		 INTO(passive_config, hold), RANGE(10 * MSEC, DAY), .at_most = "hold_max"},
		{"hold_max", SETTING_DURATION, "how long any ejection lasts at most", "60s",
		 INTO(passive_config, hold_max), RANGE(10 * MSEC, DAY)},
		{},
	},
};

const struct section schema_keepalive = {
	"keepalive",
	(const struct setting[]){
		{"idle", SETTING_DURATION, "silence before the first keepalive", "60s",
		 INTO(service_settings, keepalive_idle), RANGE(SEC, KEEPALIVE_MAX), .step = SEC},
		{"interval", SETTING_DURATION, "time between unanswered keepalives", "10s",
		 INTO(service_settings, keepalive_interval), RANGE(SEC, KEEPALIVE_MAX),
		 .step = SEC},
		{"count", SETTING_NUMBER, "unanswered keepalives that end the connection", "6",
		 INTO(service_settings, keepalive_count), RANGE(1, KEEPALIVE_COUNT_MAX)},
		{},
	},
};

const struct section schema_proxy_in = {
	"proxy_in",
	(const struct setting[]){
		{"from", SETTING_PREFIXES, "addresses of the proxies that may connect",
		 .required = "expected the addresses of the proxies, such as from: 10.0.0.0/24",
		 INTO(service_settings, proxy_from), RANGE(1, 1024)},
		{"timeout", SETTING_DURATION, "time for the PROXY header to come", "3s",
		 INTO(service_settings, proxy_timeout), RANGE(1 * MSEC, HOUR)},
		{},
	},
};

const struct section schema_limits_source = {
	"source limits",
	(const struct setting[]){
		{"connections", SETTING_NUMBER, "connections of one source at a time", "0",
		 INTO(service_settings, limits.source_connections), RANGE(1, 10000000),
		 .zero = true},
		{"rate", SETTING_NUMBER, "new connections of one source a second", "0",
		 INTO(service_settings, limits.source_rate), RANGE(1, RATE_MAX), .zero = true},
		{"ipv4", SETTING_NUMBER, "leading bits of an IPv4 address that make a source", "32",
		 INTO(service_settings, limits.source_ipv4), RANGE(1, 32)},
		{"ipv6", SETTING_NUMBER, "leading bits of an IPv6 address that make a source", "64",
		 INTO(service_settings, limits.source_ipv6), RANGE(1, 128)},
		{},
	},
};

const struct section schema_limits = {
	"limits",
	(const struct setting[]){
		{"connections", SETTING_NUMBER, "connections at a time; more are refused", "0",
		 INTO(service_settings, limits.connections), RANGE(1, 10000000), .zero = true},
		{"rate", SETTING_NUMBER, "new connections a second; more are refused", "0",
		 INTO(service_settings, limits.rate), RANGE(1, RATE_MAX), .zero = true},
		{"source", SETTING_SECTION, "limits of each source address",
		 .section = &schema_limits_source},
		{},
	},
};

const struct section schema_queue = {
	"queue",
	(const struct setting[]){
		{"length", SETTING_NUMBER, "connections that may wait for a full backend",
		 .required = "a queue needs a length", INTO(service_settings, queue_length),
		 RANGE(1, 1000000)},
		{"timeout", SETTING_DURATION, "how long a connection may wait", "5s",
		 INTO(service_settings, queue_timeout), RANGE(1 * MSEC, HOUR)},
		{},
	},
};

const struct section schema_backend = {
	"a backend",
	(const struct setting[]){
		{"address", SETTING_ADDRESS, "where it is reached, ADDRESS:PORT",
		 .required = "a backend needs an address", INTO(backend_config, address)},
		{"weight", SETTING_NUMBER, "its share of connections; 0 takes no new ones", "1",
		 INTO(backend_config, weight), RANGE(0, WEIGHT_MAX)},
		{"max_connections", SETTING_NUMBER, "connections at a time; more go to others", "0",
		 INTO(backend_config, max_connections), RANGE(1, 10000000), .zero = true},
		{"backup", SETTING_WORD, "used only when no other backend is eligible", "false",
		 INTO(backend_config, backup), WORDS({"true", true}, {"false", false})},
		{},
	},
};

const struct section schema_hello = {
	"hello",
	(const struct setting[]){
		{"timeout", SETTING_DURATION, "time for the ClientHello to be complete", "3s",
		 INTO(service_settings, hello_timeout), RANGE(1 * MSEC, HOUR)},
		{"bytes", SETTING_NUMBER, "bytes within which the ClientHello has to be complete",
		 "16384", INTO(service_settings, hello_bytes), RANGE(512, HELLO_BYTES_MAX)},
		{"on_error", SETTING_WORD, "what becomes of clients that send no ClientHello",
		 "refuse", INTO(service_settings, hello_on_error),
		 .words = schema_hello_error_words},
		{},
	},
};

const struct section schema_tls_route = {
	"a route",
	(const struct setting[]){
		{"sni", SETTING_TEXTS, "server names: exact, or *.NAME for one label before it",
		 INTO(tls_route_config, sni), RANGE(1, TLS_NAMES_MAX), .refuse = refuse_sni},
		{"alpn", SETTING_TEXTS, "protocols, one of which the client has to offer",
		 INTO(tls_route_config, alpn), RANGE(1, TLS_PROTOCOLS_MAX), .refuse = refuse_alpn},
		{"service", SETTING_TEXT, "the service that gets the connection",
		 .required = "a route needs the name of a service", INTO(tls_route_config, service),
		 RANGE(1, NAME_LENGTH_MAX)},
		{},
	},
};

const struct section schema_interface = {
	"an interface",
	(const struct setting[]){
		{"name", SETTING_TEXT, "its name, such as eth0",
		 .required = "an interface needs its name", INTO(interface_config, name),
		 RANGE(1, IFNAMSIZ - 1), .refuse = refuse_interface},
		{"hook", SETTING_WORD, "where the program sits at it", "auto",
		 INTO(interface_config, hook), .words = schema_hook_words},
		{},
	},
};

const struct section schema_service = {
	"a service",
	(const struct setting[]){
		{"listen", SETTING_LISTEN, "address or addresses that clients connect to",
		 .required = "a service needs at least one listen address", RANGE(1, LISTEN_MAX),
		 .perhaps = true},
		{"balance", SETTING_WORD, "how a backend is chosen", "maglev",
		 INTO(service_config, settings.balance), .words = schema_balance_words},
		{"hash", SETTING_SECTION, "what of a connection decides on its backend",
		 "connection", INTO(service_config, settings.hash), .words = schema_hash_words,
		 .section = &schema_hash, .base = offsetof(struct service_config, settings)},
		{"table_size", SETTING_NUMBER, "slots of the Maglev table, a prime", "65537",
		 INTO(service_config, settings.table_size), .numbers = maglev_sizes},
		{"forward", SETTING_WORD, "how connections get to their backends", "auto",
		 INTO(service_config, settings.forward), .words = schema_forward_words},
		{"check", SETTING_SECTION, "how backends are probed", "none",
		 INTO(service_config, check.kind),
		 WORDS({"none", CHECK_NONE}, {"tcp", CHECK_TCP}, {"redis", CHECK_REDIS},
		       {"postgres", CHECK_POSTGRES}, {"mysql", CHECK_MYSQL},
		       {"memcached", CHECK_MEMCACHED}, {"amqp", CHECK_AMQP}, {"smtp", CHECK_SMTP}),
		 .section = &schema_check, .base = offsetof(struct service_config, check)},
		{"passive", SETTING_SECTION, "whether clients' connections are evidence, and how",
		 "on", INTO(service_config, settings.passive.enabled),
		 WORDS({"on", true}, {"off", false}), .section = &schema_passive,
		 .base = offsetof(struct service_config, settings.passive)},
		{"on_down", SETTING_WORD, "what becomes of the connections of a failed backend",
		 "drain", INTO(service_config, settings.on_down), .words = schema_on_down_words},
		{"max_eject", SETTING_PERCENT, "largest share of the backends that is ejected",
		 "50%", INTO(service_config, settings.max_eject_percent), RANGE(0, 100)},
		{"fail", SETTING_WORD, "what happens to failed backends beyond max_eject", "open",
		 INTO(service_config, settings.fail), .words = schema_fail_words},
		{"allow", SETTING_PREFIXES, "who may connect: prefixes; others may not",
		 INTO(service_config, settings.allow), RANGE(1, RULES_MAX)},
		{"deny", SETTING_PREFIXES, "who may not connect: prefixes",
		 INTO(service_config, settings.deny), RANGE(1, RULES_MAX)},
		{"limits", SETTING_SECTION, "how much clients may have of the service",
		 .section = &schema_limits, .base = offsetof(struct service_config, settings)},
		{"queue", SETTING_SECTION, "where connections wait while all backends are full",
		 "off", INTO(service_config, settings.queue_length), WORDS({"off", 0}),
		 .section = &schema_queue, .base = offsetof(struct service_config, settings)},
		{"slow_start", SETTING_DURATION,
		 "time in which a backend that comes back takes up its whole weight", "0",
		 INTO(service_config, settings.slow_start), RANGE(100 * MSEC, DAY), .zero = true},
		{"connect_timeout", SETTING_DURATION, "time for one try to reach a backend", "1s",
		 INTO(service_config, settings.connect_timeout), RANGE(1 * MSEC, HOUR),
		 .at_most = "connect_budget"},
		{"connect_budget", SETTING_DURATION, "time for all tries of a connection", "5s",
		 INTO(service_config, settings.connect_budget), RANGE(1 * MSEC, HOUR)},
		{"tries", SETTING_NUMBER, "backends tried for a connection, the first included",
		 "3", INTO(service_config, settings.tries), RANGE(1, 8)},
		{"proxy_in", SETTING_SECTION, "clients are proxies that send a PROXY header", "off",
		 INTO(service_config, settings.proxy_timeout), WORDS({"off", WORD_DEFAULT}),
		 .section = &schema_proxy_in, .base = offsetof(struct service_config, settings)},
		{"proxy_out", SETTING_WORD,
		 "PROXY header that backends get before a client's bytes", "none",
		 INTO(service_config, settings.proxy_out), .words = schema_proxy_words},
		{"source_address", SETTING_PREFIXES, "what backends are connected from", "auto",
		 INTO(service_config, settings.transparent), RANGE(1, 256),
		 ALSO_INTO(service_config, settings.source_addresses),
		 WORDS({"auto", false}, {"transparent", true})},
		{"idle_timeout", SETTING_DURATION, "silence both ways that ends a connection", "1h",
		 INTO(service_config, settings.idle_timeout), RANGE(1 * MSEC, YEAR), .zero = true},
		{"half_closed_timeout", SETTING_DURATION,
		 "silence that ends a connection that one side has closed", "1h",
		 INTO(service_config, settings.half_closed_timeout), RANGE(1 * MSEC, YEAR),
		 .zero = true},
		{"lifetime", SETTING_DURATION, "age at which any connection ends", "0",
		 INTO(service_config, settings.lifetime), RANGE(1 * MSEC, YEAR), .zero = true},
		{"drain_timeout", SETTING_DURATION,
		 "time that connections of a draining backend may take to finish", "0",
		 INTO(service_config, settings.drain_timeout), RANGE(1 * MSEC, YEAR), .zero = true},
		{"keepalive", SETTING_SECTION, "TCP keepalive towards both sides", "on",
		 INTO(service_config, settings.keepalive_idle),
		 WORDS({"on", WORD_DEFAULT}, {"off", 0}), .section = &schema_keepalive,
		 .base = offsetof(struct service_config, settings)},
		{"splice", SETTING_SIZE,
		 "bytes without a pause after which they are spliced rather than copied", "64K",
		 INTO(service_config, settings.splice_after), RANGE(1 << 10, 1 << 30),
		 WORDS({"on", 64 << 10}, {"off", 0})},
		{"user_timeout", SETTING_DURATION,
		 "time that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT)", "0",
		 INTO(service_config, settings.user_timeout), RANGE(1 * MSEC, USER_TIMEOUT_MAX),
		 .zero = true, .step = MSEC},
		{"backends", SETTING_BACKENDS, "the servers, by name",
		 .required = "a service needs at least one backend", RANGE(1, BACKENDS_MAX),
		 .perhaps = true, .section = &schema_backend},
		{"tls_routes", SETTING_ROUTES,
		 "which services TLS clients go to, by what they ask for", RANGE(1, TLS_ROUTES_MAX),
		 .section = &schema_tls_route},
		{"hello", SETTING_SECTION, "how long a ClientHello is waited for, and what else",
		 .section = &schema_hello, .base = offsetof(struct service_config, settings)},
		{},
	},
};

const struct section schema_file = {
	"the file",
	(const struct setting[]){
		{"admin", SETTING_SECTION, "how lb4 is talked to", .section = &schema_admin},
		{"workers", SETTING_NUMBER, "threads that carry connections", "auto",
		 INTO(config, workers), RANGE(1, WORKERS_MAX), WORDS({"auto", 0}),
		 .at_start = true},
		{"seed", SETTING_NUMBER, "what tables are drawn from; equal on all lb4 of a fleet",
		 "0x1b4", INTO(config, seed), RANGE(0, UINT64_MAX)},
		{"max_connections", SETTING_NUMBER, "connections carried at a time", "auto",
		 INTO(config, max_connections), RANGE(1, 10000000), .zero = true, .at_start = true,
		 WORDS({"auto", 0})},
		{"max_memory", SETTING_SIZE, "memory that clients may make lb4 hold", "0",
		 INTO(config, max_memory), RANGE(16ULL << 20, 1ULL << 44), .zero = true},
		{"max_pipes", SETTING_NUMBER, "pipes that bytes are spliced through at a time",
		 "auto", INTO(config, max_pipes), RANGE(1, 65536), .zero = true, .at_start = true,
		 WORDS({"auto", MAX_PIPES_AUTO})},
		{"interfaces", SETTING_HOOKS,
		 "network interfaces at which nat rewrites packets, such as eth0",
		 RANGE(1, INTERFACES_MAX), .section = &schema_interface, .at_start = true},
		{"fastpath", SETTING_SECTION, "what nat may use", .section = &schema_fastpath},
		{"stop_timeout", SETTING_DURATION, "time that SIGTERM gives connections to finish",
		 "30s", INTO(config, stop_timeout), RANGE(1 * MSEC, DAY), .zero = true},
		{"state_file", SETTING_TEXT, "file that drains, health and the like outlive lb4 by",
		 "auto", INTO(config, state_file), RANGE(2, 255), .refuse = refuse_state_file,
		 .at_start = true},
		{"log", SETTING_SECTION, "what is logged", .section = &schema_log},
		{"services", SETTING_SERVICES, "the services, by name",
		 .required = "a configuration needs at least one service", RANGE(1, SERVICES_MAX),
		 .section = &schema_service},
		{},
	},
};

const struct section *const schema_sections[] = {
	&schema_file,
	&schema_admin,
	&schema_log,
	&schema_service,
	&schema_hash,
	&schema_source,
	&schema_check,
	&schema_passive,
	&schema_keepalive,
	&schema_proxy_in,
	&schema_backend,
	&schema_hello,
	&schema_tls_route,
	&schema_limits,
	&schema_limits_source,
	&schema_queue,
	&schema_fastpath,
	&schema_interface,
	NULL,
};

const struct setting *section_find(const struct section *s, const char *key)
{
	for (const struct setting *setting = s->settings; setting->key; setting++)
		if (!strcmp(setting->key, key))
			return setting;
	return NULL;
}

const char *words_find(const struct word *words, uint64_t value)
{
	for (; words->text; words++)
		if (words->value == value)
			return words->text;
	return NULL;
}

static const char *const synonyms[][2] = {
	{"algorithm", "balance"},
	{"bind", "listen"},
	{"frontend", "listen"},
	{"health", "check"},
	{"health_check", "check"},
	{"healthcheck", "check"},
	{"hosts", "backends"},
	{"lb_policy", "balance"},
	{"members", "backends"},
	{"method", "balance"},
	{"path", "http"},
	{"pool", "backends"},
	{"port", "listen"},
	{"retries", "tries"},
	{"servers", "backends"},
	{"targets", "backends"},
	{"threads", "workers"},
	{"upstream", "backends"},
	{"upstreams", "backends"},
	{"url", "http"},
	{"endpoints", "backends"},
	{"maxconn", "max_connections"},
	{"port", "address"},
	{"addr", "address"},
	{"command", "exec"},
	{"external", "exec"},
	{"script", "exec"},
	{"mariadb", "mysql"},
	{"postgresql", "postgres"},
	{"pgsql", "postgres"},
	{"rabbitmq", "amqp"},
	{"server_name", "sni"},
	{"server_names", "sni"},
	{"routes", "tls_routes"},
	{"sni_routes", "tls_routes"},
	{"target", "service"},
	{"slowstart", "slow_start"},
};

const char *schema_synonym(const struct section *s, const char *key)
{
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		if (!strcasecmp(key, synonyms[i][0]) && section_find(s, synonyms[i][1]))
			return synonyms[i][1];
	return NULL;
}
