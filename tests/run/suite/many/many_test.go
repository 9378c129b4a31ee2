// Package many leaks a little in each of many tests.
package many

import (
	"strconv"
	"testing"
)

var kept [][]byte

func TestMany(t *testing.T) {
	for i := 0; i < 100; i++ {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			block := make([]byte, 6<<20)
			for at := range block {
				block[at] = byte(at)
			}
			kept = append(kept, block)
		})
	}
}
