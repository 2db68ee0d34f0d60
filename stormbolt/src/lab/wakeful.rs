//! CPUs that stay awake.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// Keeps idle CPUs polling instead of sleeping, as long as it lives.
///
/// A halted CPU of a virtual machine takes some 100 µs to wake up, in which a flood overruns the
/// 256 frames that a veth queues. Hosts that care about latency are set up like this too (tuned's
/// `network-latency` profile). See "PM Quality Of Service Interface" in the kernel's documentation.
#[derive(Debug)]
pub struct Wakeful {
    /// The request stands as long as the file is open.
    _request: File,
}

impl Wakeful {
    /// Asks the kernel for CPUs that wake up at once.
    ///
    /// # Errors
    ///
    /// When the kernel has no such interface, or without root.
    pub fn ask() -> io::Result<Self> {
        let mut request = OpenOptions::new()
            .write(true)
            .open("/dev/cpu_dma_latency")?;
        request.write_all(&0_i32.to_ne_bytes())?;
        Ok(Self { _request: request })
    }
}
