// Package near comes near a limit of 160 MiB and stays below.
package near

import "testing"

func TestNear(t *testing.T) {
	block := make([]byte, 100<<20)
	for at := range block {
		block[at] = byte(at)
	}
	if block[7] != 7 {
		t.Fatal("lost")
	}
}
