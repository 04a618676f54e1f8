// SPDX-License-Identifier: BSD-2-Clause
/* Addresses in the configuration: read, and refused with the address that was probably meant. */
#include <stdio.h>
#include <string.h>

#include "config_value.h"

/* Addresses that TCP cannot use, though they are well formed. */
static const char *refuse_address(const struct address *a)
{
	if (a->family == ADDRESS_IPV4) {
		if (a->ip[12] >= 224)
			return "a multicast, reserved or broadcast address carries no TCP";
		if (a->ip[12] == 0 && !address_is_wildcard(a))
			return "an address of 0.0.0.0/8 belongs to nobody";
	} else if (a->family == ADDRESS_IPV6) {
		if (a->ip[0] == 0xff)
			return "a multicast address carries no TCP";
		if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80 && a->scope == 0)
			return "a link-local address needs its interface, such as [fe80::1%eth0]";
	}
	return NULL;
}

/* Schemes that are pasted along with an address. */
static const char *skip_scheme(const char *text)
{
	const char *end = strstr(text, "://");

	return end ? end + 3 : text;
}

/* Suggests `text` if it is an address that would be taken. */
static bool suggest(const char *text, bool wildcard, struct faults *faults)
{
	struct address a;
	const char *why;

	if (address_parse(text, wildcard, &a, &why) < 0 || refuse_address(&a))
		return false;
	faults_hint(faults, "did you mean \"%s\"?", text);
	return true;
}

static const char *example(bool wildcard)
{
	return wildcard ? "write it as \":80\", \"192.0.2.10:80\" or \"[2001:db8::10]:80\""
			: "write it as \"192.0.2.10:80\" or \"[2001:db8::10]:80\"";
}

static void hint_address(const char *text, bool wildcard, struct faults *faults)
{
	const char *bare = skip_scheme(text), *colon = strrchr(bare, ':');
	char guess[2 * ADDRESS_TEXT_MAX];
	struct address a;
	const char *why;

	if (strlen(text) >= ADDRESS_TEXT_MAX) {
		faults_hint(faults, "%s", example(wildcard));
		return;
	}
	if (strpbrk(text, ", ")) {
		faults_hint(faults, wildcard ? "several are written as [\":80\", \":443\"]"
					     : "a backend has one address; name another backend");
		return;
	}
	if (bare != text && suggest(bare, wildcard, faults))
		return;
	snprintf(guess, sizeof(guess), ":%s", bare);
	if (suggest(guess, wildcard, faults))
		return;
	if (!strncmp(bare, "localhost:", 10)) {
		snprintf(guess, sizeof(guess), "127.0.0.1:%s", bare + 10);
		if (suggest(guess, wildcard, faults))
			return;
	}
	if (colon && *bare != '[') {
		snprintf(guess, sizeof(guess), "[%.*s]%s", (int)(colon - bare), bare, colon);
		if (suggest(guess, wildcard, faults))
			return;
	}
	/* Whether the address is right shows with any port. */
	snprintf(guess, sizeof(guess), *bare == '[' || !strchr(bare, ':') ? "%s:80" : "[%s]:80",
		 bare);
	if (address_parse(guess, wildcard, &a, &why) == 0)
		faults_hint(faults, "add the port, as in \"%s\"", guess);
	else if (*bare != '[' && strpbrk(bare, "ghijklmnopqrstuvwxyz"))
		faults_hint(faults, "write the IP address of this name");
	else if (strchr(bare, '%'))
		faults_hint(faults,
			    "the part after %% is the name of an interface of this machine");
	faults_hint(faults, "%s", example(wildcard));
}

/* What is not an address at all, told better than by what is wrong with it as one. */
static const char *refuse_form(const char *text)
{
	if (strstr(text, "://"))
		return "expected ADDRESS:PORT without a scheme";
	if (strpbrk(text, ", "))
		return "expected one address";
	return NULL;
}

bool value_read_address(const char *key, const struct yaml_node *n, bool wildcard,
			struct address *ret, struct faults *faults)
{
	char quoted[QUOTED_MAX];
	struct address a;
	const char *why;

	if (value_holds_nul(key, n, faults))
		return false;
	why = refuse_form(n->text);
	if (why || address_parse(n->text, wildcard, &a, &why) < 0) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", key,
			   faults_quote(n->text, n->length, quoted), why);
		hint_address(n->text, wildcard, faults);
		return false;
	}
	why = refuse_address(&a);
	if (why) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", key,
			   faults_quote(n->text, n->length, quoted), why);
		faults_hint(faults, wildcard ? "give an address of this machine, or :PORT for all"
					     : "give the address that the server listens at");
		return false;
	}
	*ret = a;
	return true;
}

/* An address without a port, with or without brackets around an IPv6 one. */
bool value_read_ip(const struct setting *s, const struct yaml_node *n, void *target,
		   struct faults *faults)
{
	struct address *into = (struct address *)(void *)((char *)target + s->into.offset);
	char text[ADDRESS_TEXT_MAX + 8], ip[ADDRESS_TEXT_MAX], quoted[QUOTED_MAX];
	bool bare = *n->text != '[' && strchr(n->text, ':');
	const char *why, *whose;
	struct address a;

	/* With a port it is an address as everywhere else. */
	snprintf(text, sizeof(text), bare ? "[%.79s]:1" : "%.79s:1", n->text);
	if (n->length < ADDRESS_TEXT_MAX && address_parse(text, false, &a, &why) == 0) {
		whose = refuse_address(&a);
		if (!whose) {
			a.port = 0;
			*into = a;
			return true;
		}
		faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
			   faults_quote(n->text, n->length, quoted), whose);
		return false;
	}
	faults_add(faults, n->line, n->column, "%s: %s: expected an IP address without a port",
		   s->key, faults_quote(n->text, n->length, quoted));
	if (address_parse(n->text, false, &a, &why) == 0)
		faults_hint(faults, "write address: \"%s\", port: %u", address_print_ip(&a, ip),
			    a.port);
	return false;
}
