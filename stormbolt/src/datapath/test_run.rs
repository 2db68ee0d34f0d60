//! Runs the loaded program on a frame of ours (`BPF_PROG_TEST_RUN`).

use std::time::Duration;

use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya_obj::programs::XdpAttachType;

use super::error::DatapathError;
use super::load::Datapath;
use super::maps;

/// What the program said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestVerdict {
    /// The XDP verdict: 1 drop, 2 pass, 4 redirect.
    pub verdict: u32,
    /// Time of one run on average.
    pub duration: Duration,
}

impl Datapath {
    /// Runs the program `repeat` times on `frame`, as if it had arrived on the loopback interface
    /// of the caller's network namespace. Counters and tokens change as by a real packet.
    ///
    /// # Errors
    /// The kernel refuses: frames have at least 14 bytes and at most a page's worth.
    pub fn test_run(&mut self, frame: &[u8], repeat: u32) -> Result<TestVerdict, DatapathError> {
        run(self.program_mut()?, frame, None, repeat)
    }

    /// As [`Datapath::test_run`], once; `frame` is then what the program has made of it.
    ///
    /// # Errors
    /// As there.
    pub fn test_run_in_place(&mut self, frame: &mut [u8]) -> Result<TestVerdict, DatapathError> {
        let original = frame.to_vec();
        run(self.program_mut()?, &original, Some(frame), 1)
    }

    /// A handle that runs the program as [`Datapath::test_run`] does, on another thread.
    ///
    /// # Errors
    /// The kernel does not hand out another descriptor of the program.
    pub fn test_runner(&mut self) -> Result<TestRunner, DatapathError> {
        let info = self.program_mut()?.info();
        let program = info.and_then(|info| {
            Xdp::from_program_info(info, maps::PROGRAM.into(), XdpAttachType::Interface)
        });
        let program = program.map_err(DatapathError::program("open", maps::PROGRAM))?;
        Ok(TestRunner { program })
    }
}

/// A second handle of the loaded program, to run it while policies are installed.
pub struct TestRunner {
    program: Xdp,
}

impl TestRunner {
    /// As [`Datapath::test_run`].
    ///
    /// # Errors
    /// The kernel refuses: frames have at least 14 bytes and at most a page's worth.
    pub fn run(&self, frame: &[u8], repeat: u32) -> Result<TestVerdict, DatapathError> {
        run(&self.program, frame, None, repeat)
    }
}

fn run(
    program: &Xdp,
    frame: &[u8],
    changed: Option<&mut [u8]>,
    repeat: u32,
) -> Result<TestVerdict, DatapathError> {
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: changed,
        repeat,
        ..TestRunOptions::default()
    };
    let result = program
        .test_run(options)
        .map_err(DatapathError::program("run", maps::PROGRAM))?;
    Ok(TestVerdict {
        verdict: result.return_value,
        duration: result.duration,
    })
}

/// `struct xdp_md`: the frame's end, and the device that the frame is said to come from. That is the
/// one that `XDP_TX` sends it out of; the kernel looks it up in the caller's network namespace.
pub(super) fn xdp_context(frame_bytes: usize, ifindex: u32) -> [u8; 24] {
    let mut context = [0_u8; 24];
    let data_end = u32::try_from(frame_bytes).unwrap_or(0).to_ne_bytes();
    let ifindex = ifindex.to_ne_bytes();
    for (target, byte) in context.iter_mut().skip(4).zip(data_end) {
        *target = byte;
    }
    for (target, byte) in context.iter_mut().skip(12).zip(ifindex) {
        *target = byte;
    }
    context
}
