/* holder [WORDS]: one process that holds memory, told by its environment, so that its name and its command line (WORDS)
 * are free to look like anything: `HOLD_MIB=475 HOLD_GROWTH=1.9 exec -a a.test holder -test.timeout=10m`.
 *   HOLD_MIB       MiB of private memory, touched, in 4 KiB pages
 *   HOLD_SHARED    MiB of shared memory, touched
 *   HOLD_GROWTH    MiB more in each second
 *   HOLD_MAPPINGS  so many mappings of one page that the kernel cannot merge
 * Prints one line when it stands. Ends with its parent, or when its standard input closes.
 * Build: cc -O2 -o holder holder.c */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static double wanted(const char *name) {
    const char *value = getenv(name);
    return value ? atof(value) : 0;
}

static char *hold(size_t bytes, int sharing) {
    if (bytes == 0) return NULL;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    madvise(memory, bytes, MADV_NOHUGEPAGE); /* 4 KiB pages: the costly kind to look at */
    memset(memory, 1, bytes);
    return memory;
}

int main(int argc, char **argv) {
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mappings = (size_t)wanted("HOLD_MAPPINGS");
    double growth = wanted("HOLD_GROWTH"), due = 0;
    prctl(PR_SET_NAME, slash ? slash + 1 : argv[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);

    char *pages = hold(mappings * page, MAP_PRIVATE);
    for (size_t i = 0; i < mappings; i += 2)
        if (mprotect(pages + i * page, page, PROT_READ)) {
            perror("mprotect (vm.max_map_count?)");
            return 1;
        }
    hold((size_t)(wanted("HOLD_MIB") * (1 << 20)), MAP_PRIVATE);
    hold((size_t)(wanted("HOLD_SHARED") * (1 << 20)), MAP_SHARED);
    printf("up\n");
    fflush(stdout);

    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (;;) {
        char ignored;
        if (poll(&input, 1, growth > 0 ? 100 : -1) > 0 && read(0, &ignored, 1) <= 0) return 0;
        due += growth / 10 * (1 << 20); /* a tenth of a second at a time, whole pages */
        size_t whole = (size_t)(due / (double)page) * page;
        hold(whole, MAP_PRIVATE);
        due -= (double)whole;
    }
}
