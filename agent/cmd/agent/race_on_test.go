//go:build race

package main

// raceFlag builds the tested agent with the race detector too.
const raceFlag = "-race"
