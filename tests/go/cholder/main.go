// Command cholder also holds memory of C: malloc's, in many arenas, and stacks of threads.
package main

/*
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t held;

static void *hold(void *bytes) {
	char frame[64 << 10];
	memset(frame, 1, sizeof frame);
	// Below the threshold of mmap, so that it comes from an arena of this thread.
	for (size_t left = (size_t)bytes; left >= 4096; left -= 4096) {
		char *volatile block = malloc(4096);
		memset(block, frame[0], 4096);
	}
	pthread_barrier_wait(&held);
	pause();
	return 0;
}

static void threads(int count, size_t bytes) {
	pthread_barrier_init(&held, 0, count + 1);
	for (int i = 0; i < count; i++) {
		pthread_t thread;
		pthread_create(&thread, 0, hold, (void *)(bytes / count));
	}
	pthread_barrier_wait(&held);
}

// Kept where the compiler must believe that somebody looks.
static char *volatile block;

static void allocate(size_t bytes, size_t each) {
	for (size_t left = bytes; left >= each; left -= each) {
		block = malloc(each);
		memset(block, 1, each);
	}
}
*/
import "C"

import (
	"strings"

	"example.com/held"
)

func main() {
	held.Do(func(command string, bytes func(string) int) bool {
		word, argument, _ := strings.Cut(command, " ")
		switch word {
		case "threads":
			C.threads(4, C.size_t(bytes(argument)))
		case "big":
			C.allocate(C.size_t(bytes(argument)), C.size_t(bytes(argument)))
		case "malloc":
			C.allocate(C.size_t(bytes(argument)), 4000)
		default:
			return false
		}
		return true
	})
}
