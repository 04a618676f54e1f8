// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/client_hello and model/tls_routes: what a client sends first, whole, byte by byte and cut
 * at random. However it comes, it says the same, and what it says is well-formed.
 */
#include <assert.h>
#include <string.h>

#include "client_hello.h"
#include "tls_routes.h"

#include "fuzz.h"

static uint8_t scratch[CLIENT_HELLO_MAX];

static enum client_hello_result read_cut(const uint8_t *data, size_t size, size_t limit,
					 size_t most, uint64_t state, size_t *ret_at,
					 struct client_hello *ret)
{
	struct client_hello_scan scan = {};
	enum client_hello_result r = CLIENT_HELLO_MORE;
	size_t at = 0;

	while (r == CLIENT_HELLO_MORE && at < size) {
		at += fuzz_cut(&state, most < size - at ? most : size - at);
		r = client_hello_read(&scan, data, at, limit, scratch, ret);
	}
	*ret_at = at;
	return r;
}

static void check_protocols(const struct client_hello *h)
{
	size_t at = 0;

	while (at < h->alpn_size) {
		assert(h->alpn[at] > 0);
		at += 1 + (size_t)h->alpn[at];
	}
	assert(at == h->alpn_size);
}

static void check_route(const struct client_hello *h)
{
	char *names[] = {"a.test", "*.a.test", "api.example.org", NULL},
	     *protocols[] = {"h2", NULL};
	const struct tls_route_config configs[] = {{.sni = names, .alpn = protocols, .target = 1},
						   {.sni = names, .target = 2}};
	struct tls_routes *routes;
	uint32_t found;

	assert(tls_routes_new(configs, 2, &routes) == 0);
	found = tls_routes_find(routes, h);
	assert(found < 2 || found == TLS_ROUTE_NONE);
	assert(h->has_sni || found == TLS_ROUTE_NONE);
	tls_routes_unref(routes);
}

static void check_hello(enum client_hello_result r, const struct client_hello *h)
{
	char again[SERVER_NAME_MAX + 1];

	assert((r == CLIENT_HELLO_DONE) == !h->why);
	if (r != CLIENT_HELLO_DONE) {
		assert(!h->has_sni && h->alpn_size == 0 && fuzz_is_printable(h->why));
		return;
	}
	assert(h->has_sni == (h->sni[0] != '\0'));
	if (h->has_sni) {
		assert(!server_name_read(h->sni, strlen(h->sni), again));
		assert(!strcmp(again, h->sni));
	}
	check_protocols(h);
	check_route(h);
}

static void run(const uint8_t *data, size_t size, size_t limit)
{
	struct client_hello whole = {}, cut = {}, bytes = {};
	size_t at, at_cut, at_byte;
	enum client_hello_result r;

	size = size < limit ? size : limit;
	r = read_cut(data, size, limit, 1, 0, &at_byte, &bytes);
	assert(read_cut(data, size, limit, 1 + size / 3, size, &at_cut, &cut) == r);
	if (r == CLIENT_HELLO_MORE)
		return;
	check_hello(r, &bytes);
	assert(!strcmp(cut.sni, bytes.sni) && cut.alpn_size == bytes.alpn_size);
	assert(at_byte <= at_cut);
	/* What comes after the decision changes nothing. */
	assert(read_cut(data, at_byte, limit, at_byte, 0, &at, &whole) == r);
	assert(!strcmp(whole.sni, bytes.sni) && whole.alpn_size == bytes.alpn_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(data, size, CLIENT_HELLO_MAX);
	run(data, size, 512);
	return 0;
}
