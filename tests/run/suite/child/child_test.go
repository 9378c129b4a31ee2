// Package child starts a process that takes too much, and survives its death.
package child

import (
	"os/exec"
	"testing"
)

func TestChild(t *testing.T) {
	// tail keeps what it reads until it sees the end of a line.
	if err := exec.Command("sh", "-c", "exec tail -n 1 </dev/zero >/dev/null").Run(); err == nil {
		t.Fatal("it lived")
	}
}
