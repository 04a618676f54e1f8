// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>

#include "figures.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void figures_sort(struct figures *f)
{
	for (size_t i = 0; i < f->n_series; i++) {
		qsort(f->series[i].net, f->rounds, sizeof(double), compare);
		qsort(f->series[i].gross, f->rounds, sizeof(double), compare);
	}
}

static double median(const double *sorted, unsigned n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/*
 * Times the MAC swap at the same hook, with the writing of the packet in both: what a swap takes by
 * itself is too little to compare with.
 */
static double swaps(const struct figures *f, const struct series *s)
{
	const struct packet_case *swap = case_swap(s->of);
	double of_swap = 0;

	for (size_t i = 0; i < f->n_series; i++)
		if (f->series[i].of == swap)
			of_swap = median(f->series[i].gross, f->rounds);
	return of_swap > 0 ? median(s->gross, f->rounds) / of_swap : 0;
}

static const char *verdict(const struct packet_case *c, double net)
{
	if (c->goal == 0)
		return "";
	return net <= c->goal ? "met" : "missed";
}

void figures_print(const struct figures *f, FILE *to)
{
	fprintf(to, "%-52s %7s %17s %7s %7s  %s\n", "", "ns", "min – max", "swaps", "gross",
		"goal");
	for (size_t i = 0; i < f->n_series; i++) {
		const struct series *s = &f->series[i];
		double net = median(s->net, f->rounds);

		fprintf(to, "%-52s %7.1f %7.1f – %7.1f %7.1f %7.1f", s->of->name, net, s->net[0],
			s->net[f->rounds - 1], swaps(f, s), median(s->gross, f->rounds));
		if (s->of->goal > 0)
			fprintf(to, "  ≤ %.0f: %s", s->of->goal, verdict(s->of, net));
		fprintf(to, "\n");
	}
	if (!f->begun)
		return;
	fprintf(to,
		"%u flows were begun, %u found no room; the tables take %.0f MiB, %.0f bytes a "
		"flow\n"
		"all closed, and walked over in %.1f ms: %ju places are left taken\n",
		f->begun, f->homeless, (double)f->memory / (1 << 20), (double)f->memory / f->begun,
		(double)f->walk / NSEC_PER_MSEC, (uintmax_t)f->left);
}

static void print_json_series(const struct figures *f, const struct series *s, FILE *to)
{
	double net = median(s->net, f->rounds);

	fprintf(to,
		"  {\"name\": \"%s\", \"ns\": {\"median\": %.2f, \"min\": %.2f, \"max\": %.2f}, "
		"\"gross_ns\": %.2f, \"swaps\": %.2f, \"goal_ns\": %.0f, \"verdict\": \"%s\"}",
		s->of->name, net, s->net[0], s->net[f->rounds - 1], median(s->gross, f->rounds),
		swaps(f, s), s->of->goal, verdict(s->of, net));
}

void figures_print_json(const struct figures *f, FILE *to)
{
	fprintf(to, "{\"rounds\": %u, \"cases\": [\n", f->rounds);
	for (size_t i = 0; i < f->n_series; i++) {
		print_json_series(f, &f->series[i], to);
		fputs(i + 1 < f->n_series ? ",\n" : "\n", to);
	}
	fprintf(to,
		" ], \"begun\": %u, \"homeless\": %u, \"memory_bytes\": %ju, \"left\": %ju, "
		"\"walk_ms\": %.2f}\n",
		f->begun, f->homeless, (uintmax_t)f->memory, (uintmax_t)f->left,
		(double)f->walk / NSEC_PER_MSEC);
}
