// Command holder holds memory as standard input asks.
package main

import "example.com/held"

func main() { held.Do(nil) }
