/* procfarm N: N sleeping processes, named farm-0, farm-1, ... Prints one line when all are up; they all end when its
 * standard input closes, when it gets SIGTERM or SIGINT, or when it dies.
 * Build: cc -O2 -o procfarm procfarm.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void end_all(int unused) {
    (void)unused;
    kill(0, SIGKILL);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    if (setpgid(0, 0)) {
        perror("setpgid");
        return 1;
    }
    pid_t farmer = getpid();
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0) {
            perror("fork");
            end_all(0);
        }
        if (child == 0) {
            char name[16];
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != farmer) _exit(0);
            snprintf(name, sizeof name, "farm-%d", i);
            prctl(PR_SET_NAME, name);
            for (;;) pause();
        }
    }
    signal(SIGTERM, end_all);
    signal(SIGINT, end_all);
    printf("%d processes up\n", count);
    fflush(stdout);
    char ignored;
    while (read(0, &ignored, 1) > 0) {
    }
    end_all(0);
}
