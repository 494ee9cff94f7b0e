/* Preloaded into the daemon and its workers: fails the Nth system call of a kind below a folder.
 *
 * What to fail stands in a file that all processes map (FAILING_STATE); the bench writes it, and reads how often it
 * came to that. Only calls on paths below `root` count. Names are resolved as the kernel does it: a relative one by
 * the folder's descriptor, a descriptor by /proc/self/fd.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, LINK = 8, RENAME = 16, UNLINK = 32, MKDIR = 64 };
enum { DAEMON = 1, WORKERS = 2 };

struct state {
    uint32_t kinds;         /* bits of the first enum: 0 counts and fails nothing */
    uint32_t processes;     /* bits of the second */
    int32_t code;           /* the errno */
    uint32_t first, times;  /* calls number first .. first + times - 1 fail */
    _Atomic uint32_t count, fired;
    char root[PATH_MAX];
};

static struct state *state;
static int role = DAEMON;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAILING_STATE");
    char line[4096];
    ssize_t length = 0;
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        length = read(file, line, sizeof line);
        close(file);
    }
    if (length > 0 && (memmem(line, length, "colorwatch.workers.zygote", 25) || memmem(line, length, "colorwatch.workers.worker", 25)))
        role = WORKERS;
    if (path == NULL || (file = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return;
    void *map = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED)
        state = map;
}

static int descriptor_path(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static int below(const char *path) {
    size_t length = strlen(state->root);
    return strncmp(path, state->root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int wanted(int kind) {
    return state != NULL && (state->kinds & kind) && (state->processes & role);
}

/* Whether this call, which is one of those that count, is to fail; errno is set then. */
static int fails_now(void) {
    uint32_t number = atomic_fetch_add(&state->count, 1) + 1;
    if (number < state->first || number >= state->first + state->times)
        return 0;
    atomic_fetch_add(&state->fired, 1);
    errno = state->code;
    return 1;
}

static int fails_at(int kind, int folder, const char *name) {
    char path[2 * PATH_MAX];
    int kept = errno, found = 1;
    if (!wanted(kind))
        return 0;
    if (name[0] == '/')
        snprintf(path, sizeof path, "%s", name);
    else if (folder == AT_FDCWD)
        found = getcwd(path, PATH_MAX) != NULL;
    else
        found = descriptor_path(folder, path);
    errno = kept;
    return found && below(path) && fails_now();
}

static int fails_on(int kind, int fd) {
    char path[PATH_MAX];
    int kept = errno;
    if (!wanted(kind))
        return 0;
    int found = descriptor_path(fd, path);
    errno = kept;
    return found && below(path) && fails_now();
}

#define REAL(name) static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define WRITES(flags) ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT))

#define OPENER(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return WRITES(flags) && fails_at(OPEN, AT_FDCWD, path) ? -1 : real(path, flags, mode); \
    }
#define OPENER_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return WRITES(flags) && fails_at(OPEN, folder, path) ? -1 : real(folder, path, flags, mode); \
    }
OPENER(open)
OPENER(open64)
OPENER_AT(openat)
OPENER_AT(openat64)

int creat(const char *path, mode_t mode) { REAL(creat); return fails_at(OPEN, AT_FDCWD, path) ? -1 : real(path, mode); }

ssize_t write(int fd, const void *from, size_t size) { REAL(write); return fails_on(WRITE, fd) ? -1 : real(fd, from, size); }
ssize_t writev(int fd, const struct iovec *from, int count) { REAL(writev); return fails_on(WRITE, fd) ? -1 : real(fd, from, count); }
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) { REAL(pwrite); return fails_on(WRITE, fd) ? -1 : real(fd, from, size, at); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { REAL(pwrite64); return fails_on(WRITE, fd) ? -1 : real(fd, from, size, at); }

int fsync(int fd) { REAL(fsync); return fails_on(SYNC, fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return fails_on(SYNC, fd) ? -1 : real(fd); }

int link(const char *from, const char *to) { REAL(link); return fails_at(LINK, AT_FDCWD, to) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); return fails_at(LINK, b, to) ? -1 : real(a, from, b, to, flags); }

int rename(const char *from, const char *to) { REAL(rename); return fails_at(RENAME, AT_FDCWD, to) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return fails_at(RENAME, b, to) ? -1 : real(a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { REAL(renameat2); return fails_at(RENAME, b, to) ? -1 : real(a, from, b, to, flags); }

int unlink(const char *path) { REAL(unlink); return fails_at(UNLINK, AT_FDCWD, path) ? -1 : real(path); }
int unlinkat(int folder, const char *path, int flags) { REAL(unlinkat); return fails_at(UNLINK, folder, path) ? -1 : real(folder, path, flags); }

int mkdir(const char *path, mode_t mode) { REAL(mkdir); return fails_at(MKDIR, AT_FDCWD, path) ? -1 : real(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { REAL(mkdirat); return fails_at(MKDIR, folder, path) ? -1 : real(folder, path, mode); }
