// The clock of the program that this is loaded into (LD_PRELOAD), set back by as many seconds as the file CLOCK_BEHIND has bytes.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    struct stat file;
    const char *path = getenv("CLOCK_BEHIND");
    int failed = syscall(SYS_clock_gettime, clock, now) != 0;
    if (!failed && clock == CLOCK_REALTIME && path && stat(path, &file) == 0)
        now->tv_sec -= file.st_size;
    return failed ? -1 : 0;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
