// Package beside holds 20 MiB and harms nobody.
package beside

import (
	"testing"
	"time"
)

func TestSteady(t *testing.T) {
	block := make([]byte, 20<<20)
	for at := range block {
		block[at] = byte(at)
	}
	time.Sleep(500 * time.Millisecond)
	if block[5] != 5 {
		t.Fatal("lost")
	}
}
