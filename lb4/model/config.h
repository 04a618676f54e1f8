/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration: what lb4.yaml(5) says, checked and with defaults filled in. Built by one
 * thread, read-only afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "clock.h"
#include "log.h"
#include "prefix_list.h"
#include "proxy_header.h"

#define NAME_LENGTH_MAX                                                                            \
	63 /* of a service or backend: letters, digits, '-', '_', '.';
			       the first a letter, digit or '_' */
#define WORKERS_MAX	    64
#define SERVICES_MAX	    1024
#define BACKENDS_MAX	    4096 /* of one service; a table entry has 16 bits */
#define LISTEN_MAX	    64	 /* addresses of one service */
#define WEIGHT_MAX	    65535
#define RULES_MAX	    65536 /* prefixes of one allow or deny */
#define CHECK_PAYLOAD_MAX   4096
#define CHECK_ARGUMENTS_MAX 64 /* of a program, its path included */
#define INTERFACES_MAX	    16
#define NAT_PORTS_MIN	    1000 /* and as many connections to one backend */

#define TLS_ROUTES_MAX		4096 /* of one service */
#define TLS_NAMES_MAX		4096 /* of one route */
#define TLS_PROTOCOLS_MAX	64   /* different ones in a service's routes; a set is a word */
#define TLS_PROTOCOL_LENGTH_MAX 255
#define HELLO_BYTES_MAX		32768 /* what is held of a client before a backend is chosen */

enum check_kind {
	CHECK_NONE,
	CHECK_TCP,	   /* the handshake completes */
	CHECK_HTTP,	   /* a GET is answered with an expected status and body */
	CHECK_SEND_EXPECT, /* bytes are sent, bytes are expected back */
	CHECK_REDIS,	   /* PING is answered with PONG */
	CHECK_POSTGRES,	   /* an SSLRequest is answered with S or N */
	CHECK_MYSQL,	   /* a greeting, and an answer to a login */
	CHECK_MEMCACHED,   /* `version` is answered */
	CHECK_AMQP,	   /* a protocol header is answered with Connection.Start */
	CHECK_SMTP,	   /* a greeting with 220 */
	CHECK_EXEC,	   /* a program exits with 0 */
};

struct check_config {
	enum check_kind kind;
	nsec_t interval;      /* while the verdict is certain; default 2s */
	nsec_t fast_interval; /* while in doubt; default interval / 4, at least 10ms */
	nsec_t timeout;	      /* of one probe, connect included; at most interval; default 1s */
	unsigned rise, fall;  /* consecutive results that change the verdict; default 2 and 3 */

	/* CHECK_HTTP */
	char *http_path;		 /* "/healthz" */
	char *http_host;		 /* the Host header; NULL: the backend's address */
	unsigned status_min, status_max; /* default 200 to 399 */
	char *http_body;		 /* substring expected in the body, or NULL */

	/* CHECK_SEND_EXPECT; at least one of them is not empty */
	uint8_t *send, *expect;
	size_t send_size, expect_size;

	char *mysql_user; /* CHECK_MYSQL; NULL: "lb4" */
	char **exec;	  /* CHECK_EXEC: path and arguments, a text_list */

	/* Where the probe goes, instead of the backend's own address and port. */
	struct address address; /* without a port; the wildcard: not given */
	unsigned port;		/* 0: not given */

	/* The PROXY header before anything else; the default follows proxy_out of the service, unless
	 * the probe goes elsewhere. Never CHECK_PROXY_AUTO in a configuration that was read. */
	enum proxy_version proxy;
};
#define CHECK_PROXY_AUTO ((enum proxy_version)3)

/* Evidence from connections that clients made. */
struct passive_config {
	bool enabled;	 /* default true */
	unsigned fall;	 /* consecutive failed connects or instant resets that eject; default 3 */
	nsec_t hold;	 /* first ejection lasts at least this long; doubles; default 2s */
	nsec_t hold_max; /* default 60s */
};

enum balance_kind {
	BALANCE_MAGLEV,		   /* by a hash of the connection, from a table */
	BALANCE_LEAST_CONNECTIONS, /* who has the fewest connections for its weight */
	BALANCE_ROUND_ROBIN,	   /* in turn */
	BALANCE_TWO_CHOICES,	   /* the less loaded of two drawn by weight */
};

enum hash_kind {
	HASH_CONNECTION, /* both addresses and both ports */
	HASH_SOURCE,	 /* the client's address alone, masked */
};

/* How a connection gets to its backend. */
enum forward_kind {
	FORWARD_SPLICE, /* a worker accepts it, connects and relays */
	FORWARD_NAT,	/* its packets are rewritten where they come in */
	/* Direct server return: what clients send goes to backends that hold the address … */
	FORWARD_DSR_L2,	  /* … as it is, on a link that lb4 is on too */
	FORWARD_DSR_IPIP, /* … in packets of IP in IP */
	FORWARD_AUTO, /* only while a file is read: nat where that takes nothing away, else splice */
};

static inline bool forward_is_dsr(enum forward_kind kind)
{
	return kind == FORWARD_DSR_L2 || kind == FORWARD_DSR_IPIP;
}

enum on_down {
	ON_DOWN_DRAIN, /* connections of a failed backend may finish, for drain_timeout */
	ON_DOWN_RESET, /* they are reset at once */
	ON_DOWN_KEEP,  /* they are left alone */
};

enum hello_error {
	HELLO_ERROR_REFUSE,  /* they are reset */
	HELLO_ERROR_DEFAULT, /* they go to the service's own backends */
};

enum fail_mode {
	FAIL_OPEN,   /* past max_eject further failed backends stay in use */
	FAIL_CLOSED, /* they are ejected all the same; with none left clients are reset */
};

/* What a service lets in; 0: no such limit. */
struct limits_config {
	uint32_t connections;	     /* at a time */
	uint32_t rate;		     /* new ones a second */
	uint32_t source_connections; /* of one source at a time */
	uint32_t source_rate;
	uint8_t source_ipv4, source_ipv6; /* bits that make a source; default 32 and 64 */
};

struct service_settings {
	enum forward_kind forward;
	enum balance_kind balance;
	enum hash_kind hash;
	uint8_t mask_ipv4, mask_ipv6; /* prefix lengths for HASH_SOURCE; default 32 and 128 */
	uint32_t table_size;	      /* one of maglev_sizes[]; default 65537 */
	enum on_down on_down;
	unsigned max_eject_percent; /* default 50 */
	enum fail_mode fail;
	nsec_t slow_start; /* from the first part of its weight to all of it; 0: none; default 0 */
	struct passive_config passive;
	struct prefix_list *allow, *deny; /* who may connect; NULL: no such list */
	struct limits_config limits;
	uint32_t
		queue_length; /* connections that may wait for a full backend; 0: none; default 0 */
	nsec_t queue_timeout; /* … and for how long; default 5s */

	nsec_t connect_timeout;	    /* of one try; at most connect_budget; default 1s */
	nsec_t connect_budget;	    /* of all tries; default 5s */
	unsigned tries;		    /* candidates tried, the first included; default 3, at most 8 */
	nsec_t idle_timeout;	    /* no byte either way; 0: none; default 1h */
	nsec_t half_closed_timeout; /* no byte since one side said FIN; 0: none; default 1h */
	nsec_t lifetime;	    /* of a connection; 0: none; default 0 */
	nsec_t drain_timeout;	    /* of a draining backend's connections; 0: none; default 0 */

	/* proxy_in: whose headers are believed, and needed; NULL: there is no such header. Counted:
	 * settings are passed on with service_settings_ref(). */
	struct prefix_list *proxy_from;
	nsec_t proxy_timeout;	      /* for the header to come; default 3s */
	enum proxy_version proxy_out; /* the header that backends get; default none */

	/* What backends are connected from: an address of the list (counted, as above), the client's
	 * own, or what the kernel chooses. */
	struct prefix_list *source_addresses;
	bool transparent;

	/* What clients of a service with tls_routes say first. */
	nsec_t hello_timeout;		 /* default 3s */
	uint32_t hello_bytes;		 /* default 16384, at most HELLO_BYTES_MAX */
	enum hello_error hello_on_error; /* default HELLO_ERROR_REFUSE */

	nsec_t keepalive_idle;	   /* 0: keepalive off; default 60s */
	nsec_t keepalive_interval; /* default 10s */
	unsigned keepalive_count;  /* default 6 */
	/* Bytes without a pause after which they are spliced, not copied; 0: never; default 64K. */
	uint32_t splice_after;
	nsec_t user_timeout; /* TCP_USER_TIMEOUT; 0, the default: the kernel's patience */
};

/* TCP keepalive as the kernel takes it. */
struct keepalive {
	uint16_t idle, interval; /* seconds; idle 0: off */
	uint16_t count;
};

static inline struct keepalive keepalive_of(const struct service_settings *s)
{
	return (struct keepalive){
		.idle = (uint16_t)(s->keepalive_idle / NSEC_PER_SEC),
		.interval = (uint16_t)(s->keepalive_interval / NSEC_PER_SEC),
		.count = (uint16_t)s->keepalive_count,
	};
}

struct backend_config {
	char *name;
	struct address address;
	uint32_t weight;	  /* 0 .. WEIGHT_MAX; 0 takes no new connections; default 1 */
	uint32_t max_connections; /* 0, the default: any number */
	bool backup;		  /* used only when no other backend is eligible */
};

/* Which clients go to another service; at least one of `sni` and `alpn` is there. */
struct tls_route_config {
	char **sni;	 /* a text list; NULL: any name, or none */
	char **alpn;	 /* a text list; NULL: any protocols, or none */
	char *service;	 /* its name */
	uint32_t target; /* and its index in the configuration */
};

struct service_config {
	char *name;
	struct address *listen; /* none only when another service routes here */
	size_t n_listen;
	struct service_settings settings;
	struct check_config check;
	struct backend_config *backends; /* in the order of the file; none only with routes */
	size_t n_backends;
	struct tls_route_config *tls_routes; /* in the order of the file */
	size_t n_tls_routes;
};

enum log_connections {
	LOG_CONNECTIONS_OFF,
	LOG_CONNECTIONS_FAILED, /* only those that did not end by FIN from both sides */
	LOG_CONNECTIONS_ALL,
};

/* Where the program of the fast path sits at an interface. */
enum hook_wish {
	HOOK_AUTO, /* as its driver suggests */
	HOOK_TC,
	HOOK_XDP,
};

struct interface_config {
	char *name;
	enum hook_wish hook;
};

/* Of max_pipes: follows from the limit of descriptors. */
#define MAX_PIPES_AUTO UINT32_MAX

struct config {
	char *socket_path;	  /* default /run/lb4/lb4.sock */
	unsigned workers;	  /* 0: one per CPU of the affinity mask */
	uint64_t seed;		  /* default 0x1b4: equal files give equal tables everywhere */
	uint32_t max_connections; /* 0: as many as RLIMIT_NOFILE carries */
	uint32_t max_pipes;	  /* of all workers together; default MAX_PIPES_AUTO */
	uint32_t max_flows;	  /* of nat at a time; default 262144 */
	uint16_t nat_port_low;	  /* what nat sends to backends from; default 10000 … */
	uint16_t nat_port_high;	  /* … to 29999 */
	char *pins;		  /* directory of a BPF file system; default /sys/fs/bpf/lb4 */
	char *state_file;	  /* a path, "off", or "auto", the default */
	uint64_t max_memory;	  /* bytes that clients may make lb4 hold; 0, the default: any */
	nsec_t stop_timeout;	  /* what SIGTERM lets connections take to finish; default 30s */
	enum log_level log_level;
	enum log_connections log_connections; /* default all */
	uint32_t log_sample;		      /* 1 in N of those; default 1 */
	struct service_config *services;      /* in the order of the file */
	size_t n_services;
	struct interface_config *interfaces; /* where nat rewrites packets */
	size_t n_interfaces;		     /* 0: nowhere */
	char *text;			     /* what all of it was read from */
	size_t text_size;
};

/* One thing wrong with a file. */
struct config_error {
	unsigned line, column; /* 1-based; 0 when it concerns the whole file */
	char *message;	       /* what was found and what was expected */
	char *hint;	       /* what to do, such as «did you mean "listen"?», or NULL */
};

struct config_errors {
	struct config_error *errors; /* in the order of the file */
	size_t n_errors;
};

void config_errors_deinit(struct config_errors *e);

/*
 * Parses YAML text of `size` bytes. On success returns 0 and the caller owns *ret. A text with
 * faults gives -EINVAL and every fault in *ret_errors (owned by the caller, to be deinited in all
 * cases); -ENOMEM as it says.
 */
int config_parse(const char *text, size_t size, struct config **ret,
		 struct config_errors *ret_errors);

/* A configuration with defaults and no services. NULL when memory is short. */
struct config *config_new(void);
struct config *config_free(struct config *c);
void config_freep(struct config **c);

/*
 * The quick mode of lb4(8): one service named "default" with `n_listen` listen texts, backends
 * named b1, b2, … and an optional check: a word of the file, such as "redis", or "http:/path".
 * Returns as config_parse().
 */
int config_quick(const char *const *listens, size_t n_listen, const char *const *backends,
		 size_t n_backends, const char *check, struct config **ret,
		 struct config_errors *ret_errors);

/* NULL when there is none of that name. */
const struct service_config *config_find_service(const struct config *c, const char *name);
const struct backend_config *service_config_find_backend(const struct service_config *s,
							 const char *name);

/*
 * The same for whoever looks for one after the other in nearly the order of the file, so that each is
 * where the last one was, which *hint remembers: thousands are not compared each with each.
 */
const struct backend_config *service_config_find_near(const struct service_config *s,
						      const char *name, size_t *hint);

/* Reads one backend as an operator gives it at run time; faults as one sentence in *ret_error. */
int backend_config_parse(const char *name, const char *address, uint32_t weight,
			 struct backend_config *ret, char **ret_error);
void backend_config_deinit(struct backend_config *b);

/* A copy that holds what it points to. Unref leaves defaults behind: nothing. */
struct service_settings service_settings_ref(const struct service_settings *s);
void service_settings_unref(struct service_settings *s);

/* The address that a check of the backend at `backend` probes. */
struct address check_config_target(const struct check_config *c, const struct address *backend);

/* Equal checks of equal targets are one probe, so that where they go does not count here. */
bool check_config_equal(const struct check_config *a, const struct check_config *b);
int check_config_copy(const struct check_config *from, struct check_config *ret);
void check_config_deinit(struct check_config *c);

/* The words of lb4.yaml(5); NULL past the last value. */
const char *check_kind_name(enum check_kind kind);
const char *balance_kind_name(enum balance_kind kind);
const char *forward_kind_name(enum forward_kind kind);

/* What keeps packets to `listen` from getting to such a backend, as in "forward: nat …"; NULL:
 * nothing. */
const char *forward_unfit(enum forward_kind kind, const struct address *listen,
			  const struct address *backend);
const char *hash_kind_name(enum hash_kind kind);
const char *on_down_name(enum on_down on_down);
const char *fail_mode_name(enum fail_mode fail);
const char *proxy_version_name(enum proxy_version version);
const char *hello_error_name(enum hello_error on_error);
