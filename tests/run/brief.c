// 200 children that hold 50 MiB for 80 ms each, up to three at a time; then six that hold it together for some seconds.
// Prints what the kernel says each held at the most (wait4: ru_maxrss, KiB), in the order in which they ended.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void hold(long milliseconds) {
    size_t size = 50 << 20;
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) _exit(1);
    madvise(block, size, MADV_NOHUGEPAGE);
    memset(block, 1, size);
    usleep(milliseconds * 1000);
    _exit(0);
}

static void await(void) {
    struct rusage usage;
    int status;
    pid_t pid = wait4(-1, &status, 0, &usage);
    if (pid < 0 || status != 0) exit(1);
    printf("%d %ld\n", pid, usage.ru_maxrss);
}

int main(void) {
    int living = 0;
    for (int child = 0; child < 200; child++) {
        if (living == 3) { await(); living--; }
        if (fork() == 0) hold(80);
        living++;
        usleep(child % 4 * 10000);
    }
    while (living--) await();
    for (int child = 0; child < 6; child++) if (fork() == 0) hold(3000);
    for (int child = 0; child < 6; child++) await();
    return 0;
}
