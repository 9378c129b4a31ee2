/* holder NAME MIB [MIB_PER_SECOND [MAPPINGS]]: one process of that name that touches MIB MiB, then grows by so many MiB
 * a second, with so many mappings that the kernel cannot merge. Prints one line when it stands; ends when its standard
 * input closes.
 * Build: cc -O2 -o holder holder.c */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void hold(size_t bytes) {
    if (bytes == 0) return;
    char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    madvise(memory, bytes, MADV_NOHUGEPAGE); /* 4 KiB pages: the costly kind to look at */
    memset(memory, 1, bytes);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: holder NAME MIB [MIB_PER_SECOND [MAPPINGS]]\n");
        return 2;
    }
    double per_second = argc > 3 ? atof(argv[3]) : 0;
    size_t mappings = argc > 4 ? (size_t)atol(argv[4]) : 0, page = (size_t)sysconf(_SC_PAGESIZE);
    prctl(PR_SET_NAME, argv[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mappings) {
        char *memory = mmap(0, mappings * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            perror("mmap");
            return 1;
        }
        madvise(memory, mappings * page, MADV_NOHUGEPAGE);
        memset(memory, 1, mappings * page);
        for (size_t i = 0; i < mappings; i += 2)
            if (mprotect(memory + i * page, page, PROT_READ)) {
                perror("mprotect (vm.max_map_count?)");
                return 1;
            }
    }
    hold((size_t)atol(argv[2]) << 20);
    printf("%s up\n", argv[1]);
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    double due = 0; /* a tenth of a second at a time, whole pages */
    for (;;) {
        char ignored;
        if (poll(&input, 1, per_second > 0 ? 100 : -1) > 0 && read(0, &ignored, 1) <= 0) return 0;
        due += per_second / 10 * (1 << 20);
        size_t whole = (size_t)(due / (double)page) * page;
        hold(whole);
        due -= (double)whole;
    }
}
