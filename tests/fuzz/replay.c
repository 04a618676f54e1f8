// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main of a fuzz target where libFuzzer is not: runs it over the files it is given, and those
 * of directories. An assertion or a sanitizer ends it; then the last line names the file.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static size_t n_files;

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!file)
		return -errno;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	data = malloc(size > 0 ? (size_t)size : 1); /* exactly: a read past the end is seen */
	if (size < 0 || !data || fread(data, 1, (size_t)size, file) != (size_t)size) {
		fclose(file);
		free(data);
		return -EIO;
	}
	fclose(file);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	n_files++;
	return 0;
}

static int run_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (r == 0 && entries[i]->d_name[0] != '.')
			r = run_file(name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int r = run_directory(argv[i]);

		if (r == -ENOTDIR)
			r = run_file(argv[i]);
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
			return EXIT_FAILURE;
		}
	}
	if (n_files == 0) {
		fprintf(stderr, "usage: %s FILE-OR-DIRECTORY…\n", argv[0]);
		return EXIT_FAILURE;
	}
	printf("%zu inputs\n", n_files);
	return EXIT_SUCCESS;
}
