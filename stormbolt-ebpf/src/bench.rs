//! What the benchmarks load beside the measured program: the program in front of it, the empty one
//! that it is compared with, and bare lookups in the kernel's own tables.
#![no_std]
#![no_main]

#[path = "kernel/bench.rs"]
mod kernel;
