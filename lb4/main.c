// SPDX-License-Identifier: BSD-2-Clause
/* lb4(8): reads its words and its configuration, and becomes the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "config_file.h"
#include "daemon.h"

#define EXIT_USAGE  2
#define CONFIG_PATH "/etc/lb4/lb4.yaml"
#define WORDS_MAX   64

struct options {
	const char *config_path, *check, *socket_path;
	const char *listens[WORDS_MAX], *backends[WORDS_MAX];
	size_t n_listens, n_backends;
};

static const char usage[] =
	"lb4 [--config FILE]                 run with a file (" CONFIG_PATH ")\n"
	"lb4 --check FILE                    only judge a file\n"
	"lb4 --listen ADDRESS --backend ADDRESS... [--check CHECK]\n"
	"                                    run one service without a file\n"
	"\n"
	"  -c, --config FILE      the configuration, see lb4.yaml(5)\n"
	"  -C, --check FILE       print every fault of FILE and exit\n"
	"  -l, --listen ADDRESS   ADDRESS:PORT, [IPV6]:PORT or :PORT; may be repeated\n"
	"  -b, --backend ADDRESS  ADDRESS:PORT or [IPV6]:PORT; may be repeated\n"
	"  -C, --check CHECK      with --listen: tcp, redis, postgres, mysql, memcached, amqp,\n"
	"                         smtp or http:/PATH\n"
	"  -s, --socket PATH      with --listen: the control socket\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n";

static int refuse_usage(const char *complaint)
{
	fprintf(stderr, "lb4: %s\n\n%s", complaint, usage);
	return EXIT_USAGE;
}

static void print_faults(const char *path, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n_errors; i++) {
		const struct config_error *e = &errors->errors[i];

		if (e->line)
			fprintf(stderr, "%s:%u:%u: %s\n", path, e->line, e->column, e->message);
		else
			fprintf(stderr, "%s: %s\n", path, e->message);
		if (e->hint)
			fprintf(stderr, "  hint: %s\n", e->hint);
	}
}

/* Reads the file, or says on standard error why it cannot be used. */
static int read_file(const char *path, struct config **ret)
{
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	int r = config_file_read(path, ret, &errors);

	if (errors.n_errors)
		print_faults(path, &errors);
	else if (r < 0)
		fprintf(stderr, "lb4: cannot read %s: %s\n%s", path, strerror(-r),
			r == -ENOENT && !strcmp(path, CONFIG_PATH)
				? "  hint: --config names another file; --listen and --backend "
				  "do without one\n"
				: "");
	return r;
}

static int judge(const char *path)
{
	_cleanup_(config_freep) struct config *config = NULL;
	size_t n_backends = 0;

	if (read_file(path, &config) < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < config->n_services; i++)
		n_backends += config->services[i].n_backends;
	printf("%s is good: %zu service%s, %zu backend%s\n", path, config->n_services,
	       config->n_services == 1 ? "" : "s", n_backends, n_backends == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

static int run_file(const char *path)
{
	struct config *config;

	if (read_file(path, &config) < 0)
		return EXIT_FAILURE;
	return daemon_run(config, path);
}

static int run_quick(const struct options *o)
{
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	_cleanup_(config_freep) struct config *config = NULL;
	int r = config_quick(o->listens, o->n_listens, o->backends, o->n_backends, o->check,
			     &config, &errors);

	if (r >= 0 && o->socket_path) {
		free(config->socket_path);
		config->socket_path = strdup(o->socket_path);
		r = config->socket_path ? 0 : -ENOMEM;
	}
	if (r < 0) {
		if (errors.n_errors)
			print_faults("lb4", &errors);
		else
			fprintf(stderr, "lb4: cannot start: %s\n", strerror(-r));
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	return daemon_run(take_ptr(config), NULL);
}

static int add_word(const char **words, size_t *n, const char *word)
{
	if (*n == WORDS_MAX)
		return -E2BIG;
	words[(*n)++] = word;
	return 0;
}

/* −1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check", required_argument, NULL, 'C'},
		{"listen", required_argument, NULL, 'l'}, {"backend", required_argument, NULL, 'b'},
		{"socket", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	  {},
	};
	int word, r = 0;

	while ((word = getopt_long(argc, argv, "c:C:l:b:s:hV", options, NULL)) != -1) {
		switch (word) {
		case 'c':
			o->config_path = optarg;
			break;
		case 'C':
			o->check = optarg;
			break;
		case 'l':
			r = add_word(o->listens, &o->n_listens, optarg);
			break;
		case 'b':
			r = add_word(o->backends, &o->n_backends, optarg);
			break;
		case 's':
			o->socket_path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("lb4 " LB4_VERSION);
			return EXIT_SUCCESS;
		default:
			fprintf(stderr, "\n%s", usage);
			return EXIT_USAGE;
		}
		if (r < 0)
			return refuse_usage("too many addresses; write a file, see lb4.yaml(5)");
	}
	if (optind < argc)
		return refuse_usage("what stands after the options has no meaning");
	return -1;
}

/*
 * Started with a standard descriptor closed, its number would go to a socket or a ring, and lines
 * of the log into that.
 */
static bool open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	struct options o = {};
	int status;

	if (!open_standard_descriptors())
		return EXIT_FAILURE;
	status = read_options(argc, argv, &o);
	if (status >= 0)
		return status;
	if (o.n_listens || o.n_backends) {
		if (!o.n_listens || !o.n_backends)
			return refuse_usage("--listen and --backend go together");
		if (o.config_path)
			return refuse_usage("--config and --listen do not go together");
		return run_quick(&o);
	}
	if (o.socket_path)
		return refuse_usage("--socket goes with --listen; a file has admin: socket");
	if (o.check)
		return o.config_path ? refuse_usage("--check and --config do not go together")
				     : judge(o.check);
	return run_file(o.config_path ? o.config_path : CONFIG_PATH);
}
