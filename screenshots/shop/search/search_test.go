// Package search keeps an index and asks it three things at once.
package search

import (
	"testing"
	"time"
)

var index []byte

func filled(size int) []byte {
	time.Sleep(200 * time.Millisecond)
	filled := make([]byte, size)
	for at := range filled {
		filled[at] = byte(at)
	}
	time.Sleep(200 * time.Millisecond)
	return filled
}

func TestIndex(t *testing.T) { index = filled(24 << 20) }

func TestQuery(t *testing.T) {
	for _, how := range []string{"exact", "prefix", "fuzzy"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			if found := filled(12 << 20); found[7] != index[7] {
				t.Fatal("not found")
			}
		})
	}
}
