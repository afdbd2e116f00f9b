/* Preloaded, this answers as file systems do that lack or refuse something.
 *
 * `FAKE_FSYNC_DIRECTORY` is the error of syncing a directory, `FAKE_FLOCK` that of a lock.
 *
 * `FAKE_CALL` is the number, from 1, of a call that changes something below the directory `FAKE_UNDER`, and `FAKE_FAULT` what
 * becomes of it: the number of an error, `short` for a write of half its bytes, or `kill` for the end of the process before it.
 * With `FAKE_LASTING` later calls fail too. `FAKE_COUNT` is a file that gets the number of such calls when the process ends. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_long calls;

__attribute__((destructor)) static void write_count(void) {
    const char *path = getenv("FAKE_COUNT");
    if (!path) return;
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "%ld", (long)calls);
    fclose(file);
}

static int fails(const char *name) {
    const char *text = getenv(name);
    errno = text ? atoi(text) : 0;
    return errno != 0;
}

static int is_under(const char *path) {
    const char *directory = getenv("FAKE_UNDER");
    return directory && path && strncmp(path, directory, strlen(directory)) == 0;
}

static int is_file_under(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_under(path);
}

/* Counts a call; whether it is to fail. `half` is set where a write is to be short. */
static int counted(int under, int *half) {
    int before = errno;
    if (!under) return 0;
    const char *chosen = getenv("FAKE_CALL"), *fault = getenv("FAKE_FAULT");
    long number = atomic_fetch_add(&calls, 1) + 1, which = chosen ? atol(chosen) : 0;
    errno = before;
    if (!fault || !which || number < which || (number > which && !getenv("FAKE_LASTING"))) return 0;
    if (strcmp(fault, "kill") == 0) kill(getpid(), SIGKILL);
    if (strcmp(fault, "short") == 0) {
        if (half) *half = 1;
        return 0;
    }
    errno = atoi(fault);
    return 1;
}

int fsync(int file) {
    struct stat found;
    if (fstat(file, &found) == 0 && S_ISDIR(found.st_mode) && fails("FAKE_FSYNC_DIRECTORY")) return -1;
    return counted(is_file_under(file), 0) ? -1 : ORIGINAL(fsync)(file);
}

int fdatasync(int file) { return counted(is_file_under(file), 0) ? -1 : ORIGINAL(fdatasync)(file); }

int flock(int file, int operation) {
    if (fails("FAKE_FLOCK")) return -1;
    return counted(is_file_under(file), 0) ? -1 : ORIGINAL(flock)(file, operation);
}

ssize_t write(int file, const void *bytes, size_t length) {
    int half = 0;
    if (counted(is_file_under(file), &half)) return -1;
    return ORIGINAL(write)(file, bytes, half && length > 1 ? length / 2 : length);
}

int ftruncate64(int file, off64_t length) {
    return counted(is_file_under(file), 0) ? -1 : ORIGINAL(ftruncate64)(file, length);
}

int rename(const char *from, const char *to) { return counted(is_under(to), 0) ? -1 : ORIGINAL(rename)(from, to); }

int mkdir(const char *path, mode_t mode) { return counted(is_under(path), 0) ? -1 : ORIGINAL(mkdir)(path, mode); }

int unlink(const char *path) { return counted(is_under(path), 0) ? -1 : ORIGINAL(unlink)(path); }

int rmdir(const char *path) { return counted(is_under(path), 0) ? -1 : ORIGINAL(rmdir)(path); }

int unlinkat(int directory, const char *path, int flags) {
    int under = path[0] == '/' ? is_under(path) : is_file_under(directory);
    return counted(under, 0) ? -1 : ORIGINAL(unlinkat)(directory, path, flags);
}

static int changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT; }

static mode_t mode_of(int flags, va_list arguments) {
    return flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
}

#define OPEN(name)                                                      \
    int name(const char *path, int flags, ...) {                        \
        va_list arguments;                                              \
        va_start(arguments, flags);                                     \
        mode_t mode = mode_of(flags, arguments);                        \
        va_end(arguments);                                              \
        if (counted(changes(flags) && is_under(path), 0)) return -1;    \
        return ORIGINAL(name)(path, flags, mode);                       \
    }

OPEN(open)
OPEN(open64)
