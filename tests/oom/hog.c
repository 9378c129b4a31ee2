/* hog: a process whose memory is exactly what it is told to be, for the tests that let the kernel kill.
 *
 * It reads commands from standard input, one a line, and answers each with "ok" once it is done:
 *   name TEXT     take this name (comm)
 *   adj N         write N to its own oom_score_adj
 *   anon KIB      touch so much new anonymous memory
 *   shm KIB       touch so much new shared anonymous memory
 *   memfd KIB     touch so much of a new memfd, mapped shared
 *   file KIB      write so much to a file in tmpfs that nobody maps: memory that no process has
 *   sparse N      touch N pages, each 2 MiB apart: page tables without much RSS
 *   fork          a child that shares what is there and sleeps (dies with its parent)
 *   clone         a child that shares the whole address space (CLONE_VM, no CLONE_THREAD) and sleeps
 *   vfork         a child that shares the whole address space until it execs, which it never does
 *   spread KIB    touch so much from four threads at once
 *   leave         the leader ends, a thread of it goes on reading commands (a dead leader)
 * End of input ends it. Build: cc -O1 -static -pthread -o hog hog.c */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *take(size_t bytes, int flags) {
    char *m = mmap(0, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) { perror("mmap"); exit(1); }
    madvise(m, bytes, MADV_NOHUGEPAGE);
    return m;
}

static void touch(char *m, size_t bytes, size_t step) {
    for (size_t i = 0; i < bytes; i += step) m[i] = 1;
}

struct part { char *m; size_t bytes; };
static void *spread(void *p) {
    struct part *part = p;
    touch(part->m, part->bytes, 4096);
    return 0;
}

static _Noreturn int shared_child(void *unused) {
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
}

/* The thread that calls vfork waits for its child, so it is one of its own. */
static volatile int lent;
static void *lend(void *unused) {
    (void)unused;
    if (vfork() == 0) {
        lent = 1; /* in the address space of both */
        shared_child(0);
    }
    return 0;
}

static void write_unmapped(size_t kib) {
    static char block[64 << 10];
    char name[64];
    static int made;
    snprintf(name, sizeof name, "/dev/shm/hog-%d-%d", getpid(), made++);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600); /* stays open: an unlinked file lives as long */
    if (fd < 0) { perror(name); exit(1); }
    unlink(name);
    memset(block, 1, sizeof block);
    for (size_t left = kib << 10; left > 0;) {
        ssize_t n = write(fd, block, left < sizeof block ? left : sizeof block);
        if (n <= 0) { perror(name); exit(1); }
        left -= n;
    }
}

static char *take_memfd(size_t bytes) {
    int fd = memfd_create("hog", 0);
    if (fd < 0 || ftruncate(fd, bytes) < 0) { perror("memfd"); exit(1); }
    char *m = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m == MAP_FAILED) { perror("mmap"); exit(1); }
    return m;
}

static void *serve(void *unused) {
    (void)unused;
    static char line[256];
    while (fgets(line, sizeof line, stdin)) {
        char word[32] = "", text[64] = "";
        sscanf(line, "%31s %63[^\n]", word, text);
        size_t kib = strtoul(text, 0, 10);
        if (!strcmp(word, "name")) {
            prctl(PR_SET_NAME, text);
        } else if (!strcmp(word, "adj")) {
            int fd = open("/proc/self/oom_score_adj", O_WRONLY);
            if (fd < 0 || write(fd, text, strlen(text)) < 0) { puts("denied"); fflush(stdout); continue; }
            close(fd);
        } else if (!strcmp(word, "anon")) {
            touch(take(kib << 10, MAP_PRIVATE), kib << 10, 4096);
        } else if (!strcmp(word, "shm")) {
            touch(take(kib << 10, MAP_SHARED), kib << 10, 4096);
        } else if (!strcmp(word, "memfd")) {
            touch(take_memfd(kib << 10), kib << 10, 4096);
        } else if (!strcmp(word, "file")) {
            write_unmapped(kib);
        } else if (!strcmp(word, "vfork")) {
            pthread_t lender;
            pthread_create(&lender, 0, lend, 0);
            while (!lent) usleep(1000);
        } else if (!strcmp(word, "sparse")) {
            size_t bytes = kib << 21;
            touch(take(bytes, MAP_PRIVATE | MAP_NORESERVE), bytes, 2 << 20);
        } else if (!strcmp(word, "fork")) {
            if (fork() == 0) { close(0); shared_child(0); }
        } else if (!strcmp(word, "clone")) {
            char *stack = take(64 << 10, MAP_PRIVATE);
            clone(shared_child, stack + (64 << 10), CLONE_VM | SIGCHLD, 0);
        } else if (!strcmp(word, "spread")) {
            pthread_t threads[4];
            struct part parts[4];
            for (int i = 0; i < 4; i++) {
                parts[i].bytes = (kib / 4) << 10;
                parts[i].m = take(parts[i].bytes + 4096, MAP_PRIVATE);
                pthread_create(&threads[i], 0, spread, &parts[i]);
            }
            for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
        } else if (!strcmp(word, "leave")) {
            static int left;
            if (!left) {
                left = 1;
                pthread_t thread;
                puts("ok"); fflush(stdout);
                pthread_create(&thread, 0, serve, 0);
                pthread_exit(0);
            }
        }
        puts("ok");
        fflush(stdout);
    }
    exit(0);
}

int main(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(0);
}
