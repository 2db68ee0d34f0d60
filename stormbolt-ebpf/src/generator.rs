//! A generator of frames for the demo, tests and benchmarks.
//!
//! Run by `BPF_PROG_TEST_RUN` with live frames, it changes each frame as its settings say and sends
//! it out of the device that the test run names.
#![no_std]
#![no_main]

#[path = "kernel/generator.rs"]
mod kernel;
