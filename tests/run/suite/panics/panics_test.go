// Package panics panics.
package panics

import "testing"

func TestBefore(t *testing.T) { t.Log("not to be seen") }

func TestPanics(t *testing.T) { t.Log("about to"); panic("as it should") }
