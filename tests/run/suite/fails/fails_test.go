// Package fails has a test that fails.
package fails

import "testing"

func TestFails(t *testing.T) { t.Fatal("as it should") }
