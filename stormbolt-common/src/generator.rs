//! Settings of the frame generator that the demo, tests and benchmarks run.

/// What the generator changes in each frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorSettings {
    /// Source ports to spread the frames over at random; zero leaves the port as it is.
    pub flows: u32,
    /// The lowest of them, host order.
    pub first_port: u32,
    /// Where in the frame the source port stands, below 64.
    pub port_offset: u32,
    /// Where in the frame random bytes begin, below 64.
    pub random_offset: u32,
    /// 32-bit words of random bytes to write, at most [`MAX_RANDOM_WORDS`]; fewer in short frames.
    pub random_words: u32,
    /// Time from one frame to the next in ns, kept by waiting in the kernel, since nothing else is
    /// that fine; zero sends as fast as it goes. The wait is bounded: see [`MAX_CLOCK_READS`].
    pub interval_ns: u32,
}

/// Words that the generator randomises at most.
pub const MAX_RANDOM_WORDS: u32 = 64;

/// How often the clock is read at most while waiting to send a frame, some 5 µs in all.
pub const MAX_CLOCK_READS: u32 = 128;

/// What the generator has done.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorState {
    /// Frames handed to the device.
    pub frames: u64,
    /// When the next frame is due, in ns of `bpf_ktime_get_ns`.
    pub next_due_ns: u64,
}

const _: () = assert!(size_of::<GeneratorState>() == 16);
const _: () = assert!(size_of::<GeneratorSettings>() == 24);
const _: () = assert!(align_of::<GeneratorSettings>() == 4);
