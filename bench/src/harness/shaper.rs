//! The peers that have queues: HTB and TBF of the kernel's traffic control, where packets leave.

use std::io::ErrorKind;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use stormbolt::lab::Interface;

/// A queueing discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shaper {
    /// Hierarchical token bucket, with one class.
    Htb,
    /// Token bucket filter, with a queue of 50 ms.
    Tbf,
}

impl Shaper {
    /// Its name, as `tc` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Htb => "htb",
            Self::Tbf => "tbf",
        }
    }

    /// Holds what leaves by `device` to a rate, with a burst of so many bytes; `false`: `tc` is not
    /// installed. It is gone with the device.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(self, device: &Interface, bits_per_second: u64, burst: u64) -> Result<bool> {
        let name = device.name();
        let (rate, burst) = (format!("{bits_per_second}bit"), burst.to_string());
        let commands: Vec<Vec<&str>> = match self {
            Self::Htb => vec![
                vec![
                    "qdisc", "add", "dev", name, "root", "handle", "1:", "htb", "default", "1",
                ],
                vec![
                    "class", "add", "dev", name, "parent", "1:", "classid", "1:1", "htb", "rate",
                    &rate, "ceil", &rate, "burst", &burst, "cburst", &burst,
                ],
            ],
            Self::Tbf => vec![vec![
                "qdisc", "add", "dev", name, "root", "tbf", "rate", &rate, "burst", &burst,
                "latency", "50ms",
            ]],
        };
        for arguments in commands {
            let mut command = device.namespace().command("tc");
            command.args(arguments).stdout(Stdio::null());
            let output = match command.stderr(Stdio::piped()).output() {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                output => output.context("cannot run tc")?,
            };
            if !output.status.success() {
                let message = String::from_utf8_lossy(&output.stderr);
                bail!("tc refuses: {}", message.lines().next().unwrap_or_default());
            }
        }
        Ok(true)
    }
}
