/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts that turn a YAML tree into a struct config. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "config_routes.h"
#include "faults.h"
#include "schema.h"
#include "yaml_tree.h"

/* An address of the file, with what a fault about it needs. */
struct claim {
	struct address address;
	const struct yaml_node *node; /* where it is given */
	const char *owner;	      /* the service that listens, the backend that is reached */
};

struct claims {
	struct claim *items;
	size_t n, n_allocated;
};

/* One file being read. */
struct reader {
	struct faults *faults;
	struct claims listens;	/* of all services so far */
	struct claims backends; /* of this service, as its backends[] */
	size_t first_listen;	/* of this service in `listens` */
	struct routes_read routes;
};

/* One mapping being read: its keys in the order of the section's settings. */
struct reading {
	const struct section *section;
	const struct yaml_node *mapping;
	const struct yaml_node *key; /* the mapping's own; NULL for the whole file */
	void *target;
	struct given {
		const struct yaml_node *key, *value; /* NULL: left out */
		bool good;			     /* read without a fault */
	} given[SECTION_SETTINGS_MAX];
};

/* Never fails but for the faults it adds. */
void claims_add(struct claims *c, const struct address *address, const struct yaml_node *node,
		const char *owner, struct faults *faults);

/*
 * What a section demands beyond its single values, called when all of them are read. False when
 * that added a fault.
 */
bool rules_apply(struct reader *r, const struct reading *reading);

/* Rules about addresses: of one service when it is read, of all listeners at the end. */
bool rule_backend_addresses(struct reader *r);
bool rule_listen_addresses(struct reader *r);

/* config_nat_rules.c: what nat can do, of one service, of the file, of its ports. */
bool rule_nat(struct reader *r, const struct reading *reading);
bool rule_interfaces(struct reader *r, const struct reading *reading);
bool rule_nat_ports(struct reader *r, const struct reading *reading);

/* config_interfaces.c: a name, a mapping, or a sequence of these. */
bool read_interfaces(struct reader *r, const struct setting *s, const struct yaml_node *n,
		     struct config *config);

/* What is known of a key of the section. */
const struct given *find_given(const struct reading *reading, const char *key);

/* Says that a required setting is missing; false. */
bool rule_refuse_missing(struct reader *r, const struct yaml_node *key, const struct setting *s);

/* Reads the mapping as `section` into `target`; `key` is what a fault about all of it names. */
bool read_section(struct reader *r, const struct section *section, const struct yaml_node *key,
		  const struct yaml_node *mapping, void *target);

/* What has the number of entries or pairs that setting `s` allows. */
bool count_fits(struct reader *r, const struct setting *s, const struct yaml_node *n);

/* Builds *ret from the tree. 0, or -EINVAL or -ENOMEM with what `faults` holds. */
int config_read(const struct yaml_tree *tree, struct config **ret, struct faults *faults);

/* Defaults of a section and those within it, in a zeroed struct. False when memory is short. */
bool section_defaults(const struct section *s, void *target);

void service_config_deinit(struct service_config *s);
