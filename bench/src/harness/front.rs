//! The program in front of the measured one, loaded with headers.

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Array, ProgramArray};
use aya::programs::{ProgramFd, TestRun as _, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Header, IpVersion};

use super::clock::thread_time_ns;
use super::object;
use crate::frames::{header_v4, header_v6, template};

/// Length of an Ethernet address.
const MAC_BYTES: usize = 6;
/// Frames that are sent at a time, as a network card's driver takes them.
const BATCH: u32 = 64;
/// XDP's verdict of a front that found no target.
const XDP_ABORTED: u32 = 0;
/// XDP's verdict of a packet that is dropped.
const XDP_DROP: u32 = 1;
/// How long one measurement shall take.
const RUN_NS: u64 = 60_000_000;
/// Passes over all headers before a measurement.
const WARM_UP_PASSES: u64 = 48;
/// The fewest passes over all headers in one measurement.
const MIN_PASSES: u64 = 8;
/// The most, so that a program that does nothing does not run for ever.
const MAX_PASSES: u64 = 4096;

/// Whether packets of the same flows come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flows {
    /// In every pass over the headers.
    Known,
    /// Never: every packet has another source port.
    New,
}

/// The program in front of the measured one: every run takes the next of its headers, writes it into
/// the frame and jumps to the measured program.
pub struct Front {
    ebpf: Ebpf,
    /// The front by which flows come again, and the one by which all are new.
    names: [&'static str; 2],
    frame: Vec<u8>,
    empty: ProgramFd,
}

impl Front {
    /// Loads a front with `headers`, which are repeated until there are enough.
    ///
    /// # Errors
    /// There is no header, one is of another version, or the kernel refuses the programs.
    pub fn load(headers: &[Header], version: IpVersion) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(object::programs())?;
        let empty = load_program(&mut ebpf, "empty")?;
        let names = match version {
            IpVersion::V4 => {
                fill(&mut ebpf, "HEADERS_V4", headers, header_v4)?;
                ["front_v4", "front_new_v4"]
            }
            IpVersion::V6 => {
                fill(&mut ebpf, "HEADERS_V6", headers, header_v6)?;
                ["front_v6", "front_new_v6"]
            }
        };
        for name in names {
            load_program(&mut ebpf, name)?;
        }
        Ok(Self {
            ebpf,
            names,
            frame: template(version),
            empty,
        })
    }

    /// Time of one run with the empty program behind the front, in nanoseconds.
    ///
    /// # Errors
    /// The kernel refuses to run the programs.
    pub fn time_empty(&mut self, flows: Flows) -> Result<f64> {
        let empty = self.empty.try_clone()?;
        self.time(&empty, flows)
    }

    /// Time of one run with `target` behind the front, in nanoseconds; the mean over as many passes
    /// over the headers as fit into a twentieth of a second.
    ///
    /// # Errors
    /// The kernel refuses to run the programs.
    pub fn time(&mut self, target: &ProgramFd, flows: Flows) -> Result<f64> {
        self.jump_to(target)?;
        // The first passes bring code, tables and flows into the caches; a flow cache that a flood has
        // put off takes some to come back. The others say how long a pass takes.
        self.run(WARM_UP_PASSES, flows)?;
        let pass_ns = self.run(MIN_PASSES / 4, flows)? / (MIN_PASSES / 4);
        let passes = (RUN_NS / pass_ns.max(1)).clamp(MIN_PASSES, MAX_PASSES);
        let elapsed = self.run(passes, flows)?;
        Ok(crate::stats::ratio(
            elapsed,
            passes * u64::from(BENCH_HEADERS),
        ))
    }

    /// Runs `target` once with each header.
    ///
    /// # Errors
    /// The kernel refuses to run the programs.
    pub fn pass(&mut self, target: &ProgramFd) -> Result<()> {
        self.jump_to(target)?;
        self.run(1, Flows::Known)?;
        Ok(())
    }

    /// Runs `target` once with each header, and says how many packets it dropped.
    ///
    /// # Errors
    /// The kernel refuses to run the programs.
    pub fn drops(&mut self, target: &ProgramFd) -> Result<u64> {
        self.jump_to(target)?;
        let name = self.name(Flows::Known);
        let program = xdp_program(&mut self.ebpf, name)?;
        let mut dropped = 0;
        for _ in 0..BENCH_HEADERS {
            let options = TestRunOptions {
                data_in: Some(&self.frame),
                repeat: 1,
                ..TestRunOptions::default()
            };
            let verdict = program.test_run(options)?.return_value;
            dropped += u64::from(verdict == XDP_DROP);
        }
        Ok(dropped)
    }

    fn name(&self, flows: Flows) -> &'static str {
        let [known, new] = self.names;
        match flows {
            Flows::Known => known,
            Flows::New => new,
        }
    }

    /// Puts `target` behind the front.
    fn jump_to(&mut self, target: &ProgramFd) -> Result<()> {
        let map = self.ebpf.map_mut("TARGET").context("no map TARGET")?;
        Ok(ProgramArray::try_from(map)?.set(0, target, 0)?)
    }

    /// Prepares the front to send its frames, to everyone on the link.
    ///
    /// # Errors
    /// The kernel refuses the program that sends.
    pub(super) fn transmit(&mut self) -> Result<()> {
        let transmit = load_program(&mut self.ebpf, "transmit")?;
        self.jump_to(&transmit)?;
        for byte in self.frame.iter_mut().take(MAC_BYTES) {
            *byte = 0xff;
        }
        Ok(())
    }

    /// Fills the frames up to `bytes` behind what IP says of its length.
    pub(super) fn pad(&mut self, bytes: usize) {
        if bytes > self.frame.len() {
            self.frame.resize(bytes, 0);
        }
    }

    /// Sends `frames` frames, with a header each in turn, out of device number `ifindex` of the calling
    /// thread's namespace; [`Self::transmit`] comes before.
    ///
    /// # Errors
    /// The kernel refuses, for example because the device is down.
    pub(super) fn send(&mut self, ifindex: u32, frames: u32) -> Result<()> {
        // `struct xdp_md`: the frame's end, and the device that it seems to have come from.
        let mut context = [0_u32; 6];
        context[1] = u32::try_from(self.frame.len())?;
        context[3] = ifindex;
        let context: Vec<u8> = context.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            ctx_in: Some(&context),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        let name = self.name(Flows::Known);
        xdp_program(&mut self.ebpf, name)?.test_run(options)?;
        Ok(())
    }

    /// Runs over all headers `passes` times and returns the time that it took.
    fn run(&mut self, passes: u64, flows: Flows) -> Result<u64> {
        let name = self.name(flows);
        let program = xdp_program(&mut self.ebpf, name)?;
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: u32::try_from(passes * u64::from(BENCH_HEADERS))?,
            ..TestRunOptions::default()
        };
        let before = thread_time_ns();
        let result = program.test_run(options)?;
        let elapsed = thread_time_ns() - before;
        ensure!(
            result.return_value != XDP_ABORTED,
            "the measured program did not run behind {name}"
        );
        Ok(elapsed)
    }
}

fn fill<T: Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
    headers: &[Header],
    words: fn(&Header) -> Option<T>,
) -> Result<()> {
    ensure!(!headers.is_empty(), "there are no headers to send");
    let map = ebpf.map_mut(name).context(name)?;
    let mut array: Array<_, T> = Array::try_from(map)?;
    for (index, header) in (0..BENCH_HEADERS).zip(headers.iter().cycle()) {
        let words = words(header).context("a header of the other IP version")?;
        array.set(index, words, 0)?;
    }
    Ok(())
}

/// Loads program `name` of `ebpf` and returns a descriptor of its own.
pub(super) fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<ProgramFd> {
    let program = xdp_program(ebpf, name)?;
    program
        .load()
        .with_context(|| format!("cannot load {name}"))?;
    Ok(program.fd()?.try_clone()?)
}

/// Program `name` of `ebpf`.
pub(super) fn xdp_program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).context(name)?;
    Ok(program.try_into()?)
}
