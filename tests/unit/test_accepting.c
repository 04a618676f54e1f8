// SPDX-License-Identifier: BSD-2-Clause
/* How a worker accepts, up to its limits, on the fake kernel. */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "parking.h"
#include "pipe.h"
#include "socket.h"
#include "worker_private.h"

#include "test.h"

#define N_SLOTS 5000

/* A worker without thread and mailbox, which serves the bench's service. */
struct stage {
	struct bench *bench;
	struct worker *worker;
	struct connection_limit limit;
	struct mailbox reports; /* main's */
	struct budget memory;
	struct listener *listener;
	struct fake_socket *socket;
};

static struct worker *the_worker;

static struct fake_socket *client_of(uint64_t token)
{
	const struct connection *c = slots_find(&the_worker->splicer.connections,
						token_index(token), token_generation(token));

	assert_non_null(c);
	return fake_socket_of(c->side[CLIENT].fd);
}

static void on_end(struct splicer *s, const struct connection *c)
{
	struct worker *w = container_of(s, struct worker, splicer);

	(void)c;
	budget_give(w->setup.memory, CONNECTION_MEMORY);
	atomic_fetch_sub(&w->setup.limit->active, 1);
}

static unsigned n_refused;

static void on_refused(struct splicer *s, const struct service *service, int fd,
		       const struct address *client, const struct address *local,
		       enum end_reason reason)
{
	(void)s;
	assert_non_null(service);
	assert_non_null(client);
	assert_null(local);
	assert_false(fake_socket_of(fd)->closed); /* it can be asked where it was accepted */
	assert_true(end_reasons[reason].refusal);
	n_refused++;
}

static const struct splicer_events events = {.on_end = on_end, .on_refused = on_refused};

static void listen_now(struct stage *stage)
{
	stage->socket = fake_listener();
	stage->listener = slots_new(&stage->worker->listeners);
	assert_non_null(stage->listener);
	stage->listener->fd = stage->socket->fd;
	stage->listener->service = service_ref(stage->bench->service);
	stage->listener->view = snapshot_find(stage->worker->snapshot, stage->bench->service);
	stage->listener->wildcard = true;
	worker_accept_arm(stage->worker, stage->listener);
}

static int setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct bench *b = bench_new(1, 1, N_SLOTS);
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);

	assert_true(stage && w);
	stage->bench = b;
	stage->worker = the_worker = w;
	stage->limit.max = N_SLOTS;
	assert_int_equal(mailbox_init(&stage->reports, 100), 0);
	*w = (struct worker){
		.setup = {.index = 1,
			  .limit = &stage->limit,
			  .reports = &stage->reports,
			  .memory = &stage->memory},
		.ring = b->splicer.ring,
		.snapshot = b->splicer.snapshot,
		.resume_at = NSEC_NEVER,
	};
	assert_int_equal(slots_init(&w->listeners, sizeof(struct listener), 4), 0);
	assert_int_equal(splicer_init(&w->splicer, w->ring, 1, N_SLOTS, &events), 0);
	w->splicer.snapshot = w->snapshot;
	w->splicer.now = b->splicer.now;
	fake.client_of = client_of;

	listen_now(stage);
	*state = stage;
	return 0;
}

/* Rounds of the worker's loop until it would sleep. */
static void settle(struct stage *stage)
{
	struct worker *w = stage->worker;
	struct ring_completion c;
	bool awake = true;

	for (unsigned rounds = 0; awake; rounds++) {
		assert_true(rounds < 10000); /* it spins */
		awake = splicer_next(&w->splicer) <= w->splicer.now ||
			w->resume_at <= w->splicer.now;
		ring_wait(w->ring, 0);
		while (ring_next(w->ring, &c)) {
			awake = true;
			if (token_kind(c.token) == TOKEN_ACCEPT)
				worker_accepted(w, &c);
			else
				splicer_complete(&w->splicer, &c);
		}
		if (awake) {
			splicer_expire(&w->splicer);
			worker_accept_resume(w);
		}
	}
}

/* Lets time pass as the worker would, sleeping until it has to look again. */
static void pass(struct stage *stage, nsec_t delay)
{
	struct worker *w = stage->worker;
	nsec_t until = w->splicer.now + delay;

	settle(stage);
	while (w->resume_at <= until) {
		w->splicer.now = w->resume_at;
		settle(stage);
		assert_true(w->resume_at > w->splicer.now);
	}
	w->splicer.now = until;
	settle(stage);
}

/* Whatever is left ends; every connection that was let in was let out. */
static int teardown(void **state)
{
	struct stage *stage = *state;
	struct worker *w = stage->worker;

	stage->socket->n_arrived = 0;
	if (w->listeners.n_used)
		worker_listener_close(w, stage->listener);
	settle(stage);
	splicer_end_all(&w->splicer, END_STOPPED);
	settle(stage);
	assert_int_equal(w->listeners.n_used, 0);
	assert_int_equal(stage->limit.active, 0);
	assert_int_equal(counter_read(stage->bench->service->counters[1].active), 0);
	splicer_deinit(&w->splicer);
	parking_free(w->parking);
	slots_deinit(&w->listeners);
	mailbox_deinit(&stage->reports);
	free(w);
	snapshot_unref(stage->bench->splicer.snapshot);
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		backend_unref(stage->bench->backends[i]);
	assert_int_equal(stage->bench->service->refs, 1);
	service_unref(stage->bench->service);
	assert_int_equal(stage->bench->target->refs, 1);
	service_unref(stage->bench->target);
	splicer_deinit(&stage->bench->splicer);
	pipes_free(stage->bench->pipes);
	fake_close();
	free(stage->bench);
	free(stage);
	return 0;
}

static unsigned active(const struct stage *stage)
{
	assert_int_equal(stage->limit.active, splicer_active(&stage->worker->splicer));
	return stage->limit.active;
}

static uint64_t pauses(const struct stage *stage)
{
	return counter_read(stage->worker->counters.accept_pauses);
}

static void all_are_served(void **state)
{
	struct stage *stage = *state;

	stage->socket->n_arrived = 1000;
	settle(stage);
	assert_int_equal(active(stage), 1000);
	assert_true(stage->listener->multishot);
	stage->socket->n_arrived = 1;
	settle(stage);
	assert_int_equal(active(stage), 1001);
	assert_int_equal(pauses(stage), 0);
}

/* A connection is accepted where its listener is bound, or has to be asked. */
static void the_local_address_is_known(void **state)
{
	struct stage *stage = *state;
	const struct address bound = {.ip = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 443};

	stage->socket->n_arrived = 1;
	settle(stage);
	stage->listener->wildcard = false;
	stage->listener->address = bound;
	stage->socket->n_arrived = 1;
	settle(stage);
	assert_int_equal(active(stage), 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct connection *c = slots_at(&stage->worker->splicer.connections, i);

		assert_int_equal(c->local.port, i ? 443 : 80);
	}
}

static void end_one(struct stage *stage)
{
	struct connection *c;
	uint32_t i = 0;

	while (!(c = slots_at(&stage->worker->splicer.connections, i)))
		i++;
	connection_end(c, END_IDLE);
	settle(stage);
}

/* At the limit clients wait in the kernel's queue, and each end lets one in at once. */
static void the_limit_holds(void **state)
{
	struct stage *stage = *state;
	struct listener *other;
	struct fake_socket *other_socket;

	stage->limit.max = 10;
	worker_listener_close(stage->worker, stage->listener);
	settle(stage);
	listen_now(stage);
	other = stage->listener;
	other_socket = stage->socket;
	listen_now(stage);
	stage->socket->n_arrived = 30;
	settle(stage);
	other_socket->n_arrived = 1;
	settle(stage);
	assert_int_equal(other_socket->n_arrived, 1);
	other_socket->n_arrived = 0;
	worker_listener_close(stage->worker, other);
	settle(stage);
	assert_int_equal(active(stage), 10);
	assert_int_equal(stage->socket->n_arrived, 20);
	assert_int_equal(pauses(stage), 1);
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(active(stage), 10);
	for (unsigned i = 1; i <= 20; i++) {
		end_one(stage);
		assert_int_equal(active(stage), 10);
		assert_int_equal(stage->socket->n_arrived, 20 - i);
	}
	end_one(stage);
	assert_int_equal(active(stage), 9);
}

/* Room that another worker's connection left is found. */
static void others_make_room(void **state)
{
	struct stage *stage = *state;

	stage->limit.active = N_SLOTS - 1;
	stage->socket->n_arrived = 3;
	settle(stage);
	stage->limit.active -= N_SLOTS - 3;
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(stage->socket->n_arrived, 0);
	assert_int_equal(stage->limit.active, 5);
	stage->limit.active -= 2;
}

/* A multishot accept takes all there are, so near the limit it is given up. */
static void few_at_a_time_near_the_limit(void **state)
{
	struct stage *stage = *state;

	stage->socket->n_arrived = 2951;
	settle(stage);
	assert_true(stage->listener->multishot);
	stage->socket->n_arrived = 1;
	settle(stage);
	assert_int_equal(active(stage), 2952);
	assert_false(stage->listener->multishot);
	stage->socket->n_arrived = 3000;
	settle(stage);
	assert_int_equal(active(stage), N_SLOTS);
	assert_int_equal(bench_ended(stage->bench, END_RESOURCES), 0);
}

/* Without descriptors it looks again now and then, and does not spin. */
static void descriptors_run_out(void **state)
{
	struct stage *stage = *state;

	stage->socket->n_arrived = 10;
	settle(stage);
	fake.sockets_max = fake.n_open;
	stage->socket->n_arrived = 10;
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(active(stage), 10);
	assert_true(pauses(stage) > 1);
	assert_true(pauses(stage) < 100);
	assert_int_equal(counter_read(stage->worker->counters.accept_shortages), pauses(stage));
	/* Main has one word of all that, until it looks. */
	assert_int_equal(stage->reports.n_messages, 1);
	worker_trouble_seen(stage->worker);
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(stage->reports.n_messages, 2);
	fake.sockets_max = SIZE_MAX;
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(active(stage), 20);
	stage->socket->n_arrived = 10;
	settle(stage);
	assert_int_equal(active(stage), 30);
}

/* At max_memory clients wait in the kernel's queue as well, and are let in as others end. */
static void memory_is_a_limit(void **state)
{
	struct stage *stage = *state;

	stage->memory.max = 20 * CONNECTION_MEMORY;
	worker_listener_close(stage->worker, stage->listener);
	settle(stage);
	listen_now(stage);
	stage->socket->n_arrived = 30;
	settle(stage);
	assert_int_equal(active(stage), 20);
	assert_int_equal(stage->socket->n_arrived, 10);
	assert_int_equal(counter_read(stage->worker->counters.memory_pauses), 1);
	end_one(stage);
	assert_int_equal(active(stage), 20);
	assert_int_equal(stage->socket->n_arrived, 9);
	/* Others hold it: looked for now and then. */
	budget_add(&stage->memory, 5 * CONNECTION_MEMORY);
	end_one(stage);
	assert_int_equal(active(stage), 19);
	budget_give(&stage->memory, 5 * CONNECTION_MEMORY);
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(active(stage), 20);
	/* A reload takes the ceiling away. */
	stage->memory.max = 0;
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(stage->socket->n_arrived, 0);
	assert_int_equal(stage->memory.used, active(stage) * CONNECTION_MEMORY);
}

/* Who is refused takes no slot, and no room from those who are not. */
static void the_refused_cost_nothing(void **state)
{
	struct stage *stage = *state;
	struct snapshot_service *view = (struct snapshot_service *)stage->listener->view;

	n_refused = 0;
	view->settings.limits.connections = 3;
	stage->limit.max = 8;
	stage->socket->n_arrived = 1000;
	settle(stage);
	assert_int_equal(active(stage), 3);
	assert_int_equal(stage->limit.active, 3);
	assert_int_equal(stage->memory.used, 3 * CONNECTION_MEMORY);
	assert_int_equal(n_refused, 997);
	assert_int_equal(pauses(stage), 0);
	assert_int_equal(bench_ended(stage->bench, END_SERVICE_LIMIT), 997);
	assert_int_equal(counter_read(stage->bench->service->counters[1].accepted), 1000);
	end_one(stage);
	stage->socket->n_arrived = 2;
	settle(stage);
	assert_int_equal(active(stage), 3);
	assert_int_equal(n_refused, 998);
}

/* A client that is gone before it is accepted stops nothing. */
static void aborted_clients_do_not_pause(void **state)
{
	static const int errors[] = {-ECONNABORTED, -EINTR, -EAGAIN};
	struct stage *stage = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		stage->socket->inject[FAKE_ACCEPT] = errors[i];
		stage->socket->n_arrived = 1;
		settle(stage);
		assert_int_equal(active(stage), i + 1);
	}
	assert_int_equal(pauses(stage), 0);
}

/* The snapshot may lose the service before its listener is closed. */
static void nobody_is_let_in_without_a_service(void **state)
{
	struct stage *stage = *state;

	stage->listener->view = NULL;
	stage->socket->n_arrived = 5;
	settle(stage);
	assert_int_equal(active(stage), 0);
	stage->socket->n_arrived = 5;
	worker_listener_close(stage->worker, stage->listener);
	settle(stage);
	assert_int_equal(stage->limit.active, 0);
	assert_true(stage->socket->closed);
}

/*
 * More connections than there are descriptors for: those established are parked, and while those
 * that connect hold them all, accepting pauses.
 */
static void connecting_ones_hold_descriptors(void **state)
{
	enum { MANY = 200 };
	struct stage *stage = *state;
	struct worker *w = stage->worker;
	const struct fake_socket *s;

	w->parking = parking_new(N_SLOTS);
	splicer_allow_parking(&w->splicer, w->parking, 4);
	stage->limit.park_above = 4;
	stage->limit.awake_max = 8;
	stage->socket->n_arrived = MANY;
	settle(stage);
	assert_int_equal(active(stage), MANY);
	assert_int_equal(splicer_awake(&w->splicer), 4);
	assert_true(fake_n_fds() <= 1 + 2 * 4);

	stage->bench->outcome[0] = FAKE_HANG;
	stage->socket->n_arrived = MANY;
	settle(stage);
	assert_int_equal(splicer_awake(&w->splicer), 8);
	assert_int_equal(w->paused, true);

	stage->bench->outcome[0] = 0;
	for (size_t i = 0; (s = fake_socket_at(i)); i++)
		if (s->outcome == FAKE_HANG)
			fake_socket_at(i)->outcome = 0;
	pass(stage, NSEC_PER_SEC);
	assert_int_equal(active(stage), 2 * MANY);
	assert_int_equal(splicer_awake(&w->splicer), 4);
	assert_int_equal(bench_ended(stage->bench, END_RESOURCES), 0);
}

static void slots_run_out(void **state)
{
	struct stage *stage = *state;

	stage->limit.max = 3 * N_SLOTS;
	stage->socket->n_arrived = N_SLOTS + 3;
	settle(stage);
	assert_int_equal(active(stage), N_SLOTS);
	assert_int_equal(bench_ended(stage->bench, END_RESOURCES), 3);
}

/* Those already in its queue are served. */
static void a_closed_listener_serves_its_queue(void **state)
{
	struct stage *stage = *state;

	fake.race = FAKE_CANCEL_WINS;
	stage->socket->n_arrived = 5;
	worker_listener_close(stage->worker, stage->listener);
	settle(stage);
	assert_int_equal(active(stage), 5);
	assert_true(stage->socket->closed);
	assert_int_equal(stage->worker->listeners.n_used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_are_served, setup, teardown),
		cmocka_unit_test_setup_teardown(the_local_address_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(the_limit_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(others_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(few_at_a_time_near_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_is_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(the_refused_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(aborted_clients_do_not_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_let_in_without_a_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(connecting_ones_hold_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_listener_serves_its_queue, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
