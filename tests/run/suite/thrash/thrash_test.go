// Package thrash keeps 25 MiB and goes on allocating for a minute.
package thrash

import (
	"testing"
	"time"
)

type node struct {
	next *node
	data [100]byte
}

var kept *node
var garbage []byte

func TestThrash(t *testing.T) {
	for i := 0; i < 200_000; i++ {
		kept = &node{next: kept}
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		garbage = make([]byte, 4096)
	}
}
