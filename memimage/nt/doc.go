// Package nt interprets the bytes of a Windows memory: it finds the kernel and its version, its processes, their
// environment blocks, address descriptors and sections.
//
// Everything is found from the kernel's own structures, at offsets that a profile gives, and nothing is believed
// before it was checked: every byte of an image is hostile, every list and tree walked here is bounded. Below lie
// packages paging, profile and sparse; package memimage, above, puts their results together for a user.
package nt
