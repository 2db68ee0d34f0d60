//! An XDP program of somebody else: made of instructions by hand, loaded and pinned without any of StormBolt's code.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

/// Commands of `bpf(2)`, and what they take (`linux/bpf.h`).
const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP: libc::c_long = 1;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const ARRAY: u32 = 2;
const SOCKET_FILTER: u32 = 1;
const XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const HAS_FRAGS: u32 = 1 << 5;

/// Kinds of frames that it counts apart.
const KINDS: u32 = 3;

/// What the program is loaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedAs {
    /// As XDP programs are.
    Xdp,
    /// For frames in pieces too.
    XdpWithFragments,
    /// As what it is not: then it does nothing.
    SocketFilter,
}

/// What it has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenFrames {
    /// Neither of the others.
    pub other: u64,
    /// ARP.
    pub arp: u64,
    /// UDP over IPv4 to its port.
    pub to_port: u64,
}

/// A program that counts frames, passes them, and ends those to one UDP port with a verdict of its own. Its pin is removed
/// when it is dropped; it stays loaded for as long as something runs it.
#[derive(Debug)]
pub struct OtherProgram {
    program: OwnedFd,
    counters: OwnedFd,
    pin: Option<PathBuf>,
}

impl OtherProgram {
    /// Loads one that ends frames to `port` with an XDP verdict: 1 drops, 2 passes.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn load(port: u16, verdict: u8) -> Self {
        Self::load_as(LoadedAs::Xdp, port, verdict)
    }

    /// The same, loaded as a program of some kind.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn load_as(kind: LoadedAs, port: u16, verdict: u8) -> Self {
        let counters = bpf(MAP_CREATE, &mut [pair(ARRAY, 4), pair(8, KINDS)]).unwrap();
        let code = match kind {
            LoadedAs::Xdp | LoadedAs::XdpWithFragments => {
                counting(counters.as_raw_fd(), port, verdict)
            }
            LoadedAs::SocketFilter => vec![set(0, 0), EXIT],
        };
        let (program_type, flags, attach_type) = match kind {
            LoadedAs::Xdp => (XDP, 0, ATTACH_XDP),
            LoadedAs::XdpWithFragments => (XDP, HAS_FRAGS, ATTACH_XDP),
            LoadedAs::SocketFilter => (SOCKET_FILTER, 0, 0),
        };
        let licence = c"GPL";
        let name = u64::from_le_bytes(*b"somebody");
        let mut attributes = [
            pair(program_type, u32::try_from(code.len()).unwrap()),
            address(code.as_ptr()),
            address(licence.as_ptr()),
            0,
            0,
            pair(0, flags),
            name,
            0,
            pair(0, attach_type),
        ];
        let program = bpf(PROG_LOAD, &mut attributes).unwrap();
        Self {
            program,
            counters,
            pin: None,
        }
    }

    /// Pins it, at a path that nobody else uses.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn pinned(self) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let path = super::daemon::pin_of(process, &format!("other-{number}"));
        self.pinned_at(&path)
    }

    /// Pins it there, in the place of what is pinned there.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn pinned_at(mut self, path: &Path) -> Self {
        drop(fs::remove_file(path));
        pin(&self.program, path);
        self.pin = Some(path.to_owned());
        self
    }

    /// Pins its counters instead of the program.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn with_counters_pinned_at(mut self, path: &Path) -> Self {
        pin(&self.counters, path);
        self.pin = Some(path.to_owned());
        self
    }

    /// Where it is pinned.
    ///
    /// # Panics
    /// It is not.
    pub fn path(&self) -> &str {
        self.pin.as_ref().unwrap().to_str().unwrap()
    }

    /// Removes the pin.
    ///
    /// # Panics
    /// It is not there.
    pub fn unpin(&mut self) {
        fs::remove_file(self.pin.take().unwrap()).unwrap();
    }

    /// What it has seen so far.
    ///
    /// # Panics
    /// The kernel does not say.
    pub fn seen(&self) -> SeenFrames {
        SeenFrames {
            other: self.counter(0),
            arp: self.counter(1),
            to_port: self.counter(2),
        }
    }

    fn counter(&self, key: u32) -> u64 {
        let mut value = 0_u64;
        let map = u32::try_from(self.counters.as_raw_fd()).unwrap();
        let place = address(&raw mut value);
        let attributes = &mut [pair(map, 0), address(&raw const key), place, 0];
        call(MAP_LOOKUP, attributes).unwrap();
        value
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        if let Some(path) = &self.pin {
            drop(fs::remove_file(path));
        }
    }
}

fn pin(descriptor: &OwnedFd, path: &Path) {
    let text = CString::new(path.to_str().unwrap()).unwrap();
    let descriptor = u32::try_from(descriptor.as_raw_fd()).unwrap();
    call(OBJ_PIN, &mut [address(text.as_ptr()), pair(descriptor, 0)]).unwrap();
}

/// The program: the kind of frame in `r8`, the verdict in `r9`.
fn counting(map: RawFd, port: u16, verdict: u8) -> Vec<u64> {
    const END: i16 = 18;
    let port = i32::from(port.to_be());
    let jump_to = |from: i16, to: i16| to - from - 1;
    vec![
        code(0x61, 6, 1, 0, 0),                    // r6 = data
        code(0x61, 7, 1, 4, 0),                    // r7 = data_end
        set(8, 0),                                 // the kind
        set(9, 2),                                 // XDP_PASS
        code(0xbf, 2, 6, 0, 0),                    //
        code(0x07, 2, 0, 0, 42),                   //
        code(0x2d, 2, 7, jump_to(6, END), 0),      // shorter than 42 bytes
        code(0x69, 2, 6, 12, 0),                   //
        code(0x15, 2, 0, jump_to(8, 17), 0x0608),  // ARP
        code(0x55, 2, 0, jump_to(9, END), 0x0008), // not IPv4
        code(0x71, 2, 6, 23, 0),                   //
        code(0x55, 2, 0, jump_to(11, END), 17),    // not UDP
        code(0x69, 2, 6, 36, 0),                   //
        code(0x55, 2, 0, jump_to(13, END), port),  // to another port
        set(8, 2),                                 //
        set(9, i32::from(verdict)),                //
        code(0x05, 0, 0, jump_to(16, END), 0),     //
        set(8, 1),                                 // 17
        code(0x63, 10, 8, -4, 0),                  // 18: END
        code(0xbf, 2, 10, 0, 0),                   //
        code(0x07, 2, 0, 0, -4),                   //
        code(0x18, 1, 1, 0, map),                  // r1 = the map
        0,                                         //
        code(0x85, 0, 0, 0, 1),                    // bpf_map_lookup_elem
        code(0x15, 0, 0, jump_to(24, 27), 0),      //
        set(1, 1),                                 //
        code(0xdb, 0, 1, 0, 0),                    // lock *r0 += r1
        code(0xbf, 0, 9, 0, 0),                    // 27
        EXIT,
    ]
}

const EXIT: u64 = 0x95;

/// `register = value`.
fn set(register: u8, value: i32) -> u64 {
    code(0xb7, register, 0, 0, value)
}

/// One instruction (`struct bpf_insn`).
fn code(code: u8, destination: u8, source: u8, offset: i16, value: i32) -> u64 {
    let [offset_low, offset_high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    let registers = destination | source << 4;
    u64::from_le_bytes([code, registers, offset_low, offset_high, a, b, c, d])
}

/// Two numbers, as they follow each other in the memory of a machine whose lowest byte comes first.
fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

fn address<T>(pointer: *const T) -> u64 {
    u64::try_from(pointer.expose_provenance()).unwrap()
}

fn bpf(command: libc::c_long, attributes: &mut [u64]) -> io::Result<OwnedFd> {
    let descriptor = RawFd::try_from(call(command, attributes)?).unwrap();
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn call(command: libc::c_long, attributes: &mut [u64]) -> io::Result<libc::c_long> {
    let (pointer, bytes) = (attributes.as_mut_ptr(), size_of_val(attributes));
    // SAFETY: the kernel reads so many bytes of the attributes, and what they point to: the callers keep that.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
