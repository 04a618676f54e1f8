/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: what main owns. One thread, one loop. It holds the running configuration as live
 * services and backends, hears what the checker and the workers report, decides who is eligible,
 * publishes snapshots, and carries out what operators ask. All functions here run on main; the
 * control API calls them and reads the structs, and changes them only through these functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"
#include "budget.h"
#include "config.h"
#include "events.h"
#include "health.h"
#include "mailbox.h"
#include "pool.h"
#include "snapshot.h"
#include "state.h"
#include "state_writer.h"
#include "supervision.h"

struct access;
struct checker;
struct control;
struct forwarding;
struct line_writer;
struct plan;
struct target;
struct worker;

/* Shared by all workers: accepting pauses while `active` is not below `max`. */
struct connection_limit {
	_Atomic uint32_t active;
	uint32_t max;
	uint32_t park_above, awake_max; /* of each worker; see struct capacity */
	uint64_t descriptors;		/* RLIMIT_NOFILE */
	uint32_t pipes;			/* of all workers together */
};

/*
 * By which workers wake each other without a message: a backend has room for somebody's connection.
 * Main's, since it outlives them.
 */
struct worker_bell {
	_Atomic bool rung; /* and not yet heard */
	int fd;		   /* an eventfd; −1: none */
};

/* Which connection lines are written; main writes, workers read. */
struct line_policy {
	_Atomic enum log_connections connections;
	_Atomic uint32_t sample; /* 1 in so many */
};

/* A backend of the running configuration; pool.members[i] of its service is its other half. */
struct live_backend {
	struct backend *backend;      /* identity, address, counters */
	struct backend_config config; /* as it runs; the name is the backend's */
	struct backend_health health;
	uint64_t target_id; /* names it to the checker … */
	enum forward_kind
		check_path; /* … whose probes go like that, if it is dsr; else straight … */
	uint64_t check_key; /* … since this stood for the path that they could take */
	/* When its connections are reset; NSEC_NEVER: they may finish. */
	nsec_t drain_deadline; /* an operator drains it */
	nsec_t down_deadline;  /* it was ejected, with on_down: drain */
	nsec_t drain_begun;    /* by an operator */
	nsec_t drain_look; /* when to look whether it has finished; NSEC_NEVER: it has, or none */
	bool is_new;	   /* came with the last change of its service */
	bool was_left;	   /* when its connections were last told */
	bool verdict_kept; /* health.verdict is of a process before; the checker begins with it */
	enum backend_told told;
	nsec_t out_since; /* when it was told that it went down, or it came */
};

/* One address of a service and its listening sockets, one a worker. */
struct live_listener {
	struct address address;
	int *fds; /* `n_workers` of them; −1 once a worker has taken it */
	uint64_t id;
	bool moved; /* from another service, which the workers are still to be told */
};

struct live_service {
	struct service *service; /* identity and counters */
	struct service_settings settings;
	struct access *access; /* of settings.allow and deny; NULL: everybody */
	struct check_config check;
	struct tls_routes *tls_routes; /* NULL: none */
	struct live_listener *listeners;
	size_t n_listeners;
	struct pool pool;
	struct live_backend *backends; /* in the order of pool.members */
	size_t n_backends;
	bool update_wanted; /* its pool has heard news */
	bool brake_told;    /* the state of the brake that the last event told */
	bool backups_told;  /* it was told that backups are in service */
	bool deserted_told; /* it was told that nobody is eligible */
};

/* The state file; see daemon_state.c. */
struct state_keeping {
	char *path;		     /* NULL: no state is kept … */
	char *why_not;		     /* … and why; NULL: nobody wants it */
	struct state_file file;	     /* until the writer has it */
	struct state_writer *writer; /* NULL: not yet, or no state is kept */
	bool changed;		     /* what is kept is older than what runs */
	nsec_t not_before;	     /* when it may be given to the writer again */
	uint64_t n_given;
	struct state_written written;

	/* Between reading and applying: the backends that each service of the file begins with. */
	struct recalled_service {
		struct backend_config *backends;
		size_t n_backends;
	} * recalled;
	size_t n_recalled;

	struct restored {
		bool done;
		nsec_t age; /* since the process before was last known to be alive */
		uint64_t services, backends, dropped;
	} restored;
};

struct daemon {
	struct config *config; /* as last loaded; owns the texts of the settings */
	char *config_path;     /* NULL in quick mode */
	unsigned n_workers;
	struct worker **workers;
	struct checker *checker;
	struct control *control;
	struct forwarding *forwarding; /* NULL: the configuration names no interfaces */
	struct mailbox reports;	       /* from checker and workers */
	struct live_service **services;
	size_t n_services;
	struct snapshot *snapshot; /* what the workers obey */
	bool publish_wanted;	   /* a table or a setting is newer than what workers obey */
	bool targets_wanted;	   /* backends or checks are newer than what the checker knows */
	struct target *targets;	   /* what the checker reports about, sorted by id */
	size_t n_targets;
	uint64_t next_id;
	nsec_t now;	 /* of this round of the loop */
	nsec_t deadline; /* when daemon_on_time() has something to do, or earlier */
	struct connection_limit limit;
	struct budget memory;	   /* what clients make all workers hold, and max_memory */
	struct worker_bell *bells; /* one a worker */
	uint64_t secret;	   /* keys tables that clients must not aim at */
	struct line_policy line_policy;
	struct line_writer *lines;
	unsigned n_workers_running;
	nsec_t started_at;   /* monotonic */
	nsec_t started_wall; /* wall clock */
	uint64_t n_reloads, n_snapshots;
	char *reload_error;   /* of the last reload, NULL when it succeeded */
	nsec_t stop_deadline; /* NSEC_NEVER while running */
	bool stopping;
	struct state_keeping keeping;
	struct events events;
	struct supervision supervision;
	struct trouble {
		uint64_t accept_pauses, accept_shortages, lines_dropped; /* as last told */
		nsec_t look;	   /* when to look again; 0: when there is word of it */
		nsec_t not_before; /* so that what goes on is not told again and again */
	} trouble;		   /* of all workers */
};

/*
 * Operators' requests. Failures are -errno with one sentence for the operator in *ret_error (to be
 * freed): -ENOENT no such service or backend, -EEXIST the name or address is taken, -EINVAL bad
 * value, -EPERM refused without force, -ESHUTDOWN lb4 is stopping, -EADDRINUSE and the like from
 * bind(2), -ENOMEM. A failed request has changed nothing.
 */

/*
 * Reads the configuration file again and makes it hold, all or nothing; *ret tells what that has
 * changed. A file with faults gives -EINVAL and the faults in *ret_errors (deinit in all cases).
 * Without `force` a file that removes more than half of a service's backends, or a whole service, is
 * refused with -EPERM.
 */
int daemon_reload(struct daemon *d, bool force, struct plan **ret, struct config_errors *ret_errors,
		  char **ret_error);

/* What a reload would change if the file were `config`. Changes nothing. */
int daemon_plan(struct daemon *d, const struct config *config, struct plan **ret, char **ret_error);

/*
 * Writes what was changed at run time into the configuration file; afterwards the file says what
 * runs. With `dry_run` nothing is written: *ret tells what would be.
 */
struct saved {
	char *diff;	   /* of the file, for people; "" when there is nothing to save */
	char *text;	   /* all of the file as it is now, or would be */
	size_t n_backends; /* whose lines have changed */
};
int daemon_save(struct daemon *d, bool dry_run, struct saved *ret, char **ret_error);
void saved_deinit(struct saved *s);

/* Whether the file is another than the one that was loaded, or gone; false without one. */
bool daemon_file_differs(const struct daemon *d);

int daemon_add_backend(struct daemon *d, const char *service, const char *name, const char *address,
		       uint32_t weight, bool backup, char **ret_error);

/* Its connections may finish. */
int daemon_remove_backend(struct daemon *d, const char *service, const char *name,
			  char **ret_error);
int daemon_set_weight(struct daemon *d, const char *service, const char *name, uint32_t weight,
		      char **ret_error);

/*
 * `drain_timeout` counts for ADMIN_DRAINING: after it the remaining connections are reset;
 * 0: the service's drain_timeout.
 */
int daemon_set_admin(struct daemon *d, const char *service, const char *name,
		     enum admin_state state, nsec_t drain_timeout, char **ret_error);

/*
 * Has what runs written to the state file. The number by which daemon_is_kept() knows whether that
 * has come to an end; 0: no state is kept.
 */
uint64_t daemon_keep(struct daemon *d);
bool daemon_is_kept(const struct daemon *d, uint64_t number);

/* Why the last attempt to write it failed, as a sentence in `buffer`; NULL: it did not. */
char *daemon_unkept_why(const struct daemon *d, char *buffer, size_t size);

/* Accepts nothing more and ends when the connections have, or after `timeout`. */
void daemon_stop(struct daemon *d, nsec_t timeout);

/* NULL when there is none of that name. */
struct live_service *daemon_find_service(const struct daemon *d, const char *name);
struct live_backend *live_service_find_backend(const struct live_service *s, const char *name);

/* A connection as a worker told it. */
struct connection_info {
	uint64_t id;	   /* unique in this process */
	const char *state; /* "queued", "connecting", "established", "half-closed", "ending" */
	struct service *service; /* referenced */
	struct backend *backend; /* referenced, or NULL while none is chosen */
	struct service *via;	 /* referenced: the service whose route led here; or NULL */
	char *sni;		 /* the server name its ClientHello asked for; or NULL */
	struct address client, peer, local;
	const char *relay; /* how its bytes are moved: "copy" or "splice"; NULL: a flow of nat … */
	unsigned worker;   /* … which no worker has */
	unsigned tries;
	nsec_t age, idle;
	uint64_t bytes_in, bytes_out;
};

/*
 * Asks every worker for up to `n_max` of its connections, of `service` or (NULL) of all, and adds as
 * many flows of nat. The
 * caller owns *ret (connection_infos_free). Waits for the workers, which answer within
 * milliseconds; -ETIMEDOUT when one does not answer within a second.
 */
int daemon_connections(struct daemon *d, const char *service, size_t n_max,
		       struct connection_info **ret, size_t *ret_n);
void connection_infos_free(struct connection_info *infos, size_t n);

/*
 * The choice for a connection from `client` to `local`, as a worker would make it now. Where the
 * service does not hash there is neither hash nor slot nor owner. In turn, candidates are those of
 * the first worker; else they come by load, those that are equal in no particular order.
 */
struct daemon_explanation {
	enum balance_kind balance;
	uint32_t slot;
	uint64_t hash;
	uint16_t owner;		/* of the slot in the base table; index into backends */
	bool owner_waits;	/* its slow start has not come to this slot */
	uint16_t candidates[8]; /* in the order they would be tried */
	uint32_t loads[8];	/* connections that each candidate has */
	size_t n_candidates;
	uint16_t next[WORKERS_MAX]; /* round robin: whose turn it is, of each worker */
	unsigned n_next;
};
int daemon_explain(const struct daemon *d, const struct live_service *s,
		   const struct address *client, const struct address *local,
		   struct daemon_explanation *ret);

/* Runs until stopped. The daemon owns `config`. Exit status for main(). */
int daemon_run(struct config *config, const char *config_path);
