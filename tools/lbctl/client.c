// SPDX-License-Identifier: BSD-2-Clause
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"

#define CONNECT_TIMEOUT_MS 5000L
/* The daemon ends a request after 30 s by itself. */
#define TIMEOUT_MS 40000L
/* A table of 655,373 slots and the longest names is 44 MB. */
#define ANSWER_MAX ((size_t)256 << 20)

struct client {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
};

struct client *client_new(const char *socket_path)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->curl = curl_easy_init();
	if (!c->curl)
		return client_free(c);
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L); /* ".." is no name, let it say so */
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	return c;
}

void client_hurry(struct client *c, long timeout_ms)
{
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	free(c);
	return NULL;
}

char *client_escape(struct client *c, const char *text)
{
	char *escaped = curl_easy_escape(c->curl, text, 0), *copy;

	if (!escaped)
		return NULL;
	copy = strdup(escaped);
	curl_free(escaped);
	return copy;
}

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	struct client_answer *a = context;
	char *grown;

	n *= size;
	if (n > ANSWER_MAX - a->size)
		return 0;
	grown = realloc(a->text, a->size + n + 1);
	if (!grown)
		return 0;
	memcpy(grown + a->size, data, n);
	a->text = grown;
	a->size += n;
	a->text[a->size] = '\0';
	return n;
}

static int fail(struct client *c, CURLcode code, const char **ret_reason)
{
	long error = 0;

	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_COULDNT_CONNECT && error) {
		*ret_reason = strerror((int)error);
		return -(int)error;
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		*ret_reason = "no answer in time";
		return -ETIMEDOUT;
	}
	*ret_reason = c->error[0] ? c->error : curl_easy_strerror(code);
	return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ECONNABORTED;
}

int client_ask(struct client *c, const char *method, const char *path, const char *body,
	       size_t body_size, struct client_answer *ret, const char **ret_reason)
{
	_cleanup_(freep) char *url = NULL;
	struct client_answer a = {.text = strdup("")};
	CURLcode code;

	if (!a.text || asprintf(&url, "http://lb4%s", path) < 0) {
		url = NULL;
		free(a.text);
		*ret_reason = "out of memory";
		return -ENOMEM;
	}
	c->error[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	if (body) {
		curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &a);
	code = curl_easy_perform(c->curl);
	if (code != CURLE_OK) {
		free(a.text);
		return fail(c, code, ret_reason);
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &a.status);
	*ret = a;
	return 0;
}
