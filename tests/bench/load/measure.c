// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "options.h"

#define TOLD_MAX 5

struct measure measure;

void measure_start(const struct options *o)
{
	measure.options = o;
	measure.opens_at = clock_now() + o->warmup;
}

bool measure_goes_on(nsec_t now)
{
	if (measure.errors >= ERRORS_MAX)
		return false;
	if (measure.window == WINDOW_BEFORE && now >= measure.opens_at) {
		sample_take(&measure.begin, measure.options);
		measure.closes_at = measure.begin.at + measure.options->seconds;
		measure.window = WINDOW_OPEN;
	} else if (measure.window == WINDOW_OPEN && now >= measure.closes_at) {
		sample_take(&measure.end, measure.options);
		measure.window = WINDOW_OVER;
	}
	return measure.window != WINDOW_OVER;
}

int measure_wait_ms(nsec_t now)
{
	nsec_t next = measure.window == WINDOW_BEFORE ? measure.opens_at : measure.closes_at;

	return next > now ? (int)((next - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
}

void measure_error(const char *what, int error)
{
	if (measure.errors++ < TOLD_MAX)
		fprintf(stderr, "lb4-load: %s%s%s\n", what, error ? ": " : "",
			error ? strerror(error) : "");
}

static double microseconds(nsec_t t)
{
	return (double)t / (double)NSEC_PER_USEC;
}

static void print_latency(const struct histogram *h)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		printf(", \"%s_us\": %.2f", quantiles[i].name,
		       microseconds(histogram_quantile(h, quantiles[i].q)));
	printf(", \"max_us\": %.2f", microseconds(h->max));
}

int measure_print(uint64_t starved)
{
	const struct histogram *h = &measure.latency;
	nsec_t wall = measure.end.at - measure.begin.at;

	printf("{\"operations\": %" PRIu64 ", \"errors\": %" PRIu64, h->total, measure.errors);
	if (measure.window == WINDOW_OVER) {
		printf(", \"starved\": %" PRIu64 ", \"rate\": %.2f", starved,
		       (double)h->total * (double)NSEC_PER_SEC / (double)(wall ? wall : 1));
		print_latency(h);
		printf(", ");
		sample_print(&measure.begin, &measure.end, measure.options);
	}
	printf("}\n");
	return measure.errors || measure.window != WINDOW_OVER;
}
