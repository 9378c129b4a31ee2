// Package helper has a test that holds nothing and starts its own binary again, which holds 60 MiB.
package helper

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestExec(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.run=TestHelperProcess")
	command.Env = append(os.Environ(), "BE_THE_HELPER=1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

func TestHelperProcess(t *testing.T) {
	if os.Getenv("BE_THE_HELPER") == "" {
		t.Skip("what TestExec starts")
	}
	block := make([]byte, 60<<20)
	for at := 0; at < len(block); at += 4096 {
		block[at] = 1
	}
	time.Sleep(600 * time.Millisecond)
	if block[0] != 1 {
		t.Fatal("lost")
	}
}
