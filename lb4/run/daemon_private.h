/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the daemon share; all of it runs on main. */
#pragma once

#include "daemon.h"

/* Where a target of the checker lives. */
struct target {
	uint64_t id;
	struct live_service *service;
	size_t backend; /* index */
};

/* --- daemon_stage.c: what can fail, beside what runs --- */

struct staged {
	const struct config *config;
	struct live_service **services; /* in the order of config->services */
	size_t n_services;
	unsigned n_workers;
};

/* Services with their pools and tables, without sockets. Deinit in all cases. -errno. */
int daemon_stage(struct daemon *d, const struct config *config, struct staged *ret,
		 char **ret_error);
void staged_deinit(struct staged *s);

/* Opens sockets for the addresses nobody listened at; or only sees whether that could be done. */
int daemon_stage_listeners(struct daemon *d, struct staged *s, char **ret_error);
int daemon_try_listeners(struct daemon *d, const struct config *config, char **ret_error);

/* Of any service that runs: an address belongs to one. NULL: nobody listens there. */
struct live_listener *daemon_find_listener(const struct daemon *d, const struct address *address,
					   struct live_service **ret_service);

/* --- daemon_apply.c: making a configuration hold --- */

/*
 * Makes `config` hold, all or nothing; on success the daemon owns it, and *ret (unless `ret` is
 * NULL) tells what that has changed. Workers run already. -errno with a sentence in *ret_error.
 */
int daemon_apply(struct daemon *d, struct config *config, struct plan **ret, char **ret_error);

/* --- daemon_plan.c: what staged parts change of what runs --- */

int daemon_plan_staged(const struct daemon *d, const struct staged *staged, struct plan **ret);

/* --- daemon_operate.c: what operators ask for --- */

#define DAEMON_LEFT_TEXT_MAX 80

/* How many connections would end with lb4, and in words whether there may be others. */
uint64_t daemon_print_left(const struct daemon *d, char ret[DAEMON_LEFT_TEXT_MAX]);

/* --- daemon_tell.c: what a reload has changed --- */

/* Events for what the services now have that `old` had not, and the other way round. */
void daemon_tell_changes(struct daemon *d, struct live_service *const *old, size_t n_old);

/* --- live.c: services and backends --- */

/*
 * A service as `config` wants it, taking over what `old` (or NULL) knows of it by name. Its pool has
 * decided already, so that its table is the one that will hold; it is left empty when the old one
 * can stay as it is. No sockets yet. -errno.
 */
int live_service_new(struct daemon *d, const struct service_config *config, uint64_t seed,
		     struct live_service *old, struct live_service **ret);
struct live_service *live_service_free(struct live_service *s, unsigned n_workers);

/*
 * Makes `s` have exactly the given backends, taking over by name. For changes at run time. -ENOMEM:
 * nothing has changed.
 */
int live_service_set_backends(struct daemon *d, struct live_service *s,
			      const struct backend_config *backends, size_t n);

/* Gives the pool whose members they are the word of health. */
void live_backends_tell_pool(const struct live_backend *backends, struct pool *pool);

/* --- live_recall.c: what a process before knew of a service --- */

/*
 * A service that live_service_new() can take over from as if it had run: of the backends `config`
 * has, those that `saved` knows. Its pool has no table. Verdicts are believed while they are
 * `fresh`. -ENOMEM.
 */
int live_service_recall(struct daemon *d, const struct service_config *config,
			const struct state_service *saved, bool fresh, struct live_service **ret);

/* --- daemon_recall.c: beginning with what a process before has kept --- */

/*
 * Takes the state file that `config` names and makes the services that it knows those that run, for
 * daemon_apply() to take over from. Whatever is wrong with it is told, and no reason not to start.
 */
void daemon_recall(struct daemon *d, const struct config *config);

/* Gives the service the backends that it is to begin with, if the file's are not it. */
void daemon_recalled_backends(const struct daemon *d, size_t service,
			      struct service_config *config);
void daemon_forget_recalled(struct daemon *d);

/* --- daemon_state.c: keeping what outlives lb4 --- */

void daemon_state_start(struct daemon *d);
void daemon_state_stop(struct daemon *d); /* writes it a last time */

/* Something that is kept has changed: it is written soon. */
void daemon_state_changed(struct daemon *d);

/* Readable when the writer has something to tell; −1: there is none. */
int daemon_state_fd(const struct daemon *d);
void daemon_on_written(struct daemon *d);
nsec_t daemon_state_deadline(const struct daemon *d);
void daemon_state_on_time(struct daemon *d);

/* --- daemon_publish.c: what workers and the checker are told --- */

/* Builds a snapshot and gives it to every worker. When memory is short, the loop tries again. */
void daemon_publish(struct daemon *d);

/* Tells the checker whom to probe. When memory is short, the loop tries again. */
void daemon_set_targets(struct daemon *d);

/* Tells every worker. */
void daemon_leave_backend(struct daemon *d, struct backend *b, enum end_reason reason);

/* --- daemon_health.c: who is eligible --- */

/* Carries out what the checker and the workers have reported. */
void daemon_take_reports(struct daemon *d);

/*
 * Clients' connections speak against the backend, so many in a row, the last with `error` (a
 * positive errno). What becomes of that is decided at the end of the round.
 */
void daemon_on_evidence(struct daemon *d, const struct backend *b, uint64_t consecutive, int error);

/* Lets the pool decide, tells workers whom to leave, and wants a snapshot when the table is new. */
void daemon_update_pool(struct daemon *d, struct live_service *s);

/* Whether its connections fare as on_down says. */
bool daemon_is_left(const struct live_backend *b, const struct pool_member *m);

void daemon_tell_slots(struct daemon *d, const struct live_service *s, uint64_t moved,
		       bool rebuilt);

/* Carries out what is due by time, and finds the next deadline. */
void daemon_on_time(struct daemon *d);
void daemon_lower_deadline(struct daemon *d, nsec_t deadline);

/* --- daemon_watch.c: what nobody tells main, so that it has to look --- */

/* An operator drains a backend, or no longer does. */
void daemon_watch_drain(struct daemon *d, struct live_backend *b, bool draining);

/* Looks whether it has finished, when that is due; lowers the deadline. */
void daemon_look_at_drain(struct daemon *d, const struct live_service *s, struct live_backend *b);

/* A worker has said that something went wrong; and looking what, when that is due. */
void daemon_on_trouble(struct daemon *d);
void daemon_look_at_trouble(struct daemon *d);

uint64_t daemon_active(const struct backend *b);

/* --- */

/* A sentence for the operator; returns `error`. */
int daemon_refuse(char **ret_error, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
