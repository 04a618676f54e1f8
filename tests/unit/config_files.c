// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_files.h"
#include "test.h"

char *read_file(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "r");
	char *text;
	long size;

	if (!f)
		fail_msg("%s cannot be opened", path);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size >= 0);
	rewind(f);
	text = malloc((size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	text[size] = '\0';
	fclose(f);
	*ret_size = (size_t)size;
	return text;
}

size_t each_broken_file(void (*f)(const char *path))
{
	static const char directory[] = SOURCE_ROOT "/tests/unit/config/broken";
	struct dirent **entries;
	int n = scandir(directory, &entries, NULL, alphasort);
	size_t n_files = 0;

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name, *end = strrchr(name, '.');
		char path[1024];

		if (end != name && !strcmp(end, ".yaml")) {
			snprintf(path, sizeof(path), "%s/%s", directory, name);
			f(path);
			n_files++;
		} else if (*name != '.' && strcmp(end ? end : "", ".expect")) {
			fail_msg("%s/%s is no .yaml and no .expect", directory, name);
		}
		free(entries[i]);
	}
	free(entries);
	return n_files;
}
