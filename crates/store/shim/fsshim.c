/*
 * Stands in front of libc's file system calls (LD_PRELOAD), for crash tests.
 *
 *   ROPEWAY_SHIM_DIR   the directory, absolute and without links, whose files are watched
 *   ROPEWAY_SHIM_LOG   a file outside of it that gets a record of every change, in order
 *   ROPEWAY_SHIM_FAIL  kind:n:errno - the nth call of that kind on a watched file fails
 *                      (open, write, sync, rename, unlink, truncate, mkdir, link; errno as a number);
 *                      with 0 the process is killed instead, just before the call
 *
 * A record is kind (1 byte), length of what follows (4 bytes), then what src/crash/log.rs says;
 * integers are little-endian. Each is one write, so that the log survives a kill. One lock is held
 * over a call and its record: their order is the same. What cannot be recorded faithfully is
 * recorded as such, and makes the log useless on purpose.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, SYNC, SYNCDIR, RENAME, UNLINK, MKDIR, RMDIR, TRUNCATE, LINK, NOTE, UNSUPPORTED, FAULT };

static char dir[PATH_MAX];
static size_t dir_len;
static int log_fd = -1;
static char fail_kind[16];
static long fail_nth;
static int fail_errno;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fresh_lock(void) { pthread_mutex_init(&lock, NULL); }

static void init(void) {
    const char *d = getenv("ROPEWAY_SHIM_DIR"), *l = getenv("ROPEWAY_SHIM_LOG"), *f = getenv("ROPEWAY_SHIM_FAIL");
    if (!d) return;
    snprintf(dir, sizeof dir, "%s", d);
    dir_len = strlen(dir);
    pthread_atfork(NULL, NULL, fresh_lock);
    if (f) sscanf(f, "%15[^:]:%ld:%d", fail_kind, &fail_nth, &fail_errno);
    if (l) {
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        log_fd = real(l, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (log_fd < 0) _exit(99);
        /* Out of the way of those who count file descriptors. */
        int high = fcntl(log_fd, F_DUPFD_CLOEXEC, 500);
        if (high >= 0) { close(log_fd); log_fd = high; }
    }
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
    pthread_once(&once, init)

static int watched_path(const char *path) {
    return dir_len && !strncmp(path, dir, dir_len) && (path[dir_len] == '/' || !path[dir_len]);
}

/* The path of an open file; 0 if it isn't watched. */
static int watched_fd(int fd, char *path) {
    char link[64];
    pthread_once(&once, init);
    if (!dir_len) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return watched_path(path);
}

/* Makes a path absolute; 0 if it isn't watched. */
static int watched_at(int at, const char *path, char *out) {
    pthread_once(&once, init);
    if (!dir_len || !path) return 0;
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t n = readlink(link, base, sizeof base - 1);
            if (n < 0) return 0;
            base[n] = 0;
        }
    }
    if (snprintf(out, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", path) >= PATH_MAX) return 0;
    size_t len = strlen(out);
    while (len > 1 && out[len - 1] == '/') out[--len] = 0;
    return watched_path(out);
}

static void record(int kind, const void *a, size_t a_len, const void *b, size_t b_len) {
    if (log_fd < 0) return;
    int saved = errno;
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = dlsym(RTLD_NEXT, "writev");
    uint8_t head[5] = {kind};
    uint32_t len = a_len + b_len;
    memcpy(head + 1, &len, 4);
    struct iovec parts[3] = {{head, 5}, {(void *)a, a_len}, {(void *)b, b_len}};
    if (real(log_fd, parts, 3) != (ssize_t)(5 + a_len + b_len)) _exit(98);
    errno = saved;
}

static void record_path(int kind, const char *path) { record(kind, path, strlen(path), NULL, 0); }

static void record_write(int fd, off_t at, const void *data, size_t len) {
    struct stat st;
    if (fstat(fd, &st)) return;
    uint64_t head[2] = {st.st_ino, at};
    record(WRITE, head, sizeof head, data, len);
}

static void record_size(int fd) {
    struct stat st;
    if (fstat(fd, &st)) return;
    uint64_t head[2] = {st.st_ino, st.st_size};
    record(TRUNCATE, head, sizeof head, NULL, 0);
}

static void record_entry(int kind, const char *path) {
    struct stat st;
    if (lstat(path, &st)) return;
    uint64_t ino = st.st_ino;
    record(kind, &ino, sizeof ino, path, strlen(path));
}

/* Whether this call is the one that is to fail. Called with the lock held: a kill comes between no call and
 * its record. */
static int fails(const char *kind) {
    if (!fail_nth || strcmp(kind, fail_kind) || --fail_nth) return 0;
    record_path(FAULT, kind);
    if (!fail_errno) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = fail_errno;
    return 1;
}

#define UNLOCK_RETURN(value) do { pthread_mutex_unlock(&lock); return (value); } while (0)

static int do_open(int (*real)(int, const char *, int, ...), int at, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!watched_at(at, path, full)) return real(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    if (fails("open")) UNLOCK_RETURN(-1);
    struct stat st;
    int was_there = !lstat(full, &st);
    int fd = real(at, path, flags, mode);
    if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE) record_path(UNSUPPORTED, "O_TMPFILE");
    else if (fd >= 0 && !was_there && (flags & O_CREAT)) record_entry(CREATE, full);
    else if (fd >= 0 && (flags & O_TRUNC)) record_size(fd);
    UNLOCK_RETURN(fd);
}

static mode_t mode_of(int flags, va_list args) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN_BODY(at) \
    static int (*real)(int, const char *, int, ...); \
    if (!real) real = dlsym(RTLD_NEXT, "openat"); \
    va_list args; va_start(args, flags); mode_t mode = mode_of(flags, args); va_end(args); \
    return do_open(real, at, path, flags, mode)

int open(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int openat(int at, const char *path, int flags, ...) { OPEN_BODY(at); }
int openat64(int at, const char *path, int flags, ...) { OPEN_BODY(at); }

/* All writes: what was written, and where, is found out from the file afterwards. */
static ssize_t do_write(int fd, const struct iovec *parts, int count, off_t at) {
    static ssize_t (*real)(int, const struct iovec *, int);
    static ssize_t (*real_at)(int, const struct iovec *, int, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "writev");
    if (!real_at) real_at = dlsym(RTLD_NEXT, "pwritev");
    char path[PATH_MAX];
    int note = fd == 1 && dir_len;
    if (!note && !watched_fd(fd, path)) return at < 0 ? real(fd, parts, count) : real_at(fd, parts, count, at);
    pthread_mutex_lock(&lock);
    int fail = !note && fails("write");
    struct iovec half = {count ? parts[0].iov_base : NULL, count ? parts[0].iov_len / 2 : 0};
    const struct iovec *do_parts = fail ? &half : parts;
    int do_count = fail ? 1 : count;
    ssize_t n = at < 0 ? real(fd, do_parts, do_count) : real_at(fd, do_parts, do_count, at);
    off_t end = at < 0 ? lseek(fd, 0, SEEK_CUR) : at + n;
    size_t left = n > 0 ? n : 0;
    for (int i = 0; i < do_count && left; i++) {
        size_t len = do_parts[i].iov_len < left ? do_parts[i].iov_len : left;
        if (note) record(NOTE, do_parts[i].iov_base, len, NULL, 0);
        else record_write(fd, end - left, do_parts[i].iov_base, len);
        left -= len;
    }
    if (fail) { errno = fail_errno; n = -1; }
    UNLOCK_RETURN(n);
}

ssize_t write(int fd, const void *data, size_t len) {
    pthread_once(&once, init);
    struct iovec part = {(void *)data, len};
    return do_write(fd, &part, 1, -1);
}
ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    struct iovec part = {(void *)data, len};
    return do_write(fd, &part, 1, at);
}
ssize_t pwrite64(int fd, const void *data, size_t len, off_t at) { return pwrite(fd, data, len, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    pthread_once(&once, init);
    return do_write(fd, parts, count, -1);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return do_write(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return do_write(fd, parts, count, at); }

static int do_sync(int (*real)(int), int fd) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched_fd(fd, path)) return real(fd);
    pthread_mutex_lock(&lock);
    if (fails("sync")) UNLOCK_RETURN(-1);
    int result = real(fd);
    if (!result && !fstat(fd, &st)) {
        uint64_t ino = st.st_ino;
        if (S_ISDIR(st.st_mode)) record_path(SYNCDIR, path);
        else record(SYNC, &ino, sizeof ino, NULL, 0);
    }
    UNLOCK_RETURN(result);
}
int fsync(int fd) { REAL(fsync); return do_sync(real, fd); }
int fdatasync(int fd) { REAL(fdatasync); return do_sync(real, fd); }

static int do_truncate(int fd, off_t len) {
    static int (*real)(int, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate");
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return real(fd, len);
    pthread_mutex_lock(&lock);
    if (fails("truncate")) UNLOCK_RETURN(-1);
    int result = real(fd, len);
    if (!result) record_size(fd);
    UNLOCK_RETURN(result);
}
int ftruncate(int fd, off_t len) { return do_truncate(fd, len); }
int ftruncate64(int fd, off_t len) { return do_truncate(fd, len); }

static int do_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    static int (*real)(int, const char *, int, const char *, unsigned);
    if (!real) real = dlsym(RTLD_NEXT, "renameat2");
    char a[PATH_MAX], b[PATH_MAX];
    int wa = watched_at(from_at, from, a), wb = watched_at(to_at, to, b);
    if (!wa && !wb) return real(from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    if (fails("rename")) UNLOCK_RETURN(-1);
    int result = real(from_at, from, to_at, to, flags);
    if (!result && (!wa || !wb || (flags & RENAME_EXCHANGE))) record_path(UNSUPPORTED, "rename over the edge");
    else if (!result) record(RENAME, a, strlen(a) + 1, b, strlen(b));
    UNLOCK_RETURN(result);
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return do_rename(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return do_rename(from_at, from, to_at, to, flags);
}

static int do_unlink(int at, const char *path, int flags) {
    static int (*real)(int, const char *, int);
    if (!real) real = dlsym(RTLD_NEXT, "unlinkat");
    char full[PATH_MAX];
    if (!watched_at(at, path, full)) return real(at, path, flags);
    pthread_mutex_lock(&lock);
    if (fails("unlink")) UNLOCK_RETURN(-1);
    int result = real(at, path, flags);
    if (!result) record_path(flags & AT_REMOVEDIR ? RMDIR : UNLINK, full);
    UNLOCK_RETURN(result);
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return do_unlink(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int at, const char *path, int flags) { return do_unlink(at, path, flags); }

static int do_mkdir(int at, const char *path, mode_t mode) {
    static int (*real)(int, const char *, mode_t);
    if (!real) real = dlsym(RTLD_NEXT, "mkdirat");
    char full[PATH_MAX];
    if (!watched_at(at, path, full)) return real(at, path, mode);
    pthread_mutex_lock(&lock);
    if (fails("mkdir")) UNLOCK_RETURN(-1);
    int result = real(at, path, mode);
    if (!result) record_path(MKDIR, full);
    UNLOCK_RETURN(result);
}
int mkdir(const char *path, mode_t mode) { return do_mkdir(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return do_mkdir(at, path, mode); }

static int do_link(int from_at, const char *from, int to_at, const char *to, int flags) {
    static int (*real)(int, const char *, int, const char *, int);
    if (!real) real = dlsym(RTLD_NEXT, "linkat");
    char b[PATH_MAX];
    if (!watched_at(to_at, to, b)) return real(from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    if (fails("link")) UNLOCK_RETURN(-1);
    int result = real(from_at, from, to_at, to, flags);
    if (!result) record_entry(LINK, b);
    UNLOCK_RETURN(result);
}
int link(const char *from, const char *to) { return do_link(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return do_link(from_at, from, to_at, to, flags);
}

static int do_allocate(int fd, int mode, off_t at, off_t len) {
    static int (*real)(int, int, off_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "fallocate");
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return real(fd, mode, at, len);
    pthread_mutex_lock(&lock);
    if (fails("truncate")) UNLOCK_RETURN(-1);
    int result = real(fd, mode, at, len);
    if (!result && !mode) record_size(fd);
    else if (!result && mode != FALLOC_FL_KEEP_SIZE) record_path(UNSUPPORTED, "fallocate that changes data");
    UNLOCK_RETURN(result);
}
int fallocate(int fd, int mode, off_t at, off_t len) { return do_allocate(fd, mode, at, len); }
int fallocate64(int fd, int mode, off_t at, off_t len) { return do_allocate(fd, mode, at, len); }
int posix_fallocate(int fd, off_t at, off_t len) { return do_allocate(fd, 0, at, len) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t len) { return posix_fallocate(fd, at, len); }

/* The copied bytes are read back from the target, which may be open for writing alone. */
ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags) {
    REAL(copy_file_range);
    char path[PATH_MAX], link[64];
    if (!watched_fd(out, path)) return real(in, in_at, out, out_at, len, flags);
    pthread_mutex_lock(&lock);
    if (fails("write")) UNLOCK_RETURN(-1);
    ssize_t n = real(in, in_at, out, out_at, len, flags);
    if (n > 0) {
        off_t end = out_at ? *out_at : lseek(out, 0, SEEK_CUR);
        int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        snprintf(link, sizeof link, "/proc/self/fd/%d", out);
        int fd = real_open(link, O_RDONLY | O_CLOEXEC);
        char *data = malloc(n);
        if (fd >= 0 && data && pread(fd, data, n, end - n) == n) record_write(out, end - n, data, n);
        else record_path(UNSUPPORTED, "copy_file_range that cannot be read back");
        free(data);
        if (fd >= 0) close(fd);
    }
    UNLOCK_RETURN(n);
}

static void unsupported(int fd, const char *what) {
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return;
    pthread_mutex_lock(&lock);
    record_path(UNSUPPORTED, what);
    pthread_mutex_unlock(&lock);
}

void *mmap(void *where, size_t len, int prot, int flags, int fd, off_t at) {
    REAL(mmap);
    if (fd >= 0 && (flags & MAP_SHARED) && (prot & PROT_WRITE)) unsupported(fd, "mmap for writing");
    return real(where, len, prot, flags, fd, at);
}
ssize_t sendfile(int out, int in, off_t *at, size_t len) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "sendfile");
    unsupported(out, "sendfile");
    return real(out, in, at, len);
}
ssize_t sendfile64(int out, int in, off_t *at, size_t len) { return sendfile(out, in, at, len); }
ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags) {
    REAL(splice);
    unsupported(out, "splice");
    return real(in, in_at, out, out_at, len, flags);
}
int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, ...);
    if (!real) real = dlsym(RTLD_NEXT, "ioctl");
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    /* FICLONE and FICLONERANGE */
    if (request == 0x40049409ul || request == 0x4020940dul) unsupported(fd, "reflink");
    return real(fd, request, arg);
}
