//go:build race

package memimage

const raceEnabled = true
