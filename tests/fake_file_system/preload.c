/* Preloaded, this answers as file systems do that lack something: `FAKE_FSYNC_DIRECTORY` is the error of syncing a directory,
 * `FAKE_FLOCK` that of a lock. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static int fails(const char *name) {
    const char *text = getenv(name);
    errno = text ? atoi(text) : 0;
    return errno != 0;
}

int fsync(int file) {
    struct stat found;
    int (*original)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (fstat(file, &found) == 0 && S_ISDIR(found.st_mode) && fails("FAKE_FSYNC_DIRECTORY")) return -1;
    return original(file);
}

int flock(int file, int operation) {
    int (*original)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    return fails("FAKE_FLOCK") ? -1 : original(file, operation);
}
